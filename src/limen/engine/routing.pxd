# Target, route, access rules and request id of an exchange.

from limen.engine.state cimport ExchangeState
from limen.engine.tls.session cimport Session
from limen.engine.types cimport Address

# The request id: a trusted sender's own, or a new one.
cdef void lay_id(ExchangeState exchange) noexcept
# Where the exchange goes, from the request or from the route: the one place that asks.
cdef int find_target(ExchangeState exchange) noexcept
# 421 when the TLS connection does not stand for the host.
cdef int check_authority(ExchangeState exchange, Session tls) noexcept
# Max-Forwards: 0 with TRACE or OPTIONS ends here (RFC 9110, 7.6.2).
# Whether it asks this proxy itself for its PAC file.
cdef bint is_for_pac(ExchangeState exchange) noexcept
cdef bint is_last_hop(ExchangeState exchange) noexcept
# exchange.path, and in a gateway action and upstream.
cdef int find_route(ExchangeState exchange) noexcept
# Whether the client has shown the certificate that the route wants.
cdef bint has_certificate(ExchangeState exchange) noexcept
cdef bint upgrade_allowed(ExchangeState exchange) noexcept
# The access rules; `target` is NULL until the address is known.
cdef int check_access(ExchangeState exchange, const Address* target) noexcept
# What may be dialled: the rules on the very address, own listeners never, special ones if opened.
cdef int check_target_address(ExchangeState exchange, const Address* target) noexcept
# After a hook has changed the request: target and path again. The route stays.
cdef int revise(ExchangeState exchange) noexcept
