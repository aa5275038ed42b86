# For tests: the codec of hops, called as it stands.

from limen.engine.hops cimport (
    HOP_ANSWER,
    read_connected,
    read_login,
    read_method,
    read_opened,
    write_asked,
    write_connect,
    write_hello,
    write_login,
)
from limen.engine.addresses cimport parse_ip
from limen.engine.types cimport Address, Field, Head, HeadLimits


cdef Address literal_of(bytes host) noexcept:
    cdef Address found
    found.family = 0
    if parse_ip(host, len(host), &found) != 0:
        found.family = 0
    return found


def connect(bytes host, int port, bytes authorization=b"", size_t room=1024):
    cdef char out[4096]
    cdef Address literal = literal_of(host)
    cdef ssize_t size = write_connect(out, min(room, sizeof(out)), host, len(host), &literal, port, authorization)
    return None if size < 0 else out[:size]


def hello(bint credentials):
    cdef char out[16]
    cdef ssize_t size = write_hello(out, sizeof(out), credentials)
    return out[:size]


def login(bytes user, bytes password):
    cdef char out[1024]
    cdef ssize_t size = write_login(out, sizeof(out), user, password)
    return None if size < 0 else out[:size]


def asked(bytes host, int port):
    cdef char out[1024]
    cdef Address literal = literal_of(host)
    cdef ssize_t size = write_asked(out, sizeof(out), host, len(host), &literal, port)
    return None if size < 0 else out[:size]


def connected(bytes data):
    cdef HeadLimits limits
    cdef Head head
    cdef Field fields[256]
    cdef int status = 0
    cdef ssize_t size
    limits.line, limits.fields, limits.count, limits.trailers, limits.allow_underscore = 8192, HOP_ANSWER, 100, 16, True
    size = read_connected(data, len(data), &limits, &head, fields, &status)
    return size, status


def method(bytes data, bint credentials):
    cdef bint wanted = False
    cdef ssize_t size = read_method(data, len(data), credentials, &wanted)
    return size, wanted


def logged_in(bytes data):
    return read_login(data, len(data))


def opened(bytes data):
    cdef int status = 0
    cdef ssize_t size = read_opened(data, len(data), &status)
    return size, status
