# Fields that tell one client from another, on their way out and back.

from libc.stdint cimport uint32_t

from limen.engine.scrub cimport Scrub
from limen.engine.state cimport ExchangeState
from limen.engine.stream cimport OutField
from limen.engine.types cimport Field


# Whether another site's page makes the request, as far as it says so.
cdef bint is_third_party(ExchangeState exchange) noexcept
# A field of the request: False if it is left out. `length` (of the value) and `value` may be changed.
cdef bint scrub_request(
    ExchangeState exchange, Scrub scrub, const Field* field, bint third, const char** value, uint32_t* length
) noexcept
# Whether a field of the response is left out.
cdef bint is_scrubbed(ExchangeState exchange, Scrub scrub, const Field* field, const char* base, bint third) noexcept
# What is said in the client's place; how many fields of at most SCRUB_ADDS.
cdef unsigned int add_scrubbed(Scrub scrub, OutField* out) noexcept


cdef enum:
    SCRUB_ADDS = 2
