# Bounded in bytes and time; whatever goes wrong meanwhile concerns nobody.

cimport cython
from libc.stdint cimport uint64_t

from limen.engine.http1.origin cimport Http1Origin
from limen.engine.stream cimport Party, Stream
from limen.engine.types cimport FRAMING_CHUNKED, FRAMING_LENGTH, FRAMING_NONE, Field, Head


cdef enum:
    SWALLOW_MOST = 65536      # bytes: more costs more than a new connection
    SWALLOW_TIME = 1000000000 # ns


cdef void swallow(Http1Origin origin, const Head* head) noexcept:
    cdef bint short = head.framing == FRAMING_NONE or head.framing == FRAMING_CHUNKED or (
        head.framing == FRAMING_LENGTH and head.length <= <uint64_t>SWALLOW_MOST
    )
    if not short or not origin.request_over:
        origin.abort()
        return
    try:
        origin.party = Swallow.__new__(Swallow)
    except MemoryError:
        origin.abort()
        return
    origin.stall_timeout = SWALLOW_TIME
    origin.worker.arm(origin, origin.worker.now + <uint64_t>SWALLOW_TIME)


@cython.final
@cython.no_gc
cdef class Swallow(Party):
    cdef void on_data(self, Stream source, const char* data, size_t size) noexcept:
        self.swallowed += size
        if self.swallowed > <uint64_t>SWALLOW_MOST:
            source.abort()

    cdef void on_end(self, Stream source, const char* base, const Field* trailers, unsigned int count) noexcept:
        source.release()
