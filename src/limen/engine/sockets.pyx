# Nothing here is kept: descriptors are the caller's.

from libc.string cimport memcpy, memset

from limen.engine.preface cimport local_address
from limen.engine.sys cimport (
    AF_INET,
    AF_INET6,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOCK_NONBLOCK,
    bind,
    close,
    connect,
    htons,
    sockaddr,
    sockaddr_in,
    sockaddr_in6,
    sockaddr_storage,
    socket,
    socklen_t,
)
from limen.engine.types cimport Address


cdef socklen_t lay_sockaddr(const Address* address, sockaddr_storage* storage) noexcept nogil:
    cdef sockaddr_in* four = <sockaddr_in*>storage
    cdef sockaddr_in6* six = <sockaddr_in6*>storage
    memset(storage, 0, sizeof(sockaddr_storage))
    if address.family == 4:
        four.sin_family = AF_INET
        four.sin_port = htons(address.port)
        memcpy(&four.sin_addr, &address.ip[12], 4)
        return sizeof(sockaddr_in)
    six.sin6_family = AF_INET6
    six.sin6_port = htons(address.port)
    memcpy(&six.sin6_addr, &address.ip[0], 16)
    return sizeof(sockaddr_in6)


cdef int own_address_towards(const Address* peer, Address* own) noexcept:
    cdef sockaddr_storage storage
    cdef Address there = peer[0]
    cdef socklen_t length
    cdef int result
    # connecting a datagram socket sends nothing; any port will do
    cdef int fd = socket(
        AF_INET if peer.family == 4 else AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0
    )
    if fd < 0:
        return -1
    if there.port == 0:
        there.port = 9
    length = lay_sockaddr(&there, &storage)
    result = connect(fd, <sockaddr*>&storage, length)
    if result == 0:
        local_address(fd, own)
    close(fd)
    return result


cdef int open_datagrams(const Address* own) noexcept:
    cdef sockaddr_storage storage
    cdef socklen_t length = lay_sockaddr(own, &storage)
    cdef int fd = socket(
        AF_INET if own.family == 4 else AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0
    )
    if fd >= 0 and bind(fd, <sockaddr*>&storage, length) < 0:
        close(fd)
        return -1
    return fd
