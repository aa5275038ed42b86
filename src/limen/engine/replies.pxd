# Responses made here: error answers, `respond`, redirects.

from limen.engine.state cimport ExchangeState
from limen.engine.types cimport Fault, Field, Head

cdef int fault_status(int fault) noexcept nogil
cdef void reason_of(int status, const char** data, size_t* size) noexcept nogil

# Answer with the page that stands for an origin's response; False, and nothing sent, if there is none.
cdef bint send_page(ExchangeState exchange, const Head* head, const Field* fields, const char* base) noexcept
# Send a whole response for a fault. `status` 0 takes the fault's own.
cdef void send_fault(ExchangeState exchange, int fault, int status) noexcept
# Send a whole response with this content and the fields laid into worker.out before (`count` of them).
cdef void send_reply(
    ExchangeState exchange, int status, const char* body, size_t size, unsigned int count, bint close
) noexcept
cdef void add_field(
    ExchangeState exchange, unsigned int* count, const char* name, size_t name_size, const char* value, size_t size
) noexcept
# The answer to Max-Forwards: 0 (RFC 9110, 7.6.2). A fault instead, when nothing was sent.
cdef int send_last_hop(ExchangeState exchange) noexcept
# The proxy's own PAC file, likewise.
cdef int send_pac(ExchangeState exchange) noexcept
# What the route answers itself: `respond` or `redirect`. A fault instead, when nothing was sent.
cdef int send_action(ExchangeState exchange) noexcept
# Tell the client of a CONNECT that its tunnel is there.
cdef void send_established(ExchangeState exchange) noexcept
# Strict-Transport-Security, where the route's answers have it.
cdef void add_strict_transport(ExchangeState exchange, unsigned int* count) noexcept
