# The rest of an answer that nobody wants any more, read off so that its connection can be used again.

from libc.stdint cimport uint64_t

from limen.engine.http1.origin cimport Http1Origin
from limen.engine.stream cimport Party
from limen.engine.types cimport Head


cdef class Swallow(Party):
    cdef uint64_t swallowed

# The connection's answer, of which `head` was seen, is not wanted: read it off if it is short, else close.
cdef void swallow(Http1Origin origin, const Head* head) noexcept
