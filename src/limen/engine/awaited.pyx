# One connection is taken, from the peer that the client named (RFC 1928, 4): whoever else comes is closed, and the
# socket is gone as soon as one was taken or its time is over.

cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp

from limen.engine.dial cimport Attempt, Dial
from limen.engine.http1.client cimport Http1Client
from limen.engine.preface cimport from_sockaddr, local_address
from limen.engine.state cimport ExchangeState
from limen.engine.sockets cimport lay_sockaddr, own_address_towards
from limen.engine.sys cimport (
    AF_INET,
    AF_INET6,
    EAGAIN,
    ECONNABORTED,
    EINTR,
    EPOLLIN,
    EPOLLOUT,
    EPOLLRDHUP,
    IPPROTO_TCP,
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    SOCK_STREAM,
    TCP_NODELAY,
    accept4,
    bind,
    close,
    limen_errno,
    listen,
    setsockopt,
    sockaddr,
    sockaddr_storage,
    socket,
    socklen_t,
)
from limen.engine.types cimport (
    FAULT_DESCRIPTORS,
    FAULT_DIAL_TIMEOUT,
    FAULT_DIAL_UNREACHABLE,
    FAULT_MEMORY,
    Address,
)


cdef enum:
    STRANGERS_MOST = 16       # connections of others that are closed in one turn


cdef Awaited new_awaited(ExchangeState exchange):
    cdef Awaited awaited = Awaited.__new__(Awaited)
    awaited.worker = exchange.worker
    awaited.reactor = exchange.worker
    awaited.party = exchange
    awaited.exchange = exchange
    awaited.attempts = []
    awaited.fd = -1
    return awaited


@cython.final
@cython.no_gc
cdef class Awaited(Dial):
    cdef void begin(self, uint64_t timeout) noexcept:
        cdef int error
        self.end = self.worker.now + self.exchange.service.bind_timeout
        error = self.open()
        if error:
            self.finish(-1, NULL, error)
            return
        self.worker.arm(self, self.end)

    cdef int open(self) noexcept:
        """Listen where the peer can reach us, and tell the client; a fault if that cannot be."""
        cdef sockaddr_storage storage
        cdef socklen_t length
        cdef Address own
        cdef Http1Client client = <Http1Client>self.exchange.client
        if own_address_towards(&self.addresses[0], &own) < 0:
            return FAULT_DIAL_UNREACHABLE
        own.port = 0
        length = lay_sockaddr(&own, &storage)
        self.fd = socket(AF_INET if own.family == 4 else AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
        if self.fd < 0:
            return FAULT_DESCRIPTORS
        if bind(self.fd, <sockaddr*>&storage, length) < 0 or listen(self.fd, 1) < 0:
            return FAULT_DESCRIPTORS
        local_address(self.fd, &client.way.bound)
        if self.worker.watch(self, EPOLLIN) < 0:
            return FAULT_DESCRIPTORS
        client.way.tell(client)
        return 0

    cdef void on_event(self, uint32_t events) noexcept:
        self.accept()

    cdef void on_turn(self) noexcept:
        self.accept()

    cdef void accept(self) noexcept:
        cdef sockaddr_storage storage
        cdef socklen_t length
        cdef Address peer
        cdef Attempt attempt
        cdef int one = 1
        cdef int fd
        cdef int strangers = 0
        while not self.over:
            length = sizeof(storage)
            fd = accept4(self.fd, <sockaddr*>&storage, &length, SOCK_NONBLOCK | SOCK_CLOEXEC)
            if fd < 0:
                if limen_errno() == EINTR or limen_errno() == ECONNABORTED:
                    continue
                if limen_errno() != EAGAIN:
                    self.finish(-1, NULL, FAULT_DESCRIPTORS)
                return
            from_sockaddr(<sockaddr*>&storage, &peer)
            if not self.is_expected(&peer):
                close(fd)
                strangers += 1
                if strangers == STRANGERS_MOST:
                    self.worker.defer(self)
                    return
                continue
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))
            try:
                attempt = Attempt.__new__(Attempt)
            except MemoryError:
                close(fd)
                self.finish(-1, NULL, FAULT_MEMORY)
                return
            attempt.reactor = self.worker
            attempt.address = peer
            attempt.fd = fd
            if self.worker.watch(attempt, EPOLLIN | EPOLLOUT | EPOLLRDHUP) < 0:
                self.worker.bury(attempt)
                self.finish(-1, NULL, FAULT_DESCRIPTORS)
                return
            (<Http1Client>self.exchange.client).way.bound = peer
            self.finish_with(attempt)
            return

    cdef bint is_expected(self, const Address* peer) noexcept:
        cdef int i
        for i in range(self.count):
            if self.addresses[i].family == peer.family and memcmp(self.addresses[i].ip, peer.ip, 16) == 0:
                return True
        return False

    cdef void cancel(self) noexcept:
        Dial.cancel(self)
        self.exchange = None

    cdef void on_timer(self) noexcept:
        if not self.over:
            self.finish(-1, NULL, FAULT_DIAL_TIMEOUT)
