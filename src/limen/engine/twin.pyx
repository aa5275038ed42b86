# The way out of an exchange once more, by the same functions (attempts.pyx), but with no client to answer and no other
# attempt after it.

cimport cython

from limen.engine.alarm cimport new_alarm
from limen.engine.attempts cimport (
    claim_endpoint,
    dial_endpoint,
    dial_resolved,
    drop_origin,
    engage_origin,
    is_asked,
    leave_endpoint,
    open_origin,
    secure_origin,
    take_pooled,
)
from limen.engine.forwarding cimport lay_request
from limen.engine.http1.origin cimport Http1Origin
from limen.engine.repeat cimport send_kept
from limen.engine.state cimport PHASE_EGRESS, PHASE_FORWARD
from limen.engine.types cimport FAULT_INTERNAL, FAULT_MEMORY, Address
from limen.engine.upstream cimport Pooled
from limen.engine.worker cimport Resolution


@cython.no_gc
cdef class Twin(ExchangeState):
    cdef int resemble(self, ExchangeState exchange) noexcept:
        """Take over what the request is; 0, or -1 without memory."""
        self.exchange = exchange
        self.worker = exchange.worker
        self.client = exchange.client
        self.service = exchange.service
        self.action = exchange.action
        self.upstream = exchange.upstream
        # `block` and `normal` stay with the exchange
        self.fields = exchange.fields
        self.base = exchange.base
        self.head = exchange.head
        self.host = exchange.host
        self.path = exchange.path
        self.path_length = exchange.path_length
        self.rewritten = exchange.rewritten
        self.peer = exchange.peer
        self.sender = exchange.sender
        self.id = exchange.id
        self.id_length = exchange.id_length
        self.minor = exchange.minor
        self.until = exchange.until
        self.continued = exchange.continued
        self.replaced = exchange.replaced
        self.pinned = exchange.pinned
        self.request_over = True
        try:
            self.alarm = new_alarm(self.worker, self)
        except MemoryError:
            return -1
        return 0

    cdef int set_out(self) noexcept:
        cdef Pooled pooled
        if not claim_endpoint(self):
            return -1
        if self.endpoint is self.avoid:
            # (none other has room)
            leave_endpoint(self)
            return -1
        self.phase = PHASE_EGRESS
        pooled = take_pooled(self)
        if pooled is not None:
            self.use_origin(pooled)
        else:
            self.dialled(dial_endpoint(self))
        return 0

    cdef void dialled(self, int outcome) noexcept:
        if outcome:
            self.failed(outcome)

    cdef void on_resolved(self, object resolution) noexcept:
        if self.finished or self.phase != PHASE_EGRESS or self.dial is not None or self.origin is not None:
            return
        if is_asked(self, resolution):
            self.dialled(dial_resolved(self, <Resolution>resolution))

    cdef void on_dial_fault(self, int fault) noexcept:
        self.dial = None
        if not self.finished:
            self.endpoint.dial_failed()
            self.failed(fault)

    cdef void on_connected(self, int fd, const Address* address) noexcept:
        cdef Http1Origin origin
        self.dial = None
        origin = open_origin(self, fd, address)
        if origin is None:
            self.failed(FAULT_MEMORY)
        elif not secure_origin(self, origin):
            self.endpoint.dial_done()
            self.use_origin(origin)

    cdef void on_secured(self, Stream source) noexcept:
        if not self.finished and source is self.origin:
            self.endpoint.dial_done()
            self.use_origin(source)

    cdef void use_origin(self, Stream origin) noexcept:
        engage_origin(self, <Http1Origin>origin)
        self.phase = PHASE_FORWARD
        self.forwarded_at = self.worker.now
        if lay_request(self) < 0 or self.mark() < 0:
            self.failed(FAULT_INTERNAL)
            return
        origin.send_head(&self.worker.out_head)
        self.origin_ready = True
        self.push_kept()
        self.worker.flush()

    cdef int mark(self) noexcept:
        return 0

    cdef void push_kept(self) noexcept:
        """Send the content as far as the origin takes it, and then the end."""
        cdef int sent = send_kept(self)
        # the content may go with the exchange
        self.worker.flush()
        if sent < 0:
            self.failed(FAULT_INTERNAL)
        elif sent:
            self.keep = None
            self.origin.send_end(NULL, NULL, 0)

    cdef void on_drained(self, Stream sink) noexcept:
        if not self.finished and sink is self.origin and self.origin_ready and self.keep is not None:
            self.push_kept()

    cdef void on_fault(self, Stream source, int fault) noexcept:
        if self.finished or source is not self.origin:
            return
        self.origin = None
        if (<Http1Origin>source).shaking:
            self.endpoint.dial_failed()
        self.failed(fault)

    cdef void failed(self, int fault) noexcept:
        self.end()

    cdef void end(self) noexcept:
        if self.finished:
            return
        self.finished = True
        if self.alarm is not None:
            self.alarm.cancel()
            self.alarm = None
        drop_origin(self)
        leave_endpoint(self)
        self.keep = None
        self.exchange = None
        self.client = None
