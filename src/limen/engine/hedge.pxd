# A second attempt for a request whose first one is slow; whoever answers first is the origin.

from limen.engine.state cimport ExchangeState
from limen.engine.twin cimport Twin


cdef class Hedge(Twin):
    cdef bint running         # it has entered an endpoint
    cdef bint counted         # in upstream.hedges

    cdef bint claim_place(self) noexcept


# Take over the hedge's endpoint and origin instead of the exchange's own.
cdef void adopt_origin(ExchangeState exchange, Hedge hedge) noexcept
# Have a hedge begin in time, if the request is one that may be sent twice; None: it is not.
cdef Hedge plan_hedge(ExchangeState exchange)
