# What an attempt's end says of its endpoint.

from libc.stdint cimport uint64_t

from limen.engine.upstream cimport Endpoint, Upstream


# A response head came, `time` ns after the request was sent; `dialled` ns were spent on connections before.
cdef void judge_response(
    Upstream upstream, Endpoint endpoint, int status, uint64_t now, uint64_t dialled, uint64_t time
) noexcept
# The attempt ended without one.
cdef void judge_fault(Upstream upstream, Endpoint endpoint, int fault) noexcept
# All that can be said of a stream's endpoint: it was reached.
cdef void judge_reached(Upstream upstream, Endpoint endpoint) noexcept
