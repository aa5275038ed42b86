# Entering and leaving: counts and bounds of connections are kept here and nowhere else.

cimport cython
from libc.stdint cimport uint32_t, uint64_t

from limen.engine.audit cimport audit_connection
from limen.engine.board cimport (
    LISTENER_ACCEPTED,
    LISTENER_CONNECTIONS,
    LISTENER_HANDSHAKES,
    LISTENER_REFUSED,
    LISTENER_RESUMED,
    LISTENER_UNSEALED,
    WORKER_CONNECTIONS,
)
from limen.engine.bridged cimport Bridged
from limen.engine.exchange cimport Exchange, new_exchange
from limen.engine.preface cimport PREFACE_MOST, parse_preface
from limen.engine.reactor cimport INPUT_SIZE
from limen.engine.service cimport Service
from limen.engine.sys cimport (
    EAGAIN,
    EINTR,
    EPOLLERR,
    EPOLLHUP,
    EPOLLIN,
    EPOLLOUT,
    EPOLLRDHUP,
    MSG_PEEK,
    limen_errno,
    recv,
)
from limen.engine.stream cimport Party
from limen.engine.tls.certificate cimport Certificate
from limen.engine.tls.hello cimport Hello, read_hello
from limen.engine.tls.ja4 cimport JA4_SIZE, write_ja4
from limen.engine.tls.libssl cimport X509_V_OK
from limen.engine.tls.passes cimport PassTable
from limen.engine.tls.shakes cimport SHAKES_MOST
from limen.engine.types cimport (
    FAULT_CLIENT_CONNECTIONS,
    FAULT_CLIENT_DENIED,
    FAULT_LISTENER_CONNECTIONS,
    FAULT_MEMORY,
    FAULT_NONE,
    FAULT_PROXY_PREFACE,
    FAULT_TLS_HANDSHAKE,
    FAULT_TLS_PLAIN,
    FAULT_TLS_SHED,
    Address,
)


cdef inline bint is_loopback(const Address* address) noexcept nogil:
    cdef int i
    if address.family == 1:
        return True
    if address.family == 4:
        return address.ip[12] == 127
    for i in range(15):
        if address.ip[i]:
            return False
    return address.ip[15] == 1


cdef inline bint is_method(const char* text, size_t size) noexcept nogil:
    """Whether plain HTTP begins so: letters, as in every method that is in use."""
    cdef size_t i
    for i in range(min(size, <size_t>3)):
        if not 65 <= text[i] <= 90:
            return False
    return size >= 3


cdef uint64_t told = 0        # monotonic ns: when a client that is refused was told of last


cdef void tell_refused(Accepted client) noexcept:
    """Why its certificate was refused. One line a second: whoever likes is refused as often as he likes."""
    global told
    if client.worker.now >= told + 1000000000:
        told = client.worker.now
        client.worker.tell(
            20, f"listener {client.listener.key}: a client's certificate was refused: {client.tls.reason()}"
        )


@cython.no_gc
cdef class Accepted(Pooled):
    cdef int enter(self, int fd, Listener listener, const Address* sender) noexcept:
        """Take over an accepted descriptor; -1 if it was refused (and closed)."""
        cdef int fault
        self.fd = fd
        self.listener = listener
        self.service = listener.service
        self.sender = sender[0]
        self.writable = True
        self.readable = True
        self.preface_due = (
            self.service.preface_from is not None
            and (sender.family == 1 or self.service.preface_from.contains(sender.ip))
        )
        fault = FAULT_NONE if self.preface_due else self.judge()
        if fault != FAULT_NONE:
            self.worker.board.count_fault(fault)
            audit_connection(self.worker, self.service, &self.sender, fault)
            self.uncount_client()
            listener.refused()
            self.worker.bury(self)
            return -1
        if self.worker.watch(self, EPOLLIN | EPOLLOUT | EPOLLRDHUP) < 0:
            self.uncount_client()
            self.worker.bury(self)
            return -1
        self.worker.connections += 1
        self.worker.board.worker_add(WORKER_CONNECTIONS, 1)
        self.worker.board.listener_add(self.service.slot, LISTENER_CONNECTIONS, 1)
        self.worker.board.listener_add(self.service.slot, LISTENER_ACCEPTED, 1)
        listener.connections += 1
        self.next = listener.first
        self.prev = NULL
        if listener.first != NULL:
            (<Accepted>listener.first).prev = <void*>self
        listener.first = <void*>self
        self.worker.arm(self, self.worker.now + self.service.head_timeout)
        self.begin()
        return 0

    cdef int judge(self) noexcept:
        """Whom the listener takes: by address, then by number."""
        cdef Service service = self.service
        if service.deny is not None and self.sender.family != 1 and service.deny.contains(self.sender.ip):
            return FAULT_CLIENT_DENIED
        if service.allow is not None and (self.sender.family == 1 or not service.allow.contains(self.sender.ip)):
            return FAULT_CLIENT_DENIED
        if service.connections_most and self.worker.cells is not None:
            self.cell = self.worker.cells.enter(
                service.connections_tag ^ self.worker.cells.seed, service.connections_most, 0xffffffff
            )
            if self.cell == 0:
                return FAULT_LISTENER_CONNECTIONS
        return FAULT_NONE if self.count_client() else FAULT_CLIENT_CONNECTIONS

    cdef bint count_client(self) noexcept:
        """Within the bound for this client address? Loopback and trusted proxies stand for many clients."""
        cdef unsigned int limit = self.service.per_client
        if not self.service.per_client_loopback and is_loopback(&self.sender):
            limit = 0
        elif self.service.trusted is not None and self.service.trusted.contains(self.sender.ip):
            limit = 0
        if limit == 0:
            return True
        self.counted = self.worker.client_enter(&self.sender, limit)
        return self.counted

    cdef void uncount_client(self) noexcept:
        if self.counted:
            self.counted = False
            self.worker.client_leave(&self.sender)
        if self.cell > 0:
            self.worker.cells.leave(self.cell)
            self.cell = 0

    cdef int take_preface(self, const char* data, size_t size) noexcept:
        cdef Address source
        cdef int result
        cdef int taken = parse_preface(data, size, &source)
        if taken == 0:
            return 0
        if taken < 0:
            self.worker.board.count_fault(FAULT_PROXY_PREFACE)
            self.listener.refused()
            self.abort()
            return -1
        self.preface_due = False
        if source.family:
            self.sender = source
        result = self.judge()
        if result != FAULT_NONE:
            self.worker.board.count_fault(result)
            audit_connection(self.worker, self.service, &self.sender, result)
            self.listener.refused()
            self.abort()
            return -1
        return taken

    cdef void leave(self) noexcept:
        """Undo enter(); called once, by abort()."""
        cdef Listener listener = self.listener
        if listener is None:
            return
        self.listener = None
        self.end_shaking()
        self.uncount_client()
        self.worker.connections -= 1
        self.worker.board.worker_add(WORKER_CONNECTIONS, -1)
        self.worker.board.listener_add(self.service.slot, LISTENER_CONNECTIONS, -1)
        listener.connections -= 1
        if self.prev != NULL:
            (<Accepted>self.prev).next = self.next
        else:
            listener.first = self.next
        if self.next != NULL:
            (<Accepted>self.next).prev = self.prev
        self.next = self.prev = NULL

    # TLS -------------------------------------------------------------------------------------------

    cdef void begin_tls(self) noexcept:
        # nothing is made before bytes come: a connection that stays silent costs what a plain one costs
        if self.worker.shakes.under_way >= SHAKES_MOST:
            self.worker.board.count_fault(FAULT_TLS_SHED)
            self.listener.refused()
            self.abort()
            return
        self.worker.shakes.under_way += 1
        self.shaking = True
        self.worker.arm(self, self.worker.now + self.service.handshake_timeout)

    cdef void on_shake_event(self, uint32_t events) noexcept:
        if events & EPOLLOUT and not self.writable:
            self.writable = True
            self.drain_backlog()
        if events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR):
            self.readable = True
            self.worker.shakes.enter(self)

    cdef void end_shaking(self) noexcept:
        if self.shaking:
            self.shaking = False
            self.worker.shakes.under_way -= 1

    cdef void on_shake(self) noexcept:
        cdef int result
        if not self.shaking or (self.preface_due and not self.peek_preface()):
            return
        if self.tls is None:
            if self.service.passes is not None or self.service.asks_ja4:
                result = self.try_pass()
                if result == 0:
                    return
                if result > 0:
                    self.end_shaking()
                    return
            self.tls = self.service.tls.accept(self.worker, self.fd)
            if self.tls is None:
                self.worker.board.count_fault(FAULT_MEMORY)
                self.abort()
                return
            self.tls.ja4 = self.ja4
        result = self.shake()
        if result == 0 and not self.broken:
            return
        self.end_shaking()
        if result == 1 and not self.broken:
            if self.bridged is None:
                self.service.tls.settle(self.tls)
            self.worker.board.listener_add(self.service.slot, LISTENER_HANDSHAKES, 1)
            if self.tls.resumed:
                self.worker.board.listener_add(self.service.slot, LISTENER_RESUMED, 1)
            self.worker.arm(self, self.worker.now + self.service.head_timeout)
            self.on_open()
            return
        if self.tls.plain and is_method(self.tls.first, self.tls.first_size):
            self.tls = None
            self.refuse_plain()
            return
        if self.tls.verdict != X509_V_OK:
            tell_refused(self)
        self.fail_shaking(FAULT_TLS_HANDSHAKE)

    cdef void on_unsealed(self) noexcept:
        self.worker.board.listener_add(self.service.slot, LISTENER_UNSEALED, 1)

    cdef void fail_shaking(self, int fault) noexcept:
        cdef Party party = self.party
        if party is not None:
            # a bridged one: the exchange of CONNECT is not over
            party.on_fault(self, fault)
            return
        self.worker.board.count_fault(fault)
        self.abort()

    cdef int look_ahead(self, Hello* hello) noexcept:
        return -1

    cdef int begin_bridged(self, Bridged bridged, Certificate leaf) noexcept:
        return -1

    cdef int try_pass(self) noexcept:
        cdef Hello hello
        cdef char* input = self.worker.input
        cdef PassTable passes = self.service.passes
        cdef int result
        cdef int number
        # the hello stays in the kernel, for the endpoint or for libssl; each byte that comes brings a new edge
        cdef ssize_t got = recv(self.fd, input, INPUT_SIZE, MSG_PEEK)
        if got < 0 and (limen_errno() == EAGAIN or limen_errno() == EINTR):
            return 0
        if got <= 0:
            return -1
        result = read_hello(input, <size_t>got, self.worker.sealed, &hello)
        if result == 0:
            return -1 if self.hung or got == INPUT_SIZE else 0
        if result < 0:
            # no TLS: for whoever takes everything
            hello.name = hello.name_length = 0
            hello.message = input
            number = passes.rest if passes is not None else -1
        else:
            if self.service.asks_ja4:
                self.note_ja4(&hello)
            number = passes.find(&hello, self.ja4) if passes is not None else -1
        if number < 0:
            return -1
        if self.service.tls is not None and number >= self.service.opened:
            self.chosen = <Action>passes.actions[number]
            return -1
        self.on_passed(number, hello.message + hello.name, hello.name_length)
        return 1

    cdef void note_ja4(self, const Hello* hello) noexcept:
        cdef char out[JA4_SIZE]
        if write_ja4(hello, out) < 0:
            return
        try:
            self.ja4 = out[:JA4_SIZE]
        except MemoryError:
            # to whoever asks, the hello is like no other
            self.ja4 = None

    cdef int go_opaque(self, Action action, const char* name, size_t size) noexcept:
        cdef Exchange exchange
        self.worker.disarm(self)
        try:
            exchange = new_exchange(self.worker)
        except MemoryError:
            self.abort()
            return -1
        self.party = exchange
        exchange.ja4 = self.ja4
        exchange.begin_opaque(self, self.service, action, &self.sender, name, size)
        return 0

    cdef void on_passed(self, int number, const char* name, size_t size) noexcept:
        pass

    cdef void on_open(self) noexcept:
        pass

    cdef void refuse_plain(self) noexcept:
        self.worker.board.count_fault(FAULT_TLS_PLAIN)
        self.abort()

    cdef bint peek_preface(self) noexcept:
        cdef char* input = self.worker.input
        cdef ssize_t got = recv(self.fd, input, PREFACE_MOST, MSG_PEEK)
        cdef int size
        if got < 0:
            return False
        if got == 0:
            self.abort()
            return False
        size = self.take_preface(input, <size_t>got)
        if size <= 0:
            return False
        # its bytes were peeked at and are there to be taken
        recv(self.fd, input, <size_t>size, 0)
        return True

    cdef void begin(self) noexcept:
        pass

    cdef void drain(self) noexcept:
        pass


cdef class Listener:
    cdef void refused(self) noexcept:
        self.worker.board.listener_add(self.service.slot, LISTENER_REFUSED, 1)
