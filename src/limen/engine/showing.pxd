# Which page a client is shown, and that page with its places filled in.

from limen.engine.state cimport ExchangeState


cdef struct Shown:
    const char* body          # borrowed from the template, until the next page of it is laid out
    size_t size
    const char* content_type
    size_t type_size


# Whether there is a page for the status; then *shown is it. Of an origin's answer: only pages that replace it.
cdef bint lay_page(ExchangeState exchange, int status, const char* reason, bint of_origin, Shown* shown) noexcept
