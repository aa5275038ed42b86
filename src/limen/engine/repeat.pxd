# Another attempt: may it be made, and with what.

from libc.stdint cimport uint64_t

from limen.engine.state cimport ExchangeState


cdef enum:
    PARKED_CONTENT = 65536    # bytes of content held while there is nowhere to send them yet


# Whether the method allows to send the request twice.
cdef bint is_repeatable(ExchangeState exchange) noexcept
# Whether content that passes is kept for another attempt.
cdef bint is_keeping(ExchangeState exchange) noexcept
# Decide on another attempt after `fault`; if not, `retry_blocked` says why.
cdef bint may_repeat(ExchangeState exchange, int fault, bint reused) noexcept
# Keep a copy of content that goes out; over the bound there is no other attempt any more.
cdef void keep_more(ExchangeState exchange, const char* data, size_t size) noexcept
# Hold content as long as there is nobody to send it to; the fault if it cannot be.
cdef int hold_content(ExchangeState exchange, const char* data, size_t size) noexcept
