# The queue before endpoints that are all full (`max_requests`). Places that this worker frees are given on in the same
# batch; those that other workers free are found by looking at the board with every tick of the wheel.

from collections import OrderedDict

from libc.stdint cimport uint64_t


cdef enum:
    TICK = 5000000            # ns between two looks at the board; the wheel makes it 17 ms


cdef class Queue(Handler):
    """At most `size` exchanges that wait up to `timeout` seconds for a place."""

    def __init__(self, Worker worker not None, int size, double timeout):
        self.worker = worker
        self.reactor = worker
        self.size = size
        self.timeout = <uint64_t>(timeout * 1e9)
        self.arrivals = OrderedDict()
        self.urgent = OrderedDict()

    def __repr__(self) -> str:
        return f"<Queue {self.count} of {self.size}>"

    cdef int join(self, Party party, bint urgent) noexcept:
        if self.count >= self.size:
            return -1
        try:
            (self.urgent if urgent else self.arrivals)[party] = self.worker.now + self.timeout
        except MemoryError:
            return -1
        self.count += 1
        if self.count == 1:
            self.worker.arm(self, self.worker.now + TICK)
        return 0

    cdef void drop(self, Party party) noexcept:
        if self.urgent.pop(party, None) is not None or self.arrivals.pop(party, None) is not None:
            self.count -= 1

    cdef void stir(self) noexcept:
        self.worker.defer(self)

    cdef void on_turn(self) noexcept:
        self.on_timer()

    cdef void on_timer(self) noexcept:
        # the exchanges that are served may have been the last to hold it
        cdef Queue _held = self
        try:
            self.expire(self.urgent)
            self.expire(self.arrivals)
            if self.serve(self.urgent):
                self.serve(self.arrivals)
        except Exception as error:
            self.worker.tell(40, f"queue: {error!r}")
        self.worker.flush()
        if self.count:
            self.worker.arm(self, self.worker.now + TICK)

    cdef void expire(self, object waiting) except *:
        cdef Party party
        while waiting:
            party = next(iter(waiting))
            if <uint64_t>waiting[party] > self.worker.now:
                return
            del waiting[party]
            self.count -= 1
            party.on_shed()

    cdef bint serve(self, object waiting) except -1:
        """Give places as long as there are any; whether there are more than were wanted."""
        cdef Party party
        while waiting:
            party, deadline = waiting.popitem(False)
            self.count -= 1
            if not party.on_place():
                waiting[party] = deadline
                waiting.move_to_end(party, False)
                self.count += 1
                return False
        return True
