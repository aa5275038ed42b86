# Entering and leaving: counts and bounds of connections are kept here and nowhere else.

cimport cython

from limen.engine.board cimport (
    LISTENER_ACCEPTED,
    LISTENER_CONNECTIONS,
    LISTENER_REFUSED,
    WORKER_CONNECTIONS,
)
from limen.engine.preface cimport parse_preface
from limen.engine.sys cimport EPOLLIN, EPOLLOUT, EPOLLRDHUP
from limen.engine.types cimport FAULT_CLIENT_CONNECTIONS, FAULT_PROXY_PREFACE, Address


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


@cython.no_gc
cdef class Accepted(Pooled):
    cdef int enter(self, int fd, Listener listener, const Address* sender) noexcept:
        """Take over an accepted descriptor; -1 if it was refused (and closed)."""
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
        if not self.preface_due and not self.count_client():
            self.worker.board.count_fault(FAULT_CLIENT_CONNECTIONS)
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

    cdef int take_preface(self, const char* data, size_t size) noexcept:
        cdef Address source
        cdef int result = parse_preface(data, size, &source)
        if result == 0:
            return 0
        if result < 0:
            self.worker.board.count_fault(FAULT_PROXY_PREFACE)
            self.listener.refused()
            self.abort()
            return -1
        self.preface_due = False
        if source.family:
            self.sender = source
        if not self.count_client():
            self.worker.board.count_fault(FAULT_CLIENT_CONNECTIONS)
            self.listener.refused()
            self.abort()
            return -1
        return result

    cdef void leave(self) noexcept:
        """Undo enter(); called once, by abort()."""
        cdef Listener listener = self.listener
        if listener is None:
            return
        self.listener = None
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

    cdef void begin(self) noexcept:
        pass

    cdef void drain(self) noexcept:
        pass


cdef class Listener:
    cdef void refused(self) noexcept:
        self.worker.board.listener_add(self.service.slot, LISTENER_REFUSED, 1)
