# One attempt on an origin, up to its connection: a pooled one, or a dial with what follows. Functions over the state;
# what becomes of their outcome is decided in exchange.pyx.

from limen.engine.http1.origin cimport Http1Origin
from limen.engine.state cimport ExchangeState
from limen.engine.types cimport Address
from limen.engine.upstream cimport Pooled
from limen.engine.worker cimport Resolution


# Enter the upstream's endpoint for this attempt; False when all are full.
cdef bint claim_endpoint(ExchangeState exchange) noexcept
# Enter the endpoint of the request's own target; -1 without memory.
cdef int enter_target(ExchangeState exchange) noexcept
# The exchange is not at work at its endpoint any more.
cdef void leave_endpoint(ExchangeState exchange) noexcept
# A connection from the pool that will do for this request, or None.
cdef Pooled take_pooled(ExchangeState exchange)

# Both: 0 a dial (or a question for its name) is under way; > 0 the attempt failed with this fault; < 0 the target may
# not be dialled, minus the fault.
cdef int dial_endpoint(ExchangeState exchange) noexcept
cdef int dial_resolved(ExchangeState exchange, Resolution answer) noexcept

# Whether the answer is to the question for the name of the present endpoint.
cdef bint is_asked(ExchangeState exchange, object resolution) noexcept

# The stream over a dialled connection; None without memory (the descriptor is closed then).
cdef Http1Origin open_origin(ExchangeState exchange, int fd, const Address* address)
# Begin the handshake, if TLS is spoken with this origin: whether it is.
cdef bint secure_origin(ExchangeState exchange, Http1Origin origin) noexcept
# Whether the certificate shown is still the one that the bridged client was promised.
cdef bint is_promised(ExchangeState exchange, Http1Origin origin) noexcept
# The stream belongs to this exchange from now on.
cdef void engage_origin(ExchangeState exchange, Http1Origin origin) noexcept
# Break off whatever is under way towards an origin.
cdef void drop_origin(ExchangeState exchange) noexcept
