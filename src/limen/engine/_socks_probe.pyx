# For tests only, left out of wheels: the SOCKS codec, from Python. Every call parses a copy of exactly the given bytes,
# so that a sanitizer sees one byte too many.

from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from limen.engine.addresses cimport parse_ip
from limen.engine.socks cimport (
    SOCKS_REPLY_MOST,
    SOCKS_TARGET_MOST,
    SocksRequest,
    parse_datagram,
    parse_greeting,
    parse_pair,
    parse_socks,
    socks_code,
    write_datagram_head,
    write_socks_reply,
    write_socks_target,
)
from limen.engine.types cimport Address


cdef char* exact(bytes data) except NULL:
    cdef char* copy = <char*>malloc(<size_t>len(data) if len(data) else 1)
    if copy == NULL:
        raise MemoryError
    memcpy(copy, <const char*>data, <size_t>len(data))
    return copy


def greeting(bytes data):
    """(bytes taken, 0 or -fault; set of the methods offered)."""
    cdef uint32_t methods = 0
    cdef char* copy = exact(data)
    cdef int taken = parse_greeting(copy, <size_t>len(data), &methods)
    free(copy)
    return taken, {number for number in range(32) if methods >> number & 1}


def pair(bytes data):
    """(taken, user, password)."""
    cdef uint32_t at = 0
    cdef uint32_t length = 0
    cdef uint32_t password = 0
    cdef uint32_t password_length = 0
    cdef char* copy = exact(data)
    cdef int taken = parse_pair(copy, <size_t>len(data), &at, &length, &password, &password_length)
    free(copy)
    if taken <= 0:
        return taken, None, None
    return taken, data[at:at + length], data[password:password + password_length]


cdef object shown(int taken, char* copy, bytes data, SocksRequest* request):
    cdef char* out
    cdef int size
    if taken <= 0:
        free(copy)
        return taken, None
    out = <char*>malloc(SOCKS_TARGET_MOST)
    if out == NULL:
        raise MemoryError
    size = write_socks_target(copy, request, out)
    target = size if size < 0 else out[:size]
    free(out)
    free(copy)
    return taken, {
        "version": request.version, "command": request.command, "kind": request.kind, "port": request.port,
        "host": data[request.host:request.host + request.host_length],
        "user": data[request.user:request.user + request.user_length], "target": target,
    }


def request(bytes data):
    """(taken, what it says with its `target` as text, or -fault there)."""
    cdef SocksRequest found
    cdef char* copy = exact(data)
    return shown(parse_socks(copy, <size_t>len(data), &found), copy, data, &found)


def datagram(bytes data):
    cdef SocksRequest found
    cdef char* copy = exact(data)
    return shown(parse_datagram(copy, <size_t>len(data), &found), copy, data, &found)


cdef Address address_of(str ip, int port) except *:
    cdef Address address
    cdef bytes text = ip.encode()
    memset(&address, 0, sizeof(address))
    if text and parse_ip(text, <size_t>len(text), &address) != 0:
        raise ValueError(ip)
    address.port = <unsigned short>port
    return address


def reply(int version, int code, str ip="", int port=0):
    cdef Address address = address_of(ip, port)
    cdef char out[SOCKS_REPLY_MOST]
    cdef int size = write_socks_reply(version, code, &address, out)
    return out[:size]


def datagram_head(str ip, int port):
    cdef Address address = address_of(ip, port)
    cdef char out[SOCKS_REPLY_MOST]
    cdef int size = write_datagram_head(&address, out)
    return out[:size]


def code(int version, int fault):
    return socks_code(version, fault)
