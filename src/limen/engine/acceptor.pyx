# Accepting: a bounded number per turn; over the worker's bound of connections the newcomers are
# closed at once, out of descriptors accepting pauses instead of spinning.

cimport cython
from libc.stdint cimport uint32_t

from limen.engine.accepted cimport Accepted
from limen.engine.http1.client cimport Http1Client
from limen.engine.preface cimport from_sockaddr
from limen.engine.raw cimport RawClient
from limen.engine.service cimport TARGET_OPAQUE
from limen.engine.sys cimport (
    EAGAIN,
    ECONNABORTED,
    EINTR,
    EMFILE,
    ENFILE,
    ENOBUFS,
    ENOMEM,
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    accept4,
    close,
    limen_errno,
    sockaddr,
    sockaddr_storage,
    socklen_t,
)
from limen.engine.types cimport FAULT_CONNECTIONS, FAULT_DESCRIPTORS, Address
from limen.engine.worker cimport Worker


cdef enum:
    ACCEPTS_PER_TURN = 64
    BACKLOG_MOST = 65536      # the largest backlog that a kernel keeps by default is a fraction of this
    PACE = 100000000          # ns


@cython.no_gc
cdef class Acceptor(Handler):
    cdef void on_event(self, uint32_t events) noexcept:
        self.accept(ACCEPTS_PER_TURN)

    cdef void on_turn(self) noexcept:
        self.accept(ACCEPTS_PER_TURN)

    cdef void on_timer(self) noexcept:
        self.pacing = False
        self.accept(ACCEPTS_PER_TURN)

    cdef void accept_rest(self) noexcept:
        self.pacing = False
        self.accept(BACKLOG_MOST)

    cdef void accept(self, int most) noexcept:
        cdef Worker worker = self.worker
        cdef sockaddr_storage storage
        cdef socklen_t length
        cdef Address address
        cdef Accepted connection
        cdef int count = 0
        cdef int fd
        if self.pacing:
            return
        while not self.closed:
            if count == most:
                worker.defer(self)
                return
            count += 1
            length = sizeof(storage)
            fd = accept4(self.fd, <sockaddr*>&storage, &length, SOCK_NONBLOCK | SOCK_CLOEXEC)
            if fd < 0:
                if limen_errno() == EINTR or limen_errno() == ECONNABORTED:
                    continue
                if limen_errno() == EAGAIN:
                    return
                if limen_errno() in (EMFILE, ENFILE, ENOBUFS, ENOMEM):
                    worker.board.count_fault(FAULT_DESCRIPTORS)
                    self.pacing = True
                    worker.arm(self, worker.now + PACE)
                    return
                worker.tell(40, f"accept on {self.listener.key}: error {limen_errno()}")
                return
            if <unsigned long>worker.connections >= worker.max_connections:
                worker.board.count_fault(FAULT_CONNECTIONS)
                self.listener.refused()
                close(fd)
                continue
            from_sockaddr(<sockaddr*>&storage, &address)
            try:
                if self.listener.service.target_source == TARGET_OPAQUE:
                    connection = RawClient.__new__(RawClient)
                else:
                    connection = Http1Client.__new__(Http1Client)
            except MemoryError:
                close(fd)
                continue
            connection.worker = worker
            connection.reactor = worker
            connection.enter(fd, self.listener, &address)
            if worker.gather_owner != NULL:
                worker.flush()
