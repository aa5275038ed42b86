# Dialling. The connected descriptor is handed over still registered with epoll for its attempt;
# the new owner takes the registration over (Reactor.adopt), so nothing is missed in between.

cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from limen.engine.reactor cimport Handler
from limen.engine.stream cimport Party
from limen.engine.sys cimport (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    ECONNREFUSED,
    EINPROGRESS,
    EMFILE,
    ENFILE,
    EPOLLIN,
    EPOLLOUT,
    EPOLLRDHUP,
    ESRCH,
    ETIMEDOUT,
    IPPROTO_TCP,
    SO_ERROR,
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_NODELAY,
    connect,
    getsockopt,
    htons,
    limen_errno,
    setsockopt,
    sockaddr,
    sockaddr_in,
    sockaddr_in6,
    sockaddr_un,
    socket,
    socklen_t,
)
from limen.engine.types cimport (
    FAULT_DESCRIPTORS,
    FAULT_DIAL_REFUSED,
    FAULT_DIAL_TIMEOUT,
    FAULT_DIAL_UNREACHABLE,
    FAULT_EGRESS,
    Address,
)
from limen.engine.upstream cimport Endpoint


cdef enum:
    RACE_DELAY = 250000000    # ns before the next address is tried as well (RFC 8305, section 5)


cdef Dial new_dial(Worker worker, Party party):
    cdef Dial dial = Dial.__new__(Dial)
    dial.worker = worker
    dial.reactor = worker
    dial.party = party
    dial.attempts = []
    return dial


@cython.no_gc
cdef class Attempt(Handler):
    cdef void on_event(self, uint32_t events) noexcept:
        cdef int error = 0
        cdef socklen_t length = sizeof(error)
        cdef Dial dial
        if getsockopt(self.fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0:
            error = limen_errno()
        # held here: the party lets go of its dial when it hears of the end
        dial = self.dial
        if dial is not None:
            dial.attempt_done(self, error)


@cython.no_gc
cdef class Dial(Handler):
    cdef void begin(self, uint64_t timeout) noexcept:
        """Start with the first address; `timeout` ns bound the whole race."""
        self.end = self.worker.now + timeout
        self.fault = FAULT_DIAL_UNREACHABLE
        self.try_next()

    cdef void try_next(self) noexcept:
        """Start attempts until one is under way, or none is left."""
        cdef Attempt attempt
        cdef int error
        while not self.over:
            if self.next >= self.count:
                if not self.attempts:
                    self.finish(-1, NULL, self.fault)
                else:
                    self.worker.arm(self, self.end)
                return
            attempt = Attempt.__new__(Attempt)
            attempt.reactor = self.worker
            attempt.address = self.addresses[self.next]
            self.next += 1
            error = self.start(attempt)
            if error == 0:
                attempt.dial = self
                self.attempts.append(attempt)
                if self.next < self.count:
                    self.worker.arm(self, min(self.end, self.worker.now + RACE_DELAY))
                else:
                    self.worker.arm(self, self.end)
                return
            self.fault = self.name_error(error) if error > 0 else FAULT_EGRESS
            self.worker.bury(attempt)

    cdef int start(self, Attempt attempt) noexcept:
        """Non-blocking connect; 0, the errno, or minus that if the source was at fault."""
        cdef sockaddr_in v4
        cdef sockaddr_in6 v6
        cdef sockaddr_un local
        cdef const sockaddr* where
        cdef socklen_t length
        cdef int one = 1
        cdef int family
        cdef int result
        if attempt.address.family == 4:
            memset(&v4, 0, sizeof(v4))
            v4.sin_family = AF_INET
            v4.sin_port = htons(attempt.address.port)
            memcpy(&v4.sin_addr, &attempt.address.ip[12], 4)
            where = <const sockaddr*>&v4
            length = sizeof(v4)
            family = AF_INET
        elif attempt.address.family == 6:
            memset(&v6, 0, sizeof(v6))
            v6.sin6_family = AF_INET6
            v6.sin6_port = htons(attempt.address.port)
            memcpy(&v6.sin6_addr, &attempt.address.ip[0], 16)
            where = <const sockaddr*>&v6
            length = sizeof(v6)
            family = AF_INET6
        else:
            memset(&local, 0, sizeof(local))
            local.sun_family = AF_UNIX
            memcpy(local.sun_path, <char*>self.path, len(self.path))
            where = <const sockaddr*>&local
            length = sizeof(local)
            family = AF_UNIX
        attempt.fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
        if attempt.fd < 0:
            return limen_errno()
        if family != AF_UNIX:
            setsockopt(attempt.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))
            if self.source is not None:
                result = self.source.apply(attempt.fd, family)
                if result:
                    return result if result == ESRCH else -result
        if connect(attempt.fd, where, length) < 0 and limen_errno() != EINPROGRESS:
            return limen_errno()
        result = self.worker.watch(attempt, EPOLLIN | EPOLLOUT | EPOLLRDHUP)
        return -result

    cdef int name_error(self, int error) noexcept:
        if error == ECONNREFUSED:
            return FAULT_DIAL_REFUSED
        if error == ETIMEDOUT:
            return FAULT_DIAL_TIMEOUT
        if error == EMFILE or error == ENFILE:
            return FAULT_DESCRIPTORS
        return FAULT_DIAL_UNREACHABLE

    cdef void attempt_done(self, Attempt attempt, int error) noexcept:
        if self.over:
            return
        self.attempts.remove(attempt)
        attempt.dial = None
        if error:
            self.fault = self.name_error(error)
            self.worker.bury(attempt)
            self.try_next()
            return
        self.finish_with(attempt)

    cdef void finish_with(self, Attempt attempt) noexcept:
        cdef int fd = attempt.fd
        cdef Address address = attempt.address
        # the descriptor changes hands: the attempt is buried without closing it
        attempt.fd = -1
        self.worker.bury(attempt)
        self.finish(fd, &address, 0)

    cdef void finish(self, int fd, const Address* address, int fault) noexcept:
        cdef Party party = self.party
        cdef Endpoint links = self.links
        # the connection counts itself before the dial does no longer: they are never too many
        self.links = None
        self.cancel()
        if fd >= 0:
            party.on_connected(fd, address)
        if links is not None:
            links.leave()
        if fd < 0:
            party.on_dial_fault(fault)

    cdef void cancel(self) noexcept:
        """Drop everything that is under way; the party hears nothing more."""
        cdef Attempt attempt
        cdef Endpoint links
        if self.over:
            return
        self.over = True
        if self.links is not None:
            links = self.links
            self.links = None
            links.leave()
        for attempt in self.attempts:
            attempt.dial = None
            self.worker.bury(attempt)
        self.attempts = []
        self.party = None
        self.worker.bury(self)

    cdef void on_timer(self) noexcept:
        if self.over:
            return
        if self.worker.now >= self.end:
            self.finish(-1, NULL, FAULT_DIAL_TIMEOUT)
        else:
            self.try_next()
