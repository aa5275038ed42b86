# The first half of the phase machine: from a whole head to the way out. What the client asks for is found, and whether
# it may; from attempt() on it is exchange.pyx.

cimport cython
from limen.engine.addresses cimport parse_authority
from limen.engine.admission cimport admit
from limen.engine.board cimport WORKER_EXCHANGES
from limen.engine.bridged cimport BRIDGE_LOOK, BRIDGE_PASS
from limen.engine.connection cimport Connection
from limen.engine.copies cimport copy_head
from limen.engine.deadline cimport begin_deadline, set_alarm
from limen.engine.demand cimport IDENTITY_ASKED, Demand
from limen.engine.forwarding cimport find_client
from limen.engine.identifying cimport identify, take_claim
from limen.engine.mirror cimport draw_mirror
from limen.engine.recording cimport record_for
from limen.engine.replies cimport send_action, send_last_hop, send_pac
from limen.engine.routing cimport (
    check_access, check_authority, find_route, find_target, has_certificate, is_for_pac, is_last_hop, lay_id,
    upgrade_allowed,
)
from limen.engine.service cimport Action, Service
from limen.engine.state cimport PHASE_ACCESS, PHASE_EGRESS, PHASE_REPLY, PHASE_REQUEST, PHASE_ROUTE, ExchangeState
from limen.engine.stream cimport Stream
from limen.engine.sys cimport monotonic
from limen.engine.types cimport (
    FAULT_BODY_TOO_LARGE,
    FAULT_CLIENT_CERTIFICATE,
    FAULT_MEMORY,
    FAULT_METHOD,
    FAULT_NONE,
    FAULT_TLS_REFUSED,
    FIELD_MAX_FORWARDS,
    FRAMING_LENGTH,
    FRAMING_NONE,
    HEAD_UPGRADE,
    METHOD_GET,
    METHOD_TRACE,
    SEEN,
    Address,
)


@cython.no_gc
cdef class Arrival(ExchangeState):
    cdef void begin(self, Stream client, Service service, const Address* sender, int minor, const char* data) noexcept:
        """Start with the head just parsed into worker.head and worker.parsed from `data`."""
        self.enlist(client, service, sender, minor)
        if copy_head(self, data) < 0:
            # the head is only in the scratch buffer: there is nothing to log but the fault
            self.head.method = METHOD_GET
            self.refuse(FAULT_MEMORY)
            return
        self.request_over = self.head.framing == FRAMING_NONE or (
            self.head.framing == FRAMING_LENGTH and self.head.length == 0
        )
        self.proceed()

    cdef void begin_refused(self, Stream client, Service service, const Address* sender, int fault) noexcept:
        """Stand in for a request that could not be read: answered, counted and logged like any other."""
        self.enlist(client, service, sender, 1)
        lay_id(self)
        self.refuse(fault)

    cdef void begin_opaque(
        self, Stream client, Service service, Action action, const Address* sender, const char* name, size_t size
    ) noexcept:
        """Bytes that are not looked into: only the way out is chosen, then it is a tunnel. `name`: whom TLS names."""
        cdef int fault
        self.enlist(client, service, sender, 1)
        self.action = action
        if size and parse_authority(name, size, 443, &self.host) < 0:
            self.host.name_length = 0
        self.is_connect = True
        self.is_opaque = True
        self.request_over = True
        self.upstream = self.action.upstream
        if self.action.guard is not None:
            fault = admit(self)
            if fault != FAULT_NONE:
                self.refuse(fault)
                return
        self.attempt()

    cdef void enlist(self, Stream client, Service service, const Address* sender, int minor) noexcept:
        self.client = client
        self.service = service
        self.action = service.action
        self.sender = sender[0]
        self.peer = sender[0]
        self.minor = minor
        self.rule = self.dry_rule = -1
        self.started = monotonic()
        self.worker.exchanges += 1
        self.worker.board.worker_add(WORKER_EXCHANGES, 1)
        self.phase = PHASE_REQUEST

    cdef void proceed(self) noexcept:
        """From a whole head to the way out."""
        cdef int fault
        if self.service.trusted is not None:
            find_client(self)
        lay_id(self)
        self.phase = PHASE_ROUTE
        if self.service.pac is not None and is_for_pac(self):
            self.answer_here(send_pac)
            return
        fault = find_target(self)
        if fault == FAULT_NONE and self.head.method == METHOD_TRACE and not self.request_over:
            fault = FAULT_METHOD
        if fault == FAULT_NONE and self.service.tls is not None:
            fault = check_authority(self, (<Connection>self.client).tls)
        if fault != FAULT_NONE:
            self.refuse(fault)
            return
        if self.head.seen & SEEN(FIELD_MAX_FORWARDS) and is_last_hop(self):
            self.answer_here(send_last_hop)
        elif self.service.demand is None:
            self.find_way()
        else:
            self.ask_identity(self.service.demand)

    cdef void ask_identity(self, Demand demand) noexcept:
        cdef int fault = identify(self, demand)
        if fault != IDENTITY_ASKED:
            self.go_on(fault)

    cdef void on_identified(self, object claim) noexcept:
        if not self.finished:
            self.go_on(take_claim(self, claim))

    cdef void go_on(self, int fault) noexcept:
        """Who it is for has been asked; the listener asks before there is a route."""
        if fault != FAULT_NONE:
            self.refuse(fault)
        elif self.demand is self.service.demand:
            self.find_way()
        else:
            self.admitted()

    cdef void find_way(self) noexcept:
        cdef int fault = find_route(self)
        if fault != FAULT_NONE:
            self.refuse(fault)
            return
        if self.action.capture is not None:
            record_for(self, self.action.capture)
        if self.action.certificate is not None and not has_certificate(self):
            self.refuse(FAULT_CLIENT_CERTIFICATE)
            return
        if self.action.guard is not None and not self.action.guard.asks_identity:
            fault = admit(self)
            if fault != FAULT_NONE:
                self.refuse(fault)
                return
        if self.action.demand is None:
            self.admitted()
        else:
            self.ask_identity(self.action.demand)

    cdef void admitted(self) noexcept:
        """Who may come and who it is for is settled; what the rules say is not."""
        cdef int fault
        cdef int result
        if self.action.guard is not None and self.action.guard.asks_identity:
            fault = admit(self)
            if fault != FAULT_NONE:
                self.refuse(fault)
                return
        if self.action.body_most and self.head.framing == FRAMING_LENGTH and self.head.length > self.action.body_most:
            self.refuse(FAULT_BODY_TOO_LARGE)
            return
        if self.action.status:
            self.answer_here(send_action)
            return
        if self.head.flags & HEAD_UPGRADE and self.action.upgrade and self.request_over:
            self.is_upgrade = upgrade_allowed(self)
        if self.action.guarded:
            begin_deadline(self)
            set_alarm(self, 0)
            if self.action.resilience.mirror is not None:
                draw_mirror(self)
        if self.service.access is not None:
            self.phase = PHASE_ACCESS
            fault = check_access(self, NULL)
            if fault != FAULT_NONE:
                self.refuse(fault)
                return
        if self.is_connect and self.service.bridge is not None:
            self.looking = True
            result = self.service.bridge.at_connect(self.worker, &self.peer, &self.host, self.identity)
            if result == BRIDGE_PASS:
                self.looking = False
            elif result != BRIDGE_LOOK:
                self.refuse(FAULT_TLS_REFUSED)
                return
        if self.action.request_hooks:
            self.run_hooks(False)
            return
        self.phase = PHASE_EGRESS
        self.attempt()

    cdef void answer_here(self, int (*send)(ExchangeState) noexcept) noexcept:
        """Answer without any origin."""
        cdef int fault
        self.phase = PHASE_REPLY
        self.worker.values_used = 0
        fault = send(self)
        if fault != FAULT_NONE:
            self.refuse(fault)
        else:
            self.finish()

    # what comes after, which only an exchange knows

    cdef void attempt(self) noexcept:
        pass

    cdef void run_hooks(self, bint response) noexcept:
        pass

    cdef void refuse(self, int fault) noexcept:
        pass

    cdef void finish(self) noexcept:
        pass
