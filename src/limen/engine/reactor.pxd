# The reactor: one epoll descriptor, one timing wheel and the shared scratch memory of a worker.
# It is the selector of the worker's asyncio loop: asyncio's own epoll is nested in this one.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from limen.engine.sys cimport epoll_event, iovec
from limen.engine.timers cimport Timer, Wheel, timer_off, timer_set


cdef enum:
    INPUT_SIZE = 131072       # bytes of the scratch buffer that every connection reads into
    ARENA_SIZE = 262144       # bytes for heads and chunk lines on their way out
    FLAT_SIZE = 4096          # pieces that make up no more than this are sent as one
    RECORD_SIZE = 16384       # bytes of content in the largest TLS record
    SEALED_SIZE = 262144      # bytes of TLS records on their way out
    GATHER_SLOTS = 64         # pieces one sendmsg takes
    EVENT_SLOTS = 256


# Objects alive in this process, for tests: counted by debug builds, -1 in others.
cdef long live_handlers() noexcept nogil


cdef class Handler:
    # Something with a descriptor or a timer. It lives as long as it is watched (the registration
    # holds a reference); after bury() it is released at the end of the batch, so that events of
    # the same batch that still name it find `closed`, not freed memory.
    cdef Reactor reactor
    cdef int fd
    cdef bint watched
    cdef bint closed          # bury() was called: never touch the descriptor again
    cdef bint deferred        # waits in the reactor's turn list
    cdef bint hung            # epoll has told that the peer ends or ended: no further edge will
    cdef Timer timer

    cdef void on_event(self, uint32_t events) noexcept
    cdef void on_timer(self) noexcept
    cdef void on_turn(self) noexcept
    # Send what the reactor has gathered for this handler.
    cdef void on_gathered(self) noexcept


cdef class Reactor:
    cdef int epfd
    cdef int inner_fd         # asyncio's epoll descriptor, borrowed from the selector
    cdef readonly bint wake   # Python was called: the loop has work, return to it
    cdef uint64_t now         # monotonic ns, taken once per batch
    cdef Wheel wheel
    cdef epoll_event events[256]
    cdef void** turns         # owned array of borrowed Handlers (kept alive by an INCREF while listed)
    cdef size_t turn_count
    cdef size_t turn_room
    cdef void** graveyard     # owned array of Handlers whose registration reference is to be dropped
    cdef size_t grave_count
    cdef size_t grave_room
    # scratch memory, valid within one event
    cdef char* input          # owned, INPUT_SIZE
    cdef char* arena          # owned, ARENA_SIZE
    cdef size_t arena_used
    cdef char* sealed         # owned, SEALED_SIZE: records of one connection, sent before anyone else writes
    cdef size_t sealed_used
    cdef char* staging        # owned, RECORD_SIZE: where small pieces become one record
    cdef iovec gather[64]     # pieces waiting for one sendmsg; they point into input, arena or blocks
    cdef char flat[4096]      # where small pieces are laid together
    cdef int gather_count
    cdef size_t gather_bytes
    cdef void* gather_owner   # borrowed Handler, NULL when nothing is gathered
    cdef readonly unsigned long long batches
    cdef readonly unsigned long long turns_given
    cdef readonly long watched_count

    cdef int watch(self, Handler handler, uint32_t events) noexcept
    cdef int adopt(self, Handler handler, uint32_t events) noexcept
    cdef void bury(self, Handler handler) noexcept
    cdef void bury_shared(self, Handler handler) noexcept
    cdef void defer(self, Handler handler) noexcept
    cdef void flush(self) noexcept
    cdef int run(self, double timeout) except -2
    cdef void settle(self) noexcept

    cdef inline void arm(self, Handler handler, uint64_t deadline) noexcept:
        timer_set(&self.wheel, &handler.timer, deadline)

    cdef inline void disarm(self, Handler handler) noexcept:
        timer_off(&handler.timer)

    cdef inline void forget_gathered(self) noexcept:
        """Nothing waits to be sent any more: input and arena may be used anew."""
        self.gather_owner = NULL
        self.gather_count = 0
        self.gather_bytes = 0
        self.arena_used = 0

    cdef inline char* claim(self, size_t size) noexcept:
        """Arena memory for bytes on their way out; NULL when they can never fit. May flush."""
        cdef char* place
        if self.arena_used + size > ARENA_SIZE:
            self.flush()
            if size > ARENA_SIZE:
                return NULL
        place = self.arena + self.arena_used
        self.arena_used += size
        return place
