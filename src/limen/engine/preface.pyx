# PROXY protocol headers. Version 2's TLVs are skipped; lengths beyond PREFACE_MOST are refused.

from libc.stdint cimport uint8_t, uint16_t
from libc.stdio cimport snprintf
from libc.string cimport memchr, memcmp, memcpy, memset

from limen.engine.addresses cimport format_ip, parse_ip
from limen.engine.connection cimport Connection
from limen.engine.sys cimport (
    AF_INET,
    AF_INET6,
    getsockname,
    ntohs,
    sockaddr,
    sockaddr_in,
    sockaddr_in6,
    sockaddr_storage,
    socklen_t,
)
from limen.engine.types cimport Address
from limen.engine.worker cimport Worker


cdef enum:
    TYPE_ALPN = 1
    TYPE_AUTHORITY = 2


cdef const char* SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


cdef int parse_preface(const char* data, size_t size, Address* source) noexcept nogil:
    memset(source, 0, sizeof(Address))
    if size == 0:
        return 0
    if data[0] == 13:
        return parse_binary(data, size, source)
    return parse_text(data, size, source)


cdef int parse_binary(const char* data, size_t size, Address* source) noexcept nogil:
    cdef const uint8_t* raw = <const uint8_t*>data
    cdef size_t length
    if memcmp(data, SIGNATURE, size if size < 12 else 12) != 0:
        return -1
    if size < 16:
        return 0
    length = <size_t>(raw[14] << 8 | raw[15])
    # version 2; command LOCAL (0) or PROXY (1)
    if raw[12] >> 4 != 2 or (raw[12] & 15) > 1 or 16 + length > PREFACE_MOST:
        return -1
    if size < 16 + length:
        return 0
    if raw[12] & 15:
        if raw[13] == 0x11 or raw[13] == 0x12:
            if length < 12:
                return -1
            source.family = 4
            source.ip[10] = source.ip[11] = 255
            memcpy(&source.ip[12], data + 16, 4)
            source.port = <uint16_t>(raw[24] << 8 | raw[25])
        elif raw[13] == 0x21 or raw[13] == 0x22:
            if length < 36:
                return -1
            source.family = 6
            memcpy(&source.ip[0], data + 16, 16)
            if memcmp(&source.ip[0], b"\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0:
                source.family = 4
            source.port = <uint16_t>(raw[48] << 8 | raw[49])
        elif raw[13] != 0 and raw[13] != 0x31 and raw[13] != 0x32:
            return -1
    return <int>(16 + length)


cdef int parse_text(const char* data, size_t size, Address* source) noexcept nogil:
    cdef const char* end = <const char*>memchr(data, 10, size if size < 107 else 107)
    cdef const char* words[6]
    cdef size_t lengths[6]
    cdef size_t length
    cdef size_t at = 6
    cdef size_t start
    cdef int count = 0
    cdef Address other
    if memcmp(data, b"PROXY ", size if size < 6 else 6) != 0:
        return -1
    if end == NULL:
        return 0 if size < 107 else -1
    length = <size_t>(end - data) + 1
    if length < 15 or data[length - 2] != 13:
        return -1
    while at < length - 2:
        start = at
        while at < length - 2 and data[at] != 32:
            at += 1
        if at == start or count == 6:
            return -1
        words[count] = data + start
        lengths[count] = at - start
        count += 1
        if at < length - 2:
            at += 1
            if at == length - 2:
                return -1
    if count >= 1 and lengths[0] == 7 and memcmp(words[0], b"UNKNOWN", 7) == 0:
        return <int>length
    if count != 5 or lengths[0] != 4 or memcmp(words[0], b"TCP", 3) != 0:
        return -1
    if parse_ip(words[1], lengths[1], source) != 0 or parse_ip(words[2], lengths[2], &other) != 0:
        return -1
    # senders that listen on [::] write a client of IPv4 as TCP6 ::ffff:a.b.c.d
    if words[0][3] == 52:
        if memchr(words[1], 58, lengths[1]) != NULL or memchr(words[2], 58, lengths[2]) != NULL:
            return -1
    elif words[0][3] != 54 or memchr(words[1], 58, lengths[1]) == NULL or memchr(words[2], 58, lengths[2]) == NULL:
        return -1
    if parse_port(words[3], lengths[3], &source.port) < 0 or parse_port(words[4], lengths[4], &other.port) < 0:
        return -1
    return <int>length


cdef int parse_port(const char* data, size_t size, uint16_t* port) noexcept nogil:
    cdef unsigned int value = 0
    cdef size_t i
    if size == 0 or size > 5 or (data[0] == 48 and size > 1):
        return -1
    for i in range(size):
        if not 48 <= data[i] <= 57:
            return -1
        value = value * 10 + <unsigned int>(data[i] - 48)
    if value > 65535:
        return -1
    port[0] = <uint16_t>value
    return 0


cdef void local_address(int fd, Address* address) noexcept:
    cdef sockaddr_storage storage
    cdef socklen_t length = sizeof(storage)
    memset(address, 0, sizeof(Address))
    address.family = 1
    if getsockname(fd, <sockaddr*>&storage, &length) < 0:
        return
    from_sockaddr(<sockaddr*>&storage, address)


cdef void from_sockaddr(const sockaddr* storage, Address* address) noexcept nogil:
    memset(address, 0, sizeof(Address))
    if storage.sa_family == AF_INET:
        address.family = 4
        address.ip[10] = address.ip[11] = 255
        memcpy(&address.ip[12], &(<const sockaddr_in*>storage).sin_addr, 4)
        address.port = ntohs((<const sockaddr_in*>storage).sin_port)
    elif storage.sa_family == AF_INET6:
        address.family = 6
        memcpy(&address.ip[0], &(<const sockaddr_in6*>storage).sin6_addr, 16)
        address.port = ntohs((<const sockaddr_in6*>storage).sin6_port)
        if memcmp(&address.ip[0], b"\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0:
            address.family = 4
    else:
        address.family = 1


cdef int put_extra(char* out, int kind, const char* text, size_t size) noexcept nogil:
    """A TLV (2.2); nothing for an empty text. Its size."""
    if size == 0 or size > 255:
        return 0
    out[0] = <char>kind
    out[1] = 0
    out[2] = <char>size
    memcpy(out + 3, text, size)
    return <int>size + 3


cdef void send_preface(
    Connection connection, const Address* source, Connection client, int version, const char* name, size_t size
) noexcept:
    cdef Worker worker = <Worker>connection.reactor
    cdef Address local
    cdef char* out = worker.claim(1024)
    cdef const char* protocol = NULL
    cdef size_t protocol_size = 0
    cdef char text[2][64]
    cdef int n
    cdef bint ip
    local_address(client.fd, &local)
    ip = source.family != 1 and source.family == local.family
    if version == 1:
        if not ip:
            connection.put(b"PROXY UNKNOWN\r\n", 15)
            return
        text[0][format_ip(source, text[0])] = 0
        text[1][format_ip(&local, text[1])] = 0
        n = snprintf(
            out, 256, "PROXY TCP%d %s %s %d %d\r\n", <int>source.family, text[0], text[1], <int>source.port,
            <int>local.port,
        )
        connection.put(out, <size_t>n)
        return
    if client.tls is not None:
        name = client.tls.server_name(&size)
        protocol = client.tls.protocol(&protocol_size)
    memcpy(out, SIGNATURE, 12)
    out[12] = <char>0x21
    if not ip:
        out[13] = 0
        out[14] = out[15] = 0
        connection.put(out, 16)
        return
    if source.family == 4:
        out[13] = 0x11
        memcpy(out + 16, &source.ip[12], 4)
        memcpy(out + 20, &local.ip[12], 4)
        n = 24
    else:
        out[13] = 0x21
        memcpy(out + 16, &source.ip[0], 16)
        memcpy(out + 32, &local.ip[0], 16)
        n = 48
    out[n] = <char>(source.port >> 8)
    out[n + 1] = <char>(source.port & 255)
    out[n + 2] = <char>(local.port >> 8)
    out[n + 3] = <char>(local.port & 255)
    n += 4
    n += put_extra(out + n, TYPE_ALPN, protocol, protocol_size)
    n += put_extra(out + n, TYPE_AUTHORITY, name, size)
    out[14] = <char>((n - 16) >> 8)
    out[15] = <char>((n - 16) & 255)
    connection.put(out, <size_t>n)
