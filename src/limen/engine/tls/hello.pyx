# The parser of client hellos. Sans-I/O, bounded, and strict where two readers could differ: a name that
# is told twice, or ends early, is no hello.

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy


cdef enum:
    RECORD_HEAD = 5
    RECORD_MOST = 16384
    TYPE_HANDSHAKE = 22
    CLIENT_HELLO = 1
    EXTENSION_SERVER_NAME = 0
    EXTENSION_ALPN = 16
    NAME_MOST = 255


cdef inline uint32_t two(const char* p) noexcept nogil:
    return <uint32_t>(<uint8_t>p[0]) << 8 | <uint8_t>p[1]


cdef int read_hello(const char* data, size_t size, char* scratch, Hello* out) noexcept nogil:
    cdef size_t at = 0
    cdef size_t length
    cdef size_t need = 4
    cdef size_t held = 0
    cdef const char* message = NULL
    while True:
        if size - at < RECORD_HEAD:
            # what is there must at least begin like a record
            return -1 if size > at and <uint8_t>data[at] != TYPE_HANDSHAKE else 0
        if <uint8_t>data[at] != TYPE_HANDSHAKE or <uint8_t>data[at + 1] != 3:
            return -1
        length = two(data + at + 3)
        if length == 0 or length > RECORD_MOST:
            return -1
        if held == 0 and size - at - RECORD_HEAD >= 4:
            if <uint8_t>data[at + RECORD_HEAD] != CLIENT_HELLO:
                return -1
            if length >= 4:
                need = 4 + (<size_t>(<uint8_t>data[at + RECORD_HEAD + 1]) << 16 | two(data + at + RECORD_HEAD + 2))
                if need > HELLO_MOST:
                    return -1
        if size - at - RECORD_HEAD < length:
            return 0
        if held == 0 and length == need and length >= 4:
            # the usual case: one record, read where it lies
            message = data + at + RECORD_HEAD
            break
        if held + length > HELLO_MOST:
            return -1
        memcpy(scratch + held, data + at + RECORD_HEAD, length)
        held += length
        at += RECORD_HEAD + length
        if held >= 4:
            if <uint8_t>scratch[0] != CLIENT_HELLO:
                return -1
            need = 4 + (<size_t>(<uint8_t>scratch[1]) << 16 | two(scratch + 2))
            if need > HELLO_MOST or held > need:
                # nothing may follow the hello before it was answered
                return -1
            if held == need:
                message = scratch
                break
    out.message = message
    out.size = <uint32_t>need
    return read_message(message, <uint32_t>need, out)


cdef int read_message(const char* p, uint32_t size, Hello* out) noexcept nogil:
    cdef uint32_t at = 4 + 2 + 32
    cdef uint32_t length
    cdef uint32_t end
    cdef bint named = False
    cdef bint listed = False
    out.name = out.name_length = out.alpn = out.alpn_length = 0
    out.extensions = out.extensions_length = 0
    if size < at + 1:
        return -1
    out.version = <uint16_t>two(p + 4)
    length = <uint8_t>p[at]
    if length > 32 or size < at + 1 + length + 2:
        return -1
    at += 1 + length
    length = two(p + at)
    out.ciphers = at + 2
    out.ciphers_length = length
    if length < 2 or length & 1 or size < at + 2 + length + 1:
        return -1
    at += 2 + length
    length = <uint8_t>p[at]
    if length < 1 or size < at + 1 + length:
        return -1
    at += 1 + length
    if at == size:
        return 1
    if size < at + 2 or two(p + at) != size - at - 2:
        return -1
    at += 2
    out.extensions = at
    out.extensions_length = size - at
    while at < size:
        if size - at < 4:
            return -1
        length = two(p + at + 2)
        end = at + 4 + length
        if end > size:
            return -1
        if two(p + at) == EXTENSION_SERVER_NAME:
            if named or read_name(p, at + 4, end, out) < 0:
                return -1
            named = True
        elif two(p + at) == EXTENSION_ALPN:
            if listed or read_alpn(p, at + 4, end, out) < 0:
                return -1
            listed = True
        at = end
    return 1


cdef int read_name(const char* p, uint32_t at, uint32_t end, Hello* out) noexcept nogil:
    """server_name: one host name (RFC 6066, 3)."""
    cdef uint32_t length
    cdef uint32_t i
    if end - at < 5 or two(p + at) != end - at - 2 or p[at + 2] != 0:
        return -1
    length = two(p + at + 3)
    if length == 0 or length > NAME_MOST or at + 5 + length != end:
        return -1
    for i in range(at + 5, end):
        if not 32 < <uint8_t>p[i] < 127:
            return -1
    out.name = at + 5
    out.name_length = length
    return 0


cdef int read_alpn(const char* p, uint32_t at, uint32_t end, Hello* out) noexcept nogil:
    cdef uint32_t length
    if end - at < 4 or two(p + at) != end - at - 2:
        return -1
    at += 2
    out.alpn = at
    out.alpn_length = end - at
    while at < end:
        length = <uint8_t>p[at]
        if length == 0 or at + 1 + length > end:
            return -1
        at += 1 + length
    return 0
