# Host names and IP addresses: one canonical form, which address is special, sets of prefixes.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from limen.engine.lists cimport ListView
from limen.engine.types cimport Address


cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    static inline uint64_t limen_load_be8(const uint8_t *p) {
        uint64_t w;
        memcpy(&w, p, 8);
    #if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        w = __builtin_bswap64(w);
    #endif
        return w;
    }
    static inline void limen_store_be8(uint8_t *p, uint64_t w) {
    #if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        w = __builtin_bswap64(w);
    #endif
        memcpy(p, &w, 8);
    }
    """
    uint64_t load_be8 "limen_load_be8"(const uint8_t*) noexcept nogil
    void store_be8 "limen_store_be8"(uint8_t*, uint64_t) noexcept nogil


cdef enum HostKind:
    HOST_NAME = 0
    HOST_IPV4 = 4
    HOST_IPV6 = 6


cdef struct TargetHost:
    # A host[:port] in the only form that rules, resolver and dialler see.
    char name[256]            # lower-case, no trailing dot, IPv6 without brackets; not terminated
    uint16_t name_length
    uint8_t kind              # HostKind
    Address address           # of a literal; address.port == port always; family 0 for a name
    uint16_t port             # 1..65535, or 0 if absent and default_port is 0
    uint8_t has_port          # the text named one


# Parse host[:port] into *out: 0, or -FAULT_TARGET. An absent or empty port becomes `default_port`
# (0: stays 0). On a refusal *out is undefined. `p` and `out` may not overlap.
cdef int parse_authority(const char* p, size_t n, int default_port, TargetHost* out) noexcept nogil

# Text of an address without port, brackets or zone: strict dotted quad or IPv6. 0, or -1.
# Sets ip and family (a mapped IPv4 is family 4), port 0.
cdef int parse_ip(const char* p, size_t n, Address* out) noexcept nogil

# Canonical text (dotted quad, RFC 5952) into `out` (room for 46); returns its length, not terminated.
# An address of no IP family gives 0.
cdef int format_ip(const Address* address, char* out) noexcept nogil
# The same of a client, for Python; "unix" for one without an address.
cdef str client_text(const Address* client)

# Whether the address is not an ordinary public unicast one (RFC 6890 and friends), judged also
# by the IPv4 address that it embeds. `ip` is the 16-byte form of Address.
cdef bint is_special(const uint8_t* ip) noexcept nogil

# Whether a client may use a forward proxy without being named: loopback, RFC 1918, link-local, ULA.
cdef bint is_private_client(const uint8_t* ip) noexcept nogil


cdef struct Range4:
    uint32_t first            # host order, both ends included
    uint32_t last


cdef struct Range6:
    uint64_t first_high
    uint64_t first_low
    uint64_t last_high
    uint64_t last_low


# Sort, and join what overlaps (and, of IPv4, touches); returns how many are left.
cdef size_t merge4(Range4* ranges, size_t count) noexcept nogil
cdef size_t merge6(Range6* ranges, size_t count) noexcept nogil

# `address` or `address/length`; *bits counts from the start of the 16-byte form. 0, or -1.
cdef int parse_prefix(const char* p, size_t n, Address* address, int* bits) noexcept nogil


cdef class AddressSet:
    # Immutable: sorted disjoint ranges, apart for IPv4 (also as mapped IPv6) and IPv6.
    cdef Range4* ranges4      # owned
    cdef Range6* ranges6      # owned
    cdef size_t count4
    cdef size_t count6
    cdef const ListView** lists   # owned array of views borrowed from `kept`
    cdef size_t list_count
    cdef tuple kept           # AddressLists

    cdef bint in_ranges(self, const uint8_t* ip) noexcept nogil
    cdef bint contains(self, const uint8_t* ip) noexcept nogil
    cdef void add4(self, const Address* address, int bits) noexcept
    cdef void add6(self, const Address* address, int bits) noexcept
