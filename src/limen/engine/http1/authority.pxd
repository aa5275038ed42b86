# host[:port] as HTTP/1.1 carries it (RFC 3986, 3.2; RFC 9110, 4.2 and 7.2): shape only, no meaning.

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t
from limen.engine.bytes cimport CLASS_HOST, HEX, is_digit, scan_class


cdef inline const char* _dotted_quad(const char* p, const char* stop) noexcept nogil:
    """The end of an IPv4 address, or NULL."""
    cdef int part, digits
    cdef uint32_t value
    for part in range(4):
        value = 0
        digits = 0
        while p != stop and is_digit(p[0]):
            if digits == 3 or (digits > 0 and value == 0):
                return NULL
            value = value * 10 + <uint8_t>(<uint8_t>p[0] - 48)
            digits += 1
            p += 1
        if digits == 0 or value > 255:
            return NULL
        if part < 3:
            if p == stop or p[0] != b'.':
                return NULL
            p += 1
    return p


cdef inline bint is_ip6(const char* p, const char* stop) noexcept nogil:
    """Whether p..stop is an IPv6 address (RFC 3986, 3.2.2) without a zone."""
    cdef int groups = 0, digits
    cdef bint gap = False
    cdef const char* begin
    if stop - p < 2 or stop - p > 45:
        return False
    if p[0] == b':':                      # can only be "::"
        if p[1] != b':':
            return False
        gap = True
        p += 2
        if p == stop:
            return True
    while True:
        begin = p
        digits = 0
        while p != stop and digits < 4 and HEX[<uint8_t>p[0]] != 0xff:
            digits += 1
            p += 1
        if digits == 0:
            return False
        if p != stop and p[0] == b'.':    # the last 32 bits as IPv4
            if _dotted_quad(begin, stop) != stop:
                return False
            groups += 2
            break
        groups += 1
        if p == stop:
            break
        if p[0] != b':':
            return False
        p += 1
        if p == stop:
            return False
        if p[0] == b':':
            if gap:
                return False
            gap = True
            p += 1
            if p == stop:
                break
    return groups <= 7 if gap else groups == 8


cdef inline const char* scan_host(const char* p, const char* stop) noexcept nogil:
    """The end of a uri-host that begins at `p` (what follows it is the caller's matter), or NULL if there is
    none. No userinfo, percent-encoding, IPvFuture or zone: nobody needs them and parsers differ."""
    cdef const char* begin = p
    if p != stop and p[0] == b'[':
        p += 1
        while p != stop and p[0] != b']':
            p += 1
        if p == stop or not is_ip6(begin + 1, p):
            return NULL
        return p + 1
    p = scan_class(p, stop, CLASS_HOST)
    if p == begin:
        return NULL
    return p


cdef inline int parse_port(const char* p, const char* stop) noexcept nogil:
    """1 to 5 digits up to 65535; -1 otherwise."""
    cdef int value = 0
    if p == stop or stop - p > 5:
        return -1
    while p != stop:
        if not is_digit(p[0]):
            return -1
        value = value * 10 + <uint8_t>(<uint8_t>p[0] - 48)
        p += 1
    return value if value <= 65535 else -1


cdef inline bint is_authority(const char* p, size_t length, bint needs_port) noexcept nogil:
    """uri-host [":" port]. Without `needs_port` the port may be missing or empty; with it, it is 1 to 65535."""
    cdef const char* stop = p + length
    cdef int port
    p = scan_host(p, stop)
    if p == NULL:
        return False
    if p == stop:
        return not needs_port
    if p[0] != b':':
        return False
    if p + 1 == stop:
        return not needs_port
    port = parse_port(p + 1, stop)
    return port > 0 or (port == 0 and not needs_port)
