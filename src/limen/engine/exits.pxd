# An exchange and its way out: which egress, which way of it, where its connections rest, what a failure says of the
# way. Functions over the state; passing the way is passage.pyx's.

from limen.engine.http1.origin cimport Http1Origin
from limen.engine.state cimport ExchangeState
from limen.engine.stream cimport OutHead
from limen.engine.upstream cimport Endpoint


# Decide once which egress an exchange to a request's target takes: a fault, or FAULT_NONE (`egress` and `upstream` are
# set, or it goes directly).
cdef int settle_egress(ExchangeState exchange) noexcept
# Enter a way of the egress for this attempt; None when all are full.
cdef Endpoint claim_way(ExchangeState exchange)
# Whom to dial, or whose name to ask for, next.
cdef Endpoint peer_of(ExchangeState exchange)
# Whether what is dialled is the request's own target.
cdef bint dials_target(ExchangeState exchange) noexcept
# A dialled connection to the first parent: whether something is under way that ends with on_secured() or on_fault().
cdef bint begin_way(ExchangeState exchange, Http1Origin origin) noexcept
# Whether a failure of the present attempt is the way's, not the target's.
cdef bint is_ways_fault(ExchangeState exchange, int fault) noexcept
# What the client is told of it.
cdef int told_fault(ExchangeState exchange, int fault) noexcept
# The ways have failed: whether the exchange may go directly. It is made ready for that.
cdef bint falls_back(ExchangeState exchange) noexcept
# The request-target for a parent, in absolute-form; `authority` is what Host says.
cdef void lay_absolute(OutHead* out, const char* authority, size_t size, bint asterisk) noexcept
# What precedes the place of a connection that goes by this exchange's way; None: it goes directly.
cdef bytes pool_prefix(ExchangeState exchange)
