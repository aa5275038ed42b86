# The PROXY protocol (HAProxy's specification, versions 1 and 2), in and out.

from limen.engine.connection cimport Connection
from limen.engine.sys cimport sockaddr
from limen.engine.types cimport Address


cdef enum:
    PREFACE_MOST = 536        # bytes of a header we read: v1 has at most 107, v2 here 16 + 520

# Parse a header at the start of a connection. Returns its size and fills *source (family 0 for
# LOCAL and UNKNOWN: keep the connection's own); 0 if it is not whole; -1 if it is none.
cdef int parse_preface(const char* data, size_t size, Address* source) noexcept nogil

# Put the header for `source` on a connection to an endpoint; `client` is the connection it came in by. Version 2
# also tells whom the client's TLS asked for: `name`, or what the client's own session knows of name and protocol.
cdef void send_preface(
    Connection connection, const Address* source, Connection client, int version, const char* name, size_t size
) noexcept
# A socket's own address; family 1 if it is not IP.
cdef void from_sockaddr(const sockaddr* storage, Address* address) noexcept nogil
cdef void local_address(int fd, Address* address) noexcept
