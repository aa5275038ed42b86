# Copies of requests for another upstream, whose answers nobody waits for.

from libc.stdint cimport uint64_t

from limen.engine.resilience cimport Resilience
from limen.engine.state cimport ExchangeState
from limen.engine.twin cimport Twin


cdef class Mirror(Twin):
    cdef Resilience terms
    cdef uint64_t swallowed   # bytes of the answer's content


# Decide by share whether the request will be copied; its content is kept for that then.
cdef void draw_mirror(ExchangeState exchange) noexcept
# The request is whole: send its copy off, or count why not. Never touches the exchange itself.
cdef void mirror_request(ExchangeState exchange) noexcept
