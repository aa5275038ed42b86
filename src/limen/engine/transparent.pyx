# The target is where the client was going: names, in Host or a client hello, only matter to rules. Whoever dialled by
# name would let a client reach one host by the rules of another (CVE-2009-0801).

from libc.stdint cimport uint16_t, uint32_t
from libc.string cimport memcmp, memcpy, memset

from limen.engine.accepted cimport Accepted
from limen.engine.addresses cimport TargetHost, format_ip, parse_authority
from limen.engine.preface cimport from_sockaddr, local_address
from limen.engine.service cimport Service
from limen.engine.state cimport ExchangeState
from limen.engine.sys cimport (
    SO_ORIGINAL_DST,
    SOL_IP,
    SOL_IPV6,
    getsockopt,
    sockaddr,
    sockaddr_storage,
    socklen_t,
)
from limen.engine.types cimport (
    FAULT_HOST,
    FAULT_METHOD,
    FAULT_NONE,
    FAULT_SCHEME,
    FAULT_TARGET,
    FORM_AUTHORITY,
    METHOD_CONNECT,
    SCHEME_HTTP,
    Address,
    Head,
)
from limen.engine.upstream cimport Endpoint, target_endpoint
from limen.engine.ways cimport TRANSPARENT_TPROXY


cdef enum:
    NAME_MOST = 255           # bytes of a name


cdef bint find_original(Accepted client) noexcept:
    cdef Service service = client.service
    cdef sockaddr_storage storage
    cdef socklen_t length = sizeof(storage)
    cdef Address own
    local_address(client.fd, &own)
    client.original = own
    if service.transparent != TRANSPARENT_TPROXY:
        client.original.family = 0
        memset(&storage, 0, sizeof(storage))
        # IP6T_SO_ORIGINAL_DST has the same number
        if getsockopt(
            client.fd, SOL_IP if own.family == 4 else SOL_IPV6, SO_ORIGINAL_DST, &storage, &length
        ) < 0:
            return False
        from_sockaddr(<sockaddr*>&storage, &client.original)
        if client.original.port == own.port and memcmp(client.original.ip, own.ip, 16) == 0:
            # nobody has redirected it: it was meant for this listener
            client.original.family = 0
    if client.original.family != 4 and client.original.family != 6:
        client.original.family = 0
        return False
    return True


cdef int write_port(uint16_t port, char* out) noexcept nogil:
    cdef uint16_t power = 10000
    cdef int at = 0
    while power:
        if at or port >= power or power == 1:
            out[at] = <char>(48 + port // power % 10)
            at += 1
        power //= 10
    return at


cdef int write_original(const Address* address, char* out) noexcept nogil:
    cdef int at = 0
    if address.family == 6:
        out[0] = 91
        at = 1
    at += format_ip(address, out + at)
    if address.family == 6:
        out[at] = 93
        at += 1
    out[at] = 58
    return at + 1 + write_port(address.port, out + at + 1)


cdef int lay_original(Accepted client, const char* name, uint32_t size, char* out) noexcept:
    cdef uint32_t i
    if size == 0:
        return write_original(&client.original, out)
    if size > NAME_MOST:
        return -FAULT_TARGET
    for i in range(size):
        if not 33 <= <unsigned char>name[i] <= 126:
            return -FAULT_TARGET
    memcpy(out, name, size)
    out[size] = 58
    return <int>size + 1 + write_port(client.original.port, out + size + 1)


cdef int find_host(ExchangeState exchange) noexcept:
    cdef Head* head = &exchange.head
    cdef Address* original = &(<Accepted>exchange.client).original
    cdef char text[64]
    cdef int result
    if head.form == FORM_AUTHORITY or head.method == METHOD_CONNECT:
        # our own for TLS (ways.pyx); a client that asks for a tunnel takes us for a proxy, which it is not to know
        if exchange.way_in == 0:
            return FAULT_METHOD
        exchange.is_connect = True
        result = parse_authority(exchange.base + head.authority, head.authority_length, 0, &exchange.host)
        return FAULT_TARGET if result < 0 else FAULT_NONE
    if head.authority_length:
        if head.scheme != SCHEME_HTTP:
            return FAULT_SCHEME
        result = parse_authority(exchange.base + head.authority, head.authority_length, original.port, &exchange.host)
        if result < 0:
            return FAULT_TARGET
    elif head.host_length:
        if parse_authority(exchange.base + head.host, head.host_length, original.port, &exchange.host) < 0:
            return FAULT_HOST
    else:
        result = write_original(original, text)
        if parse_authority(text, <size_t>result, 0, &exchange.host) < 0:
            return FAULT_TARGET
    exchange.host.port = exchange.host.address.port = original.port
    return FAULT_NONE


cdef Endpoint original_endpoint(ExchangeState exchange):
    cdef TargetHost host
    cdef char text[64]
    cdef int size = write_original(&(<Accepted>exchange.client).original, text)
    if parse_authority(text, <size_t>size, 0, &host) < 0:
        return None
    return target_endpoint(exchange.worker, &host)
