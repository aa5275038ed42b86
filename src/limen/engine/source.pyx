# A socket is bound before it connects: without a port, so that the kernel may use each port once per peer.

import ipaddress
import os

cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from limen.engine.budget cimport draw_next
from limen.engine.sys cimport (
    AF_INET,
    AF_INET6,
    IP_BIND_ADDRESS_NO_PORT,
    IP_FREEBIND,
    IPPROTO_IP,
    SO_BINDTODEVICE,
    SO_MARK,
    SOL_SOCKET,
    ESRCH,
    bind,
    limen_errno,
    setsockopt,
    sockaddr,
    sockaddr_in,
    sockaddr_in6,
    socklen_t,
)


cdef void fill(uint8_t* ip, int size, int fixed, uint64_t* state) noexcept nogil:
    """Random bits behind the first `fixed` ones."""
    cdef uint64_t bits = 0
    cdef int i
    cdef int kept
    for i in range(size):
        if i % 8 == 0:
            bits = draw_next(state)
        kept = min(max(fixed - 8 * i, 0), 8)
        ip[i] |= <uint8_t>(((bits >> (8 * (i % 8))) & 0xff) & (0xff >> kept))


@cython.final
cdef class Source:
    """`addresses`: at most one prefix (or address) of each family. ValueError for others."""

    def __init__(self, addresses=(), *, str device="", uint32_t mark=0):
        self.four_bits = self.six_bits = -1
        self.device = device.encode()
        self.mark = mark
        self.random = int.from_bytes(os.urandom(8), "little") | 1
        for text in addresses:
            network = ipaddress.ip_network(text)
            packed = network.network_address.packed
            if network.version == 4 and self.four_bits < 0:
                memcpy(self.four, <const char*>(<bytes>packed), 4)
                self.four_bits = network.prefixlen
            elif network.version == 6 and self.six_bits < 0:
                memcpy(self.six, <const char*>(<bytes>packed), 16)
                self.six_bits = network.prefixlen
            else:
                raise ValueError(f"two sources of one family: {text}")

    def __repr__(self) -> str:
        return f"<Source device={self.device!r} mark={self.mark}>"

    cdef int apply(self, int fd, int family) noexcept:
        cdef sockaddr_in v4
        cdef sockaddr_in6 v6
        cdef const sockaddr* where
        cdef socklen_t length
        cdef uint8_t ip[16]
        cdef int one = 1
        cdef bint drawn
        if len(self.device) and setsockopt(
            fd, SOL_SOCKET, SO_BINDTODEVICE, <const char*>self.device, <socklen_t>len(self.device)
        ) < 0:
            return limen_errno()
        if self.mark and setsockopt(fd, SOL_SOCKET, SO_MARK, &self.mark, sizeof(self.mark)) < 0:
            return limen_errno()
        if self.four_bits < 0 and self.six_bits < 0:
            return 0
        if family == AF_INET and self.four_bits >= 0:
            memset(&v4, 0, sizeof(v4))
            v4.sin_family = AF_INET
            memcpy(ip, self.four, 4)
            drawn = self.four_bits < 32
            if drawn:
                fill(ip, 4, self.four_bits, &self.random)
            memcpy(&v4.sin_addr, ip, 4)
            where = <const sockaddr*>&v4
            length = sizeof(v4)
        elif family == AF_INET6 and self.six_bits >= 0:
            memset(&v6, 0, sizeof(v6))
            v6.sin6_family = AF_INET6
            memcpy(ip, self.six, 16)
            drawn = self.six_bits < 128
            if drawn:
                fill(ip, 16, self.six_bits, &self.random)
            memcpy(&v6.sin6_addr, ip, 16)
            where = <const sockaddr*>&v6
            length = sizeof(v6)
        else:
            return ESRCH
        # both are helps only: without them a prefix needs its addresses on an interface, and ports are fewer
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one))
        if drawn:
            setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one))
        if bind(fd, where, length) < 0:
            return limen_errno()
        return 0
