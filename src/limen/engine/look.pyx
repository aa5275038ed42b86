# From the answer to CONNECT to a tunnel, a bridged connection, or an end.
#
#   HELLO --pass--> (tunnel)
#   HELLO --bridge--> ORIGIN --its certificate--> JUDGED --bridge--> CLIENT --> (requests)
#                                                 JUDGED --pass--> (another dial, tunnel)
# The client's hello is kept in front of everything: a tunnel sends it on as it came, our own TLS reads
# it as if it had just arrived. The origin is verified before the client hears anything.

cimport cython
from libc.stdint cimport uint32_t

from limen.engine.accepted cimport Accepted
from limen.engine.addresses cimport TargetHost
from limen.engine.bridged cimport (
    BRIDGE_FRONTING,
    BRIDGE_OPEN,
    BRIDGE_PASS,
    Bridge,
    new_bridged,
)
from limen.engine.http1.origin cimport ORIGIN_IDLE, Http1Origin
from limen.engine.state cimport ExchangeState
from limen.engine.stream cimport LOOKED_BRIDGED, LOOKED_PASS, LOOKED_REDIAL, Party, Stream
from limen.engine.sys cimport EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLRDHUP, monotonic
from limen.engine.tls.certificate cimport Certificate
from limen.engine.tls.hello cimport Hello
from limen.engine.types cimport (
    FAULT_CLIENT_CLOSED,
    FAULT_FRONTING,
    FAULT_MEMORY,
    FAULT_ORIGIN_CLOSED,
    FAULT_TLS_HANDSHAKE,
    FAULT_TLS_REFUSED,
    FAULT_TLS_SHED,
    FAULT_TLS_TIMEOUT,
    Address,
)
from limen.engine.upstream cimport Endpoint, new_target


@cython.final
@cython.no_gc
cdef class Look(Party):
    def __repr__(self) -> str:
        return f"<Look stage={self.stage} bridged={self.bridged!r}>"

    cdef void begin(
        self, Party owner, Accepted client, Http1Origin origin, Bridge bridge, const TargetHost* host,
        const Address* peer
    ) noexcept:
        """Both connections are in tunnel mode; CONNECT was answered."""
        self.worker = client.worker
        self.owner = owner
        self.client = client
        self.origin = origin
        self.bridge = bridge
        self.host = host[0]
        self.peer = peer[0]
        self.stage = LOOK_HELLO
        client.party = self
        origin.party = self
        self.worker.disarm(origin)
        self.worker.arm(client, self.worker.now + client.service.handshake_timeout)
        # edges seen before count
        client.readable = True
        origin.readable = True
        self.worker.defer(client)

    # What the sockets say -----------------------------------------------------------------------------

    cdef void on_ready(self, Stream source, uint32_t events) noexcept:
        if self.stage == LOOK_OVER:
            return
        if source is self.client:
            if self.client.broken:
                self.end(FAULT_CLIENT_CLOSED)
                return
            self.client.readable = True
            if self.stage == LOOK_HELLO:
                self.read_hello()
            elif events & (EPOLLERR | EPOLLHUP):
                self.end(FAULT_CLIENT_CLOSED)
        elif self.stage == LOOK_HELLO and events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR):
            if events & (EPOLLERR | EPOLLHUP):
                self.end(FAULT_ORIGIN_CLOSED)
            else:
                # who speaks first is no TLS server
                self.judge(NULL)

    cdef void on_time(self, Stream source) noexcept:
        self.end(FAULT_TLS_TIMEOUT)

    cdef void read_hello(self) noexcept:
        cdef Hello hello
        cdef int result = self.client.look_ahead(&hello)
        if result == 1:
            self.judge(&hello)
        elif result == -3 and self.bridge.same_host:
            # what we cannot read the target may, and with any name in it
            self.end(FAULT_TLS_REFUSED)
        elif result == -1 or result == -3:
            self.judge(NULL)
        elif result == -2:
            self.end(FAULT_CLIENT_CLOSED)

    cdef void judge(self, const Hello* hello) noexcept:
        cdef int verdict = self.bridge.at_hello(
            self.worker, &self.peer, &self.host, hello, (<ExchangeState>self.owner).identity
        )
        cdef Party owner = self.owner
        if verdict == BRIDGE_PASS:
            self.let_go()
            owner.on_looked(LOOKED_PASS)
        elif verdict == BRIDGE_OPEN and hello != NULL:
            self.open(hello)
        else:
            self.end(FAULT_FRONTING if verdict == BRIDGE_FRONTING else FAULT_TLS_REFUSED)

    # The origin -----------------------------------------------------------------------------------------

    cdef void open(self, const Hello* hello) noexcept:
        """Shake hands with the origin, under the name that the client asked for."""
        cdef Http1Origin origin = self.origin
        cdef bytes name = hello.message[hello.name:hello.name + hello.name_length].lower().rstrip(b".")
        if not name:
            # nothing, or dots alone, name nobody
            name = self.host.name[:self.host.name_length]
        self.bridged = new_bridged(self.worker, self.bridge, &self.host, name)
        if self.bridged is None:
            self.end(FAULT_MEMORY)
            return
        if isinstance(self.owner, ExchangeState):
            self.bridged.identity = (<ExchangeState>self.owner).identity
        self.stage = LOOK_ORIGIN
        # the client's time stands still while the origin has its own
        self.worker.disarm(self.client)
        try:
            origin.move_to(self.bridged.endpoint if self.prefix is None else self.resting_place())
        except (MemoryError, ValueError):
            self.end(FAULT_MEMORY)
            return
        origin.state = ORIGIN_IDLE
        origin.begin_tls(self.bridge.client, self, self.bridge.handshake_timeout, name)

    cdef Endpoint resting_place(self):
        cdef bytes place = self.prefix + self.bridged.endpoint.place
        cdef Endpoint found = self.worker.direct.get(place)
        return found if found is not None else new_target(self.worker, &self.host, place)

    cdef void on_secured(self, Stream source) noexcept:
        cdef Party owner = self.owner
        if self.stage == LOOK_ORIGIN and source is self.origin:
            self.ask_gate(self.origin.tls.peer_der(), self.origin.tls.verdict, self.origin.tls.asked)
        elif self.stage == LOOK_CLIENT and source is self.client:
            self.let_go()
            owner.on_looked(LOOKED_BRIDGED)

    cdef void ask_gate(self, bytes der, long verdict, bint asked) noexcept:
        self.stage = LOOK_JUDGED
        self.worker.arm(self.client, self.worker.now + self.client.service.handshake_timeout)
        if self.bridge.at_certificate(
            self.worker, self, &self.peer, &self.host, self.bridged.name, der, verdict, asked
        ) < 0:
            self.end(FAULT_TLS_REFUSED)

    @property
    def is_over(self) -> bool:
        return self.stage == LOOK_OVER

    def conclude(self, verdict: int, Certificate leaf=None, fault: int = 0) -> None:
        cdef Party owner = self.owner
        if self.stage != LOOK_JUDGED:
            return
        self.worker.now = monotonic()
        if verdict == BRIDGE_PASS:
            # what was said to the origin cannot be unsaid: the client's own hello needs a connection of its own
            self.worker.disarm(self.client)
            self.let_go()
            owner.on_looked(LOOKED_REDIAL)
        elif verdict == BRIDGE_OPEN and leaf is not None:
            self.open_client(leaf, fault)
        else:
            self.end(fault if fault else FAULT_TLS_REFUSED)
        self.worker.flush()

    # The client -------------------------------------------------------------------------------------------

    cdef void open_client(self, object leaf, int fault) noexcept:
        cdef Http1Origin origin = self.origin
        cdef int result
        self.origin = None
        if origin is not None:
            if fault:
                origin.abort()
            else:
                origin.rest()
        self.bridged.fault = fault
        self.stage = LOOK_CLIENT
        result = self.client.begin_bridged(self.bridged, <Certificate>leaf)
        if result < 0:
            self.end(FAULT_TLS_SHED if result == -2 else FAULT_MEMORY)

    # Ends -------------------------------------------------------------------------------------------------

    cdef void on_fault(self, Stream source, int fault) noexcept:
        cdef Http1Origin origin = self.origin
        if self.stage == LOOK_OVER:
            return
        if self.stage == LOOK_ORIGIN and source is origin:
            # it has closed; the gate may still have the client told why
            self.origin = None
            self.bridged.fault = fault
            self.ask_gate(b"", origin.tls.verdict if origin.tls is not None else 0,
                          origin.tls is not None and origin.tls.asked)
            return
        if source is origin:
            self.origin = None
            return
        if self.stage == LOOK_CLIENT and fault == FAULT_TLS_HANDSHAKE and self.client.tls is not None:
            if self.client.tls.alert >= 0:
                self.bridge.tell_rejected(self.worker, &self.peer, self.bridged.name, self.client.tls.alert)
        self.end(fault)

    cdef void let_go(self) noexcept:
        """What becomes of the connections is the owner's business from now on."""
        self.stage = LOOK_OVER
        self.owner = None
        self.client = None
        self.origin = None

    cdef void end(self, int fault) noexcept:
        cdef Accepted client = self.client
        cdef Http1Origin origin = self.origin
        cdef Party owner = self.owner
        if self.stage == LOOK_OVER:
            return
        self.let_go()
        # the owner writes the log
        owner.on_fault(None, fault)
        client.party = None
        client.abort()
        if origin is not None:
            origin.party = None
            origin.abort()
