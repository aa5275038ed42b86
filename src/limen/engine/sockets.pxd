# Addresses of ours as the kernel takes them, and datagram sockets.

from limen.engine.sys cimport sockaddr_storage, socklen_t
from limen.engine.types cimport Address


# Family 4 or 6, as sockaddr_in or sockaddr_in6: its length.
cdef socklen_t lay_sockaddr(const Address* address, sockaddr_storage* storage) noexcept nogil
# Which address of this machine packets to `peer` come from; -1 if there is no way there.
cdef int own_address_towards(const Address* peer, Address* own) noexcept
# A datagram socket bound to `own` (its port may be 0): the descriptor, -1 if there is none.
cdef int open_datagrams(const Address* own) noexcept
