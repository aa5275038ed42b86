# Strict on the side of safety: only 2xx opens a tunnel (CVE-2015-5400 was a 200 taken for any other), whatever framing
# it claims is ignored (RFC 9110, 9.3.6), and not one byte behind an answer is taken.

from libc.stdint cimport uint8_t, uint16_t
from libc.string cimport memcpy

from limen.engine.addresses cimport format_ip
from limen.engine.http1.parse cimport parse_response
from limen.engine.types cimport METHOD_CONNECT, Address, Field, Head, HeadLimits


cdef enum:
    # RFC 1928, RFC 1929
    SOCKS_VERSION = 5
    LOGIN_VERSION = 1
    METHOD_NONE = 0
    METHOD_LOGIN = 2
    METHOD_REFUSED = 255
    ASK_CONNECT = 1
    TYPE_IPV4 = 1
    TYPE_NAME = 3
    TYPE_IPV6 = 4


cdef inline size_t decimal(char* out, unsigned int value) noexcept nogil:
    cdef char digits[10]
    cdef size_t n = 0
    cdef size_t i
    while True:
        digits[n] = <char>(48 + value % 10)
        n += 1
        value //= 10
        if value == 0:
            break
    for i in range(n):
        out[i] = digits[n - 1 - i]
    return n


cdef inline size_t put(char* out, const char* data, size_t size) noexcept nogil:
    memcpy(out, data, size)
    return size


cdef size_t put_authority(char* out, const char* host, size_t size, const Address* literal, uint16_t port) noexcept:
    cdef size_t n = 0
    cdef char text[64]
    if literal.family:
        size = <size_t>format_ip(literal, text)
        host = text
    if literal.family == 6:
        out[n] = 91
        n += 1
    n += put(out + n, host, size)
    if literal.family == 6:
        out[n] = 93
        n += 1
    out[n] = 58
    n += 1
    return n + decimal(out + n, port)


cdef ssize_t write_connect(
    char* out, size_t room, const char* host, size_t size, const Address* literal, uint16_t port, bytes authorization
) noexcept:
    cdef size_t n = 0
    if 2 * (size + 72) + 128 + <size_t>len(authorization) > room:
        return -1
    n += put(out + n, b"CONNECT ", 8)
    n += put_authority(out + n, host, size, literal, port)
    n += put(out + n, b" HTTP/1.1\r\nHost: ", 17)
    n += put_authority(out + n, host, size, literal, port)
    n += put(out + n, b"\r\n", 2)
    if len(authorization):
        n += put(out + n, b"Proxy-Authorization: ", 21)
        n += put(out + n, <const char*>authorization, <size_t>len(authorization))
        n += put(out + n, b"\r\n", 2)
    n += put(out + n, b"\r\n", 2)
    return <ssize_t>n


cdef ssize_t write_hello(char* out, size_t room, bint credentials) noexcept nogil:
    if room < 4:
        return -1
    out[0] = SOCKS_VERSION
    out[1] = 2 if credentials else 1
    out[2] = METHOD_NONE
    out[3] = METHOD_LOGIN
    return 4 if credentials else 3


cdef ssize_t write_login(char* out, size_t room, bytes user, bytes password) noexcept:
    cdef size_t users = <size_t>len(user)
    cdef size_t passwords = <size_t>len(password)
    # both have at least one byte (RFC 1929, 2); an empty password is sent as such, and servers know it
    if users == 0 or users > 255 or passwords > 255 or room < 3 + users + passwords:
        return -1
    out[0] = LOGIN_VERSION
    out[1] = <char>users
    memcpy(out + 2, <const char*>user, users)
    out[2 + users] = <char>passwords
    memcpy(out + 3 + users, <const char*>password, passwords)
    return <ssize_t>(3 + users + passwords)


cdef ssize_t write_asked(
    char* out, size_t room, const char* host, size_t size, const Address* literal, uint16_t port
) noexcept nogil:
    cdef size_t n = 4
    if room < 7 + 255 or (literal.family == 0 and not 0 < size <= 255):
        return -1
    out[0] = SOCKS_VERSION
    out[1] = ASK_CONNECT
    out[2] = 0
    if literal.family == 4:
        out[3] = TYPE_IPV4
        n += put(out + n, <const char*>&literal.ip[12], 4)
    elif literal.family == 6:
        out[3] = TYPE_IPV6
        n += put(out + n, <const char*>&literal.ip[0], 16)
    else:
        out[3] = TYPE_NAME
        out[4] = <char>size
        n += 1
        n += put(out + n, host, size)
    out[n] = <char>(port >> 8)
    out[n + 1] = <char>(port & 255)
    return <ssize_t>(n + 2)


cdef ssize_t read_connected(
    const char* data, size_t size, const HeadLimits* limits, Head* head, Field* fields, int* status
) noexcept nogil:
    cdef size_t used = 0
    cdef int result
    while True:
        result = parse_response(data + used, size - used, limits, METHOD_CONNECT, head, fields)
        if result < 0:
            return HOP_MALFORMED
        if result == 0:
            return 0 if size < HOP_ANSWER else HOP_TOO_LONG
        used += <size_t>result
        if used > HOP_ANSWER:
            return HOP_TOO_LONG
        status[0] = head.status
        if head.status == 101:
            # nobody asked for another protocol
            return HOP_MALFORMED
        if head.status < 200:
            continue
        if head.status < 300:
            return <ssize_t>used
        return HOP_IDENTITY if head.status == 407 else HOP_REFUSED


cdef ssize_t read_method(const char* data, size_t size, bint credentials, bint* login) noexcept nogil:
    cdef uint8_t method
    login[0] = False
    if size and <uint8_t>data[0] != SOCKS_VERSION:
        return HOP_MALFORMED
    if size < 2:
        return 0
    method = <uint8_t>data[1]
    if method == METHOD_LOGIN and credentials:
        login[0] = True
        return 2
    if method == METHOD_NONE:
        return 2
    # a method that was not offered is none
    return HOP_IDENTITY if method == METHOD_REFUSED else HOP_MALFORMED


cdef ssize_t read_login(const char* data, size_t size) noexcept nogil:
    if size and <uint8_t>data[0] != LOGIN_VERSION and <uint8_t>data[0] != SOCKS_VERSION:
        # (some servers repeat the version of SOCKS)
        return HOP_MALFORMED
    if size < 2:
        return 0
    return 2 if data[1] == 0 else HOP_IDENTITY


cdef ssize_t read_opened(const char* data, size_t size, int* status) noexcept nogil:
    cdef size_t whole
    if size and <uint8_t>data[0] != SOCKS_VERSION:
        return HOP_MALFORMED
    if size >= 2 and data[1] != 0:
        # some close right behind the code
        status[0] = <uint8_t>data[1]
        return HOP_REFUSED
    if size >= 3 and data[2] != 0:
        return HOP_MALFORMED
    if size < 5:
        return 0
    status[0] = 0
    if data[3] == TYPE_IPV4:
        whole = 10
    elif data[3] == TYPE_IPV6:
        whole = 22
    elif data[3] == TYPE_NAME:
        whole = 7 + <size_t><uint8_t>data[4]
    else:
        return HOP_MALFORMED
    return <ssize_t>whole if size >= whole else 0
