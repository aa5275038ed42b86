# SOCKS 4, 4a and 5 (RFC 1928, RFC 1929): messages in, offsets and faults out; no descriptor.

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from limen.engine.types cimport Address


cdef enum SocksCommand:
    SOCKS_CONNECT = 1
    SOCKS_BIND = 2
    SOCKS_UDP = 3             # version 5 only


cdef enum SocksMethod:
    # RFC 1928, 3
    SOCKS_NO_METHOD_NEEDED = 0
    SOCKS_PAIR = 2            # user name and password
    SOCKS_NO_METHOD = 255


cdef enum SocksKind:
    SOCKS_IPV4 = 1
    SOCKS_NAME = 3
    SOCKS_IPV6 = 4


cdef enum:
    SOCKS_TARGET_MOST = 264   # text of a target: a name of 255 bytes in brackets, and a port
    SOCKS_REPLY_MOST = 22     # bytes of a reply, and of what stands before a datagram's content
    SOCKS_MESSAGE_MOST = 524  # the longest message: 4a with a user name and a name of 255 bytes each


cdef struct SocksRequest:
    # Offsets count from the first byte of the message.
    uint32_t host             # an address's bytes, or a name
    uint32_t host_length
    uint32_t user             # SOCKS 4
    uint32_t user_length
    uint16_t port
    uint8_t version
    uint8_t command           # SocksCommand
    uint8_t kind              # SocksKind


# Each returns the bytes that the message takes, 0 if it is not whole, or -fault (types.Fault). What was judged from a
# part holds for every continuation, but that a part may be 0.

# Version 5's greeting: *methods gets one bit for each of 0..31 that is offered.
cdef int parse_greeting(const char* data, size_t size, uint32_t* methods) noexcept nogil
# RFC 1929: *user and *password get offset and length.
cdef int parse_pair(
    const char* data, size_t size, uint32_t* user, uint32_t* user_length, uint32_t* password, uint32_t* password_length
) noexcept nogil
# A request of either version, which its first byte tells.
cdef int parse_socks(const char* data, size_t size, SocksRequest* request) noexcept nogil
# What stands before the content of a datagram (RFC 1928, 7); it is whole, or none. Fragments are refused.
cdef int parse_datagram(const char* data, size_t size, SocksRequest* request) noexcept nogil

# The request's target as the text `host:port`, into `out` (SOCKS_TARGET_MOST bytes): its length, or -FAULT_TARGET for
# bytes that no host has. IPv6 comes in brackets.
cdef int write_socks_target(const char* data, const SocksRequest* request, char* out) noexcept nogil
# A reply with an address (of family 0: all zeros), into `out` (SOCKS_REPLY_MOST bytes): its length.
cdef int write_socks_reply(int version, int code, const Address* bound, char* out) noexcept nogil
# What stands before the content of a datagram from `source`, likewise.
cdef int write_datagram_head(const Address* source, char* out) noexcept nogil
# The reply code of a fault (RFC 1928, 6; SOCKS 4: 91 or 93).
cdef int socks_code(int version, int fault) noexcept nogil
