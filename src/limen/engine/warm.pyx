# Keeps `warm` connections open per endpoint. What fails here counts like any dial that fails: the endpoint is out for a
# while, so nobody is sent there, and it is not dialled in a loop. Endpoints that are down, ejected, drained or disabled
# are left alone until they are not.

cimport cython
from libc.stdint cimport uint64_t

from limen.engine.attempts cimport dial_endpoint, dial_resolved, is_asked, open_origin, secure_origin
from limen.engine.board cimport (
    HEALTH_DISABLED,
    HEALTH_DOWN,
    HEALTH_DRAINING,
    HEALTH_EJECTED,
    HEALTH_WORD,
    total_now,
    word_now,
)
from limen.engine.http1.origin cimport Http1Origin
from limen.engine.state cimport PHASE_EGRESS
from limen.engine.stream cimport Stream
from limen.engine.sys cimport monotonic
from limen.engine.types cimport Address
from limen.engine.worker cimport Resolution


cdef enum:
    TICK = 250000000          # ns between two looks
    TICK_BOUNDED = 50000000   # where another worker may wait for a connection that rests here
    AT_ONCE = 8               # connections to one endpoint that are being opened at a time


@cython.no_gc
cdef class Opening(ExchangeState):
    cdef int begin(self, Warmer warmer, Endpoint endpoint) noexcept:
        self.worker = warmer.worker
        self.upstream = warmer.upstream
        self.endpoint = endpoint
        self.phase = PHASE_EGRESS
        endpoint.opening += 1
        if dial_endpoint(self) != 0:
            self.end()
            return -1
        return 0

    cdef void on_resolved(self, object resolution) noexcept:
        if self.finished or self.dial is not None or self.origin is not None:
            return
        if is_asked(self, resolution) and dial_resolved(self, <Resolution>resolution) != 0:
            self.end()

    cdef void on_dial_fault(self, int fault) noexcept:
        self.dial = None
        if not self.finished:
            self.endpoint.dial_failed()
            self.end()

    cdef void on_connected(self, int fd, const Address* address) noexcept:
        cdef Http1Origin origin
        self.dial = None
        origin = open_origin(self, fd, address)
        if origin is None:
            self.end()
        elif not secure_origin(self, origin):
            self.rest(origin)

    cdef void on_secured(self, Stream source) noexcept:
        if not self.finished and source is self.origin:
            self.rest(source)

    cdef void on_fault(self, Stream source, int fault) noexcept:
        if self.finished or source is not self.origin:
            return
        self.origin = None
        self.endpoint.dial_failed()
        self.end()

    cdef void rest(self, Stream stream) noexcept:
        cdef Http1Origin origin = <Http1Origin>stream
        self.endpoint.dial_done()
        origin.idle_timeout = self.upstream.idle_timeout
        origin.idle_most = self.upstream.idle_most
        self.end()
        origin.rest()

    cdef void end(self) noexcept:
        if not self.finished:
            self.finished = True
            self.endpoint.opening -= 1
            self.origin = None


cdef class Warmer(Handler):
    """Opens connections ahead for `upstream`, which says how many (`warm`), and closes idle ones that other workers
    need (`links`), until it is stopped."""

    def __init__(self, Worker worker not None, Upstream upstream not None):
        self.worker = worker
        self.reactor = worker
        self.upstream = upstream

    def __repr__(self) -> str:
        return f"<Warmer {self.upstream!r} over={self.over}>"

    def start(self) -> None:
        """Look at once, and from now on."""
        # outside of run(): the time of the last batch may be long ago
        self.worker.now = monotonic()
        self.on_timer()
        self.worker.flush()
        self.worker.settle()

    def stop(self) -> None:
        """Open no more. What is open stays."""
        self.over = True
        self.worker.disarm(self)

    cdef void on_timer(self) noexcept:
        if not self.over and not self.worker.draining:
            self.look()
            self.worker.arm(self, self.worker.now + (TICK if self.upstream.links is None else TICK_BOUNDED))

    cdef void look(self) noexcept:
        cdef Endpoint endpoint
        cdef uint64_t word
        cdef int i
        if self.upstream.links is not None and self.upstream.links.is_wanted():
            self.upstream.close_idle()
        for i in range(self.upstream.count if self.upstream.warm else 0):
            endpoint = <Endpoint>self.upstream.members[i]
            word = word_now(&endpoint.load.health[HEALTH_WORD])
            if word & (HEALTH_DOWN | HEALTH_EJECTED | HEALTH_DRAINING | HEALTH_DISABLED):
                continue
            if endpoint.load.out_until > self.worker.now or endpoint.retired or endpoint.proxy_protocol:
                # (a PROXY protocol header names one client)
                continue
            self.open_some(endpoint)

    cdef void open_some(self, Endpoint endpoint) noexcept:
        cdef Upstream upstream = self.upstream
        cdef Opening opening
        while endpoint.opening < AT_ONCE and endpoint.connections + endpoint.opening < upstream.warm:
            if upstream.links is not None and total_now(upstream.links.load.total) >= upstream.links_most:
                # nobody else's idle connection is closed for one that nobody needs yet
                return
            try:
                opening = Opening.__new__(Opening)
            except MemoryError:
                return
            if opening.begin(self, endpoint) < 0:
                return
