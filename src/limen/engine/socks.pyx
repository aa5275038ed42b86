# The codec. Every message has its lengths before their content, but for version 4, whose texts end with a NUL:
# there the bound is on what is looked at. Nothing is copied.

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memchr, memcpy, memset

from limen.engine.addresses cimport format_ip, parse_ip
from limen.engine.types cimport (
    FAULT_CLIENT_CERTIFICATE,
    FAULT_DENIED,
    FAULT_DATAGRAM,
    FAULT_DIAL_REFUSED,
    FAULT_DIAL_TIMEOUT,
    FAULT_DIAL_UNREACHABLE,
    FAULT_DNS,
    FAULT_DNS_TIMEOUT,
    FAULT_FRONTING,
    FAULT_IDENTITY,
    FAULT_LIMIT_CONCURRENT,
    FAULT_LIMIT_RATE,
    FAULT_LOOP,
    FAULT_MAINTENANCE,
    FAULT_QUOTA,
    FAULT_SOCKS,
    FAULT_SOCKS_ADDRESS,
    FAULT_SOCKS_COMMAND,
    FAULT_SOCKS_METHOD,
    FAULT_TARGET,
    FAULT_TARGET_ADDRESS,
    FAULT_TLS_REFUSED,
    Address,
)


cdef enum:
    TEXT_MOST = 255           # bytes of a name and of a user name; version 5 cannot say more
    # RFC 1928, 6
    CODE_GENERAL = 1
    CODE_RULESET = 2
    CODE_NETWORK = 3
    CODE_HOST = 4
    CODE_REFUSED = 5
    CODE_EXPIRED = 6
    CODE_COMMAND = 7
    CODE_KIND = 8
    # SOCKS 4
    CODE4_GRANTED = 90
    CODE4_REJECTED = 91
    CODE4_USER = 93           # who the client says it is does not do


cdef inline uint16_t port_at(const uint8_t* raw) noexcept nogil:
    return <uint16_t>(raw[0] << 8 | raw[1])


cdef int parse_greeting(const char* data, size_t size, uint32_t* methods) noexcept nogil:
    cdef const uint8_t* raw = <const uint8_t*>data
    cdef size_t i
    methods[0] = 0
    if size and raw[0] != 5:
        return -FAULT_SOCKS
    if size < 2:
        return 0
    # none offered is answered like none acceptable
    if size < 2 + <size_t>raw[1]:
        return 0
    for i in range(2, 2 + <size_t>raw[1]):
        if raw[i] < 32:
            methods[0] |= <uint32_t>1 << raw[i]
    return 2 + raw[1]


cdef int parse_pair(
    const char* data, size_t size, uint32_t* user, uint32_t* user_length, uint32_t* password, uint32_t* password_length
) noexcept nogil:
    cdef const uint8_t* raw = <const uint8_t*>data
    cdef size_t at
    # RFC 1929, 2: version 1; both texts have at least one byte
    if size and raw[0] != 1:
        return -FAULT_SOCKS
    if size < 2:
        return 0
    if raw[1] == 0:
        return -FAULT_SOCKS
    at = 2 + <size_t>raw[1]
    if size <= at:
        return 0
    if raw[at] == 0:
        return -FAULT_SOCKS
    if size < at + 1 + raw[at]:
        return 0
    user[0] = 2
    user_length[0] = raw[1]
    password[0] = <uint32_t>at + 1
    password_length[0] = raw[at]
    return <int>(at + 1 + raw[at])


cdef int parse_socks(const char* data, size_t size, SocksRequest* request) noexcept nogil:
    cdef const uint8_t* raw = <const uint8_t*>data
    memset(request, 0, sizeof(SocksRequest))
    if size == 0:
        return 0
    request.version = raw[0]
    if raw[0] == 4:
        return parse_four(data, size, request)
    if raw[0] != 5 or (size > 2 and raw[2] != 0):
        return -FAULT_SOCKS
    if size < 4:
        return 0
    request.command = raw[1]
    return parse_address(data, size, request)


cdef int parse_address(const char* data, size_t size, SocksRequest* request) noexcept nogil:
    """Kind, address and port, from the fourth byte on."""
    cdef const uint8_t* raw = <const uint8_t*>data
    cdef size_t end
    request.kind = raw[3]
    if raw[3] == SOCKS_NAME:
        if size < 5:
            return 0
        if raw[4] == 0:
            return -FAULT_TARGET
        request.host = 5
        request.host_length = raw[4]
    elif raw[3] == SOCKS_IPV4 or raw[3] == SOCKS_IPV6:
        request.host = 4
        request.host_length = 4 if raw[3] == SOCKS_IPV4 else 16
    else:
        return -FAULT_SOCKS_ADDRESS
    end = request.host + request.host_length
    if size < end + 2:
        return 0
    request.port = port_at(raw + end)
    return <int>(end + 2)


cdef int parse_four(const char* data, size_t size, SocksRequest* request) noexcept nogil:
    cdef const uint8_t* raw = <const uint8_t*>data
    cdef size_t at
    if size < 9:
        return 0
    request.command = raw[1]
    request.port = port_at(raw + 2)
    request.kind = SOCKS_IPV4
    request.host = 4
    request.host_length = 4
    request.user = 8
    at = 8
    if not text_ends(data, size, &at, &request.user_length):
        return -FAULT_SOCKS if at else 0
    # 4a: the address 0.0.0.x, x not 0, says that a name follows
    if raw[4] == 0 and raw[5] == 0 and raw[6] == 0 and raw[7] != 0:
        request.kind = SOCKS_NAME
        request.host = <uint32_t>at
        if not text_ends(data, size, &at, &request.host_length):
            return -FAULT_SOCKS if at else 0
        if request.host_length == 0:
            return -FAULT_TARGET
    return <int>at


cdef bint text_ends(const char* data, size_t size, size_t* at, uint32_t* length) noexcept nogil:
    """A text up to its NUL: *at moves behind it. If there is none, *at is 0 if it may come, not 0 if it is too long."""
    cdef size_t rest = size - at[0]
    cdef const char* end = <const char*>memchr(data + at[0], 0, rest if rest <= TEXT_MOST else TEXT_MOST + 1)
    if end == NULL:
        if rest <= TEXT_MOST:
            at[0] = 0
        return False
    length[0] = <uint32_t>(end - (data + at[0]))
    at[0] += length[0] + 1
    return True


cdef int parse_datagram(const char* data, size_t size, SocksRequest* request) noexcept nogil:
    cdef const uint8_t* raw = <const uint8_t*>data
    cdef int taken
    memset(request, 0, sizeof(SocksRequest))
    request.version = 5
    request.command = SOCKS_UDP
    # the third byte numbers fragments: 0 stands alone
    if size < 4 or raw[0] != 0 or raw[1] != 0 or raw[2] != 0:
        return -FAULT_DATAGRAM
    taken = parse_address(data, size, request)
    return taken if taken > 0 else -FAULT_DATAGRAM


cdef int write_socks_target(const char* data, const SocksRequest* request, char* out) noexcept nogil:
    cdef Address address
    cdef const char* host = data + request.host
    cdef uint32_t length = request.host_length
    cdef uint32_t i
    cdef uint16_t power = 10000
    cdef int at = 0
    cdef bint begun = False
    memset(&address, 0, sizeof(address))
    if request.kind == SOCKS_NAME:
        for i in range(length):
            # whatever else is no host is refused where hosts are parsed; these would spoil the text around it
            if not 33 <= <uint8_t>host[i] <= 126:
                return -FAULT_TARGET
        # an IPv6 address that came as a name
        if parse_ip(host, length, &address) != 0 or address.family != 6 or memchr(host, 58, length) == NULL:
            memcpy(out, host, length)
            at = <int>length
        else:
            out[0] = 91
            memcpy(out + 1, host, length)
            out[length + 1] = 93
            at = <int>length + 2
    elif request.kind == SOCKS_IPV4:
        address.family = 4
        address.ip[10] = address.ip[11] = 255
        memcpy(&address.ip[12], host, 4)
        at = format_ip(&address, out)
    else:
        address.family = 6
        memcpy(&address.ip[0], host, 16)
        out[0] = 91
        at = 1 + format_ip(&address, out + 1)
        out[at] = 93
        at += 1
    out[at] = 58
    at += 1
    while power:
        if begun or request.port >= power or power == 1:
            begun = True
            out[at] = <char>(48 + request.port // power % 10)
            at += 1
        power //= 10
    return at


cdef int write_address(const Address* address, char* out) noexcept nogil:
    """Kind, address, port."""
    cdef int size = 7
    if address.family == 6:
        out[0] = SOCKS_IPV6
        memcpy(out + 1, &address.ip[0], 16)
        size = 19
    else:
        out[0] = SOCKS_IPV4
        memcpy(out + 1, &address.ip[12], 4)
    out[size - 2] = <char>(address.port >> 8)
    out[size - 1] = <char>(address.port & 255)
    return size


cdef int write_socks_reply(int version, int code, const Address* bound, char* out) noexcept nogil:
    if version == 4:
        out[0] = 0
        out[1] = <char>code
        out[2] = <char>(bound.port >> 8)
        out[3] = <char>(bound.port & 255)
        memcpy(out + 4, &bound.ip[12], 4)
        return 8
    out[0] = 5
    out[1] = <char>code
    out[2] = 0
    return 3 + write_address(bound, out + 3)


cdef int write_datagram_head(const Address* source, char* out) noexcept nogil:
    out[0] = out[1] = out[2] = 0
    return 3 + write_address(source, out + 3)


cdef int socks_code(int version, int fault) noexcept nogil:
    if version == 4:
        if fault == 0:
            return CODE4_GRANTED
        return CODE4_USER if fault == FAULT_IDENTITY or fault == FAULT_SOCKS_METHOD else CODE4_REJECTED
    if fault == 0:
        return 0
    if fault in (
        FAULT_DENIED, FAULT_TARGET_ADDRESS, FAULT_LOOP, FAULT_IDENTITY, FAULT_CLIENT_CERTIFICATE, FAULT_TLS_REFUSED,
        FAULT_FRONTING, FAULT_LIMIT_RATE, FAULT_LIMIT_CONCURRENT, FAULT_MAINTENANCE,
        FAULT_QUOTA,
    ):
        return CODE_RULESET
    if fault == FAULT_DIAL_UNREACHABLE:
        return CODE_NETWORK
    if fault == FAULT_DNS or fault == FAULT_DNS_TIMEOUT:
        return CODE_HOST
    if fault == FAULT_DIAL_REFUSED:
        return CODE_REFUSED
    if fault == FAULT_DIAL_TIMEOUT:
        return CODE_EXPIRED
    if fault == FAULT_SOCKS_COMMAND:
        return CODE_COMMAND
    if fault == FAULT_SOCKS_ADDRESS:
        return CODE_KIND
    return CODE_GENERAL
