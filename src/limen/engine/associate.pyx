# What keeps this from being a weapon: datagrams are taken from the client's address alone, go only where the rules let
# its requests go (method UDP), and only targets that were asked may answer, to the client alone. So nobody gets a
# datagram that did not come by or ask for it, and an answer costs whoever asked at least a TCP connection. The
# association ends with that connection (RFC 1928, 7), or when nothing has passed for a while.
#
# Datagrams that cannot be sent at once are dropped: who uses UDP reckons with that.

cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset

from limen.engine.accepted cimport Accepted
from limen.engine.addresses cimport HOST_NAME, TargetHost, parse_authority
from limen.engine.admission cimport admit, life_of
from limen.engine.copies cimport copy_head
from limen.engine.audit cimport audit_datagram
from limen.engine.exchange cimport Exchange
from limen.engine.guard cimport Guard
from limen.engine.http1.client cimport Http1Client
from limen.engine.meter cimport METER_DOWN, METER_UP
from limen.engine.preface cimport from_sockaddr, local_address
from limen.engine.reactor cimport INPUT_SIZE
from limen.engine.replies cimport send_established
from limen.engine.routing cimport check_access, check_target_address, lay_id
from limen.engine.socks cimport (
    SOCKS_REPLY_MOST,
    SOCKS_TARGET_MOST,
    SocksRequest,
    parse_datagram,
    write_datagram_head,
    write_socks_target,
)
from limen.engine.sockets cimport lay_sockaddr, open_datagrams
from limen.engine.stream cimport Stream
from limen.engine.sys cimport (
    EINTR,
    EPOLLERR,
    EPOLLHUP,
    EPOLLIN,
    MSG_DONTWAIT,
    limen_errno,
    recvfrom,
    sendto,
    sockaddr,
    sockaddr_storage,
    socklen_t,
)
from limen.engine.types cimport (
    FAULT_DATAGRAM,
    FAULT_DATAGRAM_TARGETS,
    FAULT_DESCRIPTORS,
    FAULT_DNS,
    FAULT_IDENTITY,
    FAULT_MEMORY,
    FAULT_NONE,
    FAULT_QUOTA,
    FAULT_SOCKS_COMMAND,
    FAULT_TARGET,
    FAULT_TUNNEL_IDLE,
    Address,
)
from limen.engine.worker cimport Resolution


cdef enum:
    DATAGRAMS_PER_TURN = 32
    TCP_ROOM = 4096           # what a client says on the TCP connection is read and forgotten


cdef inline bint is_same(const Address* one, const Address* other) noexcept nogil:
    return one.port == other.port and memcmp(one.ip, other.ip, 16) == 0


cdef void begin_association(Exchange exchange, Accepted client, const char* line) noexcept:
    cdef Association association
    cdef Address said = (<Http1Client>client).way.bound
    cdef int fault = FAULT_NONE
    exchange.enlist(client, client.service, &client.sender, 1)
    exchange.is_connect = True
    exchange.request_over = True
    lay_id(exchange)
    if copy_head(exchange, line) < 0:
        fault = FAULT_MEMORY
    elif client.sender.family == 1:
        # a unix socket: there is no address that datagrams could come from
        fault = FAULT_SOCKS_COMMAND
    elif exchange.action.demand is not None and exchange.action.demand.required and exchange.identity is None:
        # (a certificate alone is not asked for here)
        fault = FAULT_IDENTITY
    elif exchange.action.guard is not None:
        fault = admit(exchange)
    if fault == FAULT_NONE:
        try:
            association = Association.__new__(Association)
            fault = association.begin(exchange, client, &said)
        except MemoryError:
            fault = FAULT_MEMORY
    if fault != FAULT_NONE:
        exchange.refuse(fault)


@cython.final
@cython.no_gc
cdef class DatagramSocket(Handler):
    cdef int open(self, Association association, const Address* own, bint towards_client) noexcept:
        """0, or -1 if there is no socket to be had."""
        self.reactor = association.worker
        self.towards_client = towards_client
        self.fd = open_datagrams(own)
        if self.fd < 0 or association.worker.watch(self, EPOLLIN) < 0:
            return -1
        self.association = association
        return 0

    cdef void drop(self) noexcept:
        self.association = None
        self.reactor.bury(self)

    cdef void on_event(self, uint32_t events) noexcept:
        cdef Association association = self.association
        if association is not None:
            association.on_datagrams(self)

    cdef void on_turn(self) noexcept:
        cdef Association association = self.association
        if association is not None:
            association.on_datagrams(self)


@cython.final
@cython.no_gc
cdef class Association(Party):
    def __dealloc__(self):
        cdef int i
        free(self.asked)
        for i in range(UNRESOLVED_MOST):
            free(self.unresolved[i].content)

    def __repr__(self) -> str:
        return f"<Association targets={self.asked_count} up={self.up} down={self.down} over={self.over}>"

    cdef int begin(self, Exchange exchange, Accepted client, const Address* said) noexcept:
        """Open the relay and tell the client where it is; a fault if it cannot be opened.

        `said`: where the client says that it will send from (RFC 1928, 6). Only the port is worth something, and only
        if the address is the one that it comes from: behind a NAT neither is.
        """
        cdef Address own
        self.worker = exchange.worker
        self.size_most = exchange.service.relay_size
        self.idle = exchange.service.relay_idle
        self.asked_most = exchange.service.relay_targets
        self.asked = <Asked*>calloc(<size_t>self.asked_most, sizeof(Asked))
        if self.asked == NULL:
            return FAULT_MEMORY
        self.sender = client.sender
        self.sender.port = said.port if memcmp(said.ip, client.sender.ip, 16) == 0 else 0
        # where its connection has come to, datagrams can come, too
        local_address(client.fd, &own)
        own.port = 0
        self.inner = DatagramSocket.__new__(DatagramSocket)
        if self.inner.open(self, &own, True) < 0:
            return FAULT_DESCRIPTORS
        local_address(self.inner.fd, &(<Http1Client>client).way.bound)
        send_established(exchange)
        self.client = exchange.begin_relay()
        if self.client is None:
            self.inner.drop()
            return FAULT_NONE
        self.exchange = exchange
        self.client.party = self
        if exchange.meter is not None:
            exchange.meter.tunnel = self
        self.last = self.worker.now
        self.ends = self.worker.now + life_of(exchange.action.guard, None, exchange.service.tunnel_life)
        self.worker.arm(self.client, min(self.ends, self.last + self.idle))
        # bytes that were read ahead mean nothing here
        self.client.readable = True
        self.worker.defer(self.client)
        return FAULT_NONE

    # The connection that keeps it ------------------------------------------------------------------

    cdef void on_data(self, Stream source, const char* data, size_t size) noexcept:
        pass

    cdef void on_ready(self, Stream source, uint32_t events) noexcept:
        cdef ssize_t got
        cdef int reads = 0
        if self.over:
            return
        if events & (EPOLLERR | EPOLLHUP):
            self.end(FAULT_NONE)
            return
        if events:
            self.client.readable = True
        while self.client.readable:
            if reads == DATAGRAMS_PER_TURN:
                self.worker.defer(self.client)
                return
            reads += 1
            got = self.client.receive(self.worker.input, TCP_ROOM)
            if got == -1:
                return
            if got <= 0:
                self.end(FAULT_NONE)
                return

    cdef void on_time(self, Stream source) noexcept:
        if self.over:
            return
        if self.worker.now >= self.ends or self.worker.now >= self.last + self.idle:
            self.end(FAULT_TUNNEL_IDLE)
        else:
            self.worker.arm(self.client, min(self.ends, self.last + self.idle))

    # Datagrams ---------------------------------------------------------------------------------------

    cdef void on_datagrams(self, DatagramSocket source) noexcept:
        cdef int count = 0
        self.worker.flush()
        while not self.over:
            if count == DATAGRAMS_PER_TURN:
                self.worker.defer(source)
                return
            count += 1
            if not (self.take_inner() if source.towards_client else self.take_outer(source)):
                return

    cdef void follow(self, Service service) noexcept:
        """Each target is judged anew with the next datagram to it."""
        cdef int i
        if service.access is None or service.relay_targets == 0:
            # none that takes datagrams any more: what was begun keeps its rules
            return
        self.exchange.service = service
        self.exchange.rule = -1
        self.leave_rules()
        for i in range(self.asked_count):
            self.asked[i].literal = False

    cdef bint may_pass(self, int way) noexcept:
        """Whether bandwidth and quotas have room for one more datagram; it is dropped otherwise, as a full line would.

        A datagram passes whole or not at all: what it takes beyond a grant is owed by the next one.
        """
        if self.exchange.rule_guard is not self.rule_guard:
            self.take_bounds()
        if self.exchange.meter is None or self.exchange.meter.open(way, 1):
            return True
        if self.exchange.meter.spent:
            self.exchange.meter.mark()
            self.end(FAULT_QUOTA)
        return False

    cdef void refuse(self, int fault) noexcept:
        """Drop a datagram."""
        self.worker.board.count_fault(fault)
        audit_datagram(self.exchange, fault, &self.audited)

    cdef bint take_inner(self) noexcept:
        """One datagram of the client; False if there is none."""
        cdef sockaddr_storage storage
        cdef socklen_t length = sizeof(storage)
        cdef Address sender
        cdef SocksRequest request
        cdef TargetHost host
        cdef char text[SOCKS_TARGET_MOST]
        cdef char* data = self.worker.input
        cdef int head
        cdef int size
        cdef ssize_t got = recvfrom(
            self.inner.fd, data, INPUT_SIZE, MSG_DONTWAIT, <sockaddr*>&storage, &length
        )
        if got < 0:
            return limen_errno() == EINTR
        from_sockaddr(<sockaddr*>&storage, &sender)
        if memcmp(sender.ip, self.sender.ip, 16) != 0 or (self.sender.port and self.sender.port != sender.port):
            self.refuse(FAULT_DATAGRAM)
            return True
        head = parse_datagram(data, <size_t>got, &request)
        if head < 0 or <size_t>(got - head) > self.size_most:
            self.refuse(FAULT_DATAGRAM)
            return True
        size = write_socks_target(data, &request, text)
        if size < 0 or parse_authority(text, <size_t>size, 0, &host) < 0 or host.port == 0:
            self.refuse(FAULT_TARGET)
            return True
        if self.sender.port == 0:
            # from now on no other port of that machine may use it
            self.sender.port = sender.port
        self.pass_on(&host, data + head, <size_t>(got - head))
        return True

    cdef void pass_on(self, TargetHost* host, const char* content, size_t size) noexcept:
        cdef Resolution answer
        cdef int fault
        cdef int found
        if host.kind != HOST_NAME:
            found = self.find(&host.address)
            if found >= 0 and self.asked[found].literal:
                self.send_out(&host.address, True, content, size)
                return
        self.exchange.host = host[0]
        self.exchange.need_address = False
        self.exchange.refusing = None
        fault = check_access(self.exchange, NULL)
        if fault == FAULT_NONE and host.kind != HOST_NAME:
            fault = check_target_address(self.exchange, &host.address)
        if fault != FAULT_NONE:
            self.refuse(fault)
        elif host.kind != HOST_NAME:
            self.send_out(&host.address, True, content, size)
        else:
            try:
                answer = self.worker.ask_name(host.name[:host.name_length], self)
            except MemoryError:
                answer = None
            if answer is None:
                self.keep_unresolved(host, content, size)
            else:
                self.pass_resolved(host, answer, content, size)

    cdef void take_bounds(self) noexcept:
        """Bounds of the rule that let a target pass are from now on those of the association."""
        cdef Exchange exchange = self.exchange
        self.rule_guard = exchange.rule_guard
        if exchange.meter is not None:
            exchange.meter.tunnel = self
        self.ends = min(self.ends, exchange.started + life_of(None, self.rule_guard, exchange.service.tunnel_life))
        self.worker.arm(self.client, min(self.ends, self.last + self.idle))

    cdef void leave_rules(self) noexcept:
        """Rules are asked anew, and bring their limits with them."""
        cdef Exchange exchange = self.exchange
        cdef Guard guard
        if exchange.rule_guard is None:
            return
        exchange.rule_guard = self.rule_guard = None
        if exchange.meter is not None:
            for guard in list(exchange.meter.guards):
                if guard is not exchange.action.guard:
                    exchange.meter.leave(guard)

    cdef void keep_unresolved(self, TargetHost* host, const char* content, size_t size) noexcept:
        cdef int i
        for i in range(UNRESOLVED_MOST):
            if self.unresolved[i].content == NULL:
                self.unresolved[i].content = <char*>malloc(max(size, <size_t>1))
                if self.unresolved[i].content != NULL:
                    memcpy(self.unresolved[i].content, content, size)
                    self.unresolved[i].size = size
                    self.unresolved[i].host = host[0]
                return

    cdef void on_resolved(self, object resolution) noexcept:
        """Some name is known: those that wait for it go on, the others ask again, which costs a look."""
        cdef Unresolved* waiting
        cdef Resolution answer
        cdef int fault
        cdef int i
        for i in range(UNRESOLVED_MOST):
            waiting = &self.unresolved[i]
            if waiting.content == NULL or self.over:
                continue
            try:
                answer = self.worker.names.get(waiting.host.name[:waiting.host.name_length])
            except MemoryError:
                answer = None
            if answer is not resolution:
                continue
            # rules are asked anew: what they said was about the host asked for last
            self.exchange.host = waiting.host
            self.exchange.need_address = False
            fault = check_access(self.exchange, NULL)
            if fault == FAULT_NONE:
                self.pass_resolved(&waiting.host, answer, waiting.content, waiting.size)
            else:
                self.refuse(fault)
            free(waiting.content)
            waiting.content = NULL

    cdef void pass_resolved(self, TargetHost* host, Resolution answer, const char* content, size_t size) noexcept:
        """To the first address that may be reached: there is no connecting that would tell a better one."""
        cdef Address target
        cdef int fault = answer.fault if answer.fault else FAULT_DNS
        cdef int i
        for i in range(answer.count):
            target = answer.addresses[i]
            target.port = host.port
            fault = check_target_address(self.exchange, &target)
            if fault == FAULT_NONE:
                self.send_out(&target, False, content, size)
                return
        self.refuse(fault)

    cdef void send_out(self, const Address* target, bint literal, const char* content, size_t size) noexcept:
        cdef sockaddr_storage storage
        cdef socklen_t length
        cdef DatagramSocket outer
        cdef int found = self.find(target)
        if found < 0:
            if self.asked_count == self.asked_most:
                self.refuse(FAULT_DATAGRAM_TARGETS)
                return
            found = self.asked_count
            self.asked[found].address = target[0]
            self.asked_count += 1
        self.asked[found].literal |= literal
        outer = self.outer(target.family)
        if outer is None:
            self.refuse(FAULT_DESCRIPTORS)
            return
        length = lay_sockaddr(target, &storage)
        if not self.may_pass(METER_UP):
            return
        # a full buffer, or an error that an earlier datagram has brought: this one is lost, as on any way
        if sendto(outer.fd, content, size, MSG_DONTWAIT, <const sockaddr*>&storage, length) >= 0:
            self.up += size
            if self.exchange.meter is not None:
                self.exchange.meter.passed(METER_UP, size)
            self.last = self.worker.now

    cdef int find(self, const Address* address) noexcept:
        """Its number in `asked`, or -1."""
        cdef int i
        if self.found_last < self.asked_count and is_same(&self.asked[self.found_last].address, address):
            return self.found_last
        for i in range(self.asked_count):
            if is_same(&self.asked[i].address, address):
                self.found_last = i
                return i
        return -1

    cdef DatagramSocket outer(self, int family):
        """The socket towards targets of this family; made when the first is asked for."""
        cdef DatagramSocket known = self.outer4 if family == 4 else self.outer6
        cdef Address own
        if known is not None:
            return known
        memset(&own, 0, sizeof(own))
        own.family = <unsigned char>family
        if family == 4:
            own.ip[10] = own.ip[11] = 255
        try:
            known = DatagramSocket.__new__(DatagramSocket)
        except MemoryError:
            return None
        if known.open(self, &own, False) < 0:
            return None
        if family == 4:
            self.outer4 = known
        else:
            self.outer6 = known
        return known

    cdef bint take_outer(self, DatagramSocket source) noexcept:
        """One datagram of a target; False if there is none."""
        cdef sockaddr_storage storage
        cdef socklen_t length = sizeof(storage)
        cdef Address sender
        cdef char head[SOCKS_REPLY_MOST]
        cdef char* data = self.worker.input + SOCKS_REPLY_MOST
        cdef int before
        cdef ssize_t got = recvfrom(
            source.fd, data, INPUT_SIZE - SOCKS_REPLY_MOST, MSG_DONTWAIT, <sockaddr*>&storage, &length
        )
        if got < 0:
            return limen_errno() == EINTR
        from_sockaddr(<sockaddr*>&storage, &sender)
        if self.find(&sender) < 0 or <size_t>got > self.size_most:
            # nobody has asked for it
            self.refuse(FAULT_DATAGRAM)
            return True
        if not self.may_pass(METER_DOWN):
            return not self.over
        before = write_datagram_head(&sender, head)
        memcpy(data - before, head, <size_t>before)
        length = lay_sockaddr(&self.sender, &storage)
        if sendto(
            self.inner.fd, data - before, <size_t>(got + before), MSG_DONTWAIT, <const sockaddr*>&storage, length
        ) >= 0:
            self.down += <uint64_t>got
            if self.exchange.meter is not None:
                self.exchange.meter.passed(METER_DOWN, <uint64_t>got)
            self.last = self.worker.now
        return True

    # Ends ----------------------------------------------------------------------------------------------

    cdef void on_fault(self, Stream source, int fault) noexcept:
        self.end(fault)

    cdef void end(self, int fault) noexcept:
        cdef Accepted client = self.client
        cdef Exchange exchange = self.exchange
        if self.over:
            return
        self.over = True
        self.inner.drop()
        if self.outer4 is not None:
            self.outer4.drop()
        if self.outer6 is not None:
            self.outer6.drop()
        self.exchange = None
        self.client = None
        exchange.received += self.up
        exchange.sent += self.down
        exchange.on_fault(None, fault)
        client.party = None
        client.abort()
