# The client's side of asking a proxy for a tunnel: CONNECT (RFC 9110, 9.3.6), SOCKS5 (RFC 1928) with user name and
# password (RFC 1929). Bytes in, bytes out; no descriptor, no allocation.

from libc.stdint cimport uint16_t

from limen.engine.types cimport Address, Field, Head, HeadLimits


cdef enum:
    HOP_ASKING = 1024         # room that any of the questions fits into, but CONNECT's credentials
    HOP_ANSWER = 16384        # bytes of an answer that are looked at, interim responses included


cdef enum HopAnswer:
    # What an answer means; negative, so that a size is told from it.
    HOP_MALFORMED = -1        # it is none
    HOP_IDENTITY = -2         # our credentials are not taken, or some are wanted
    HOP_REFUSED = -3          # the tunnel is not opened
    HOP_TOO_LONG = -4


# Questions: their size, or -1 if there is no room. A host is a name or a literal; `literal` has family 0 for a name.
cdef ssize_t write_connect(
    char* out, size_t room, const char* host, size_t size, const Address* literal, uint16_t port, bytes authorization
) noexcept
cdef ssize_t write_hello(char* out, size_t room, bint credentials) noexcept nogil
cdef ssize_t write_login(char* out, size_t room, bytes user, bytes password) noexcept
cdef ssize_t write_asked(
    char* out, size_t room, const char* host, size_t size, const Address* literal, uint16_t port
) noexcept nogil

# Answers: bytes of the whole one (> 0), 0 if it is not whole yet, or a HopAnswer. What follows it is the tunnel's.
# `status` gets that of the response which decides (CONNECT), or the reply's code.
cdef ssize_t read_connected(
    const char* data, size_t size, const HeadLimits* limits, Head* head, Field* fields, int* status
) noexcept nogil
# `login`: the server wants the credentials that were offered.
cdef ssize_t read_method(const char* data, size_t size, bint credentials, bint* login) noexcept nogil
cdef ssize_t read_login(const char* data, size_t size) noexcept nogil
cdef ssize_t read_opened(const char* data, size_t size, int* status) noexcept nogil
