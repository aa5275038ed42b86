# What a message looks like when it goes on: hop-by-hop fields off, Via and Forwarded on.

from limen.engine.state cimport ExchangeState
from limen.engine.types cimport Field, Head

# Fill worker.out_head with the request for exchange.endpoint; -1 when it has outgrown the scratch.
cdef int lay_request(ExchangeState exchange) noexcept
# Fill worker.out_head with the response; `head` and `fields` count from `base`.
cdef int lay_response(ExchangeState exchange, const Head* head, const Field* fields, const char* base) noexcept
# Who the client is, by the fields of trusted proxies (or the connection): exchange.peer.
cdef void find_client(ExchangeState exchange) noexcept
# Whether it came from one of the listener's trusted proxies.
cdef bint is_trusted(ExchangeState exchange) noexcept
# Whether this is the field of the listener's request id.
cdef bint is_id_field(ExchangeState exchange, const Field* field, const char* base) noexcept
