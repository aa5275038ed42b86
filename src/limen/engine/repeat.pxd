# Another attempt: may it be made, when, and with what.

from libc.stdint cimport uint64_t

from limen.engine.state cimport ExchangeState
from limen.engine.types cimport Field, Head
from limen.engine.upstream cimport Endpoint


cdef enum:
    PARKED_CONTENT = 65536    # bytes of content held while there is nowhere to send them yet


cdef enum Repeat:
    REPEAT_NOT = 0
    REPEAT_NOW = 1
    REPEAT_LATER = 2          # when the budget allows it


# Whether the method has no effect that the client asks for.
cdef bint is_safe(ExchangeState exchange) noexcept
# Whether the method allows to send the request twice.
cdef bint is_repeatable(ExchangeState exchange) noexcept
# Why an attempt failed (resilience.Cause), by its fault and whether the request was sent.
cdef int cause_of(ExchangeState exchange, int fault) noexcept
# Decide on another attempt (Repeat); if there is none, `retry_blocked` says why.
cdef int may_repeat(ExchangeState exchange, int cause, bint reused) noexcept
# Whether another attempt is made, now, in spite of this answer.
cdef bint may_ask_another(ExchangeState exchange, const Head* head, const Field* fields, const char* base) noexcept
# After a pause, as may_repeat(): the budget is asked again, where it was the reason.
cdef int ask_again(ExchangeState exchange) noexcept

# Be one more retry among the live exchanges of the upstream; False when there are too many.
cdef bint claim_budget(ExchangeState exchange) noexcept
cdef void return_budget(ExchangeState exchange) noexcept
# Nanoseconds until the next attempt, or look at the budget; 0: at once.
cdef uint64_t pause_before(ExchangeState exchange, int again) noexcept
# The endpoint has failed this exchange: others come first from now on.
cdef void remember_failure(ExchangeState exchange) noexcept
cdef bint was_tried(ExchangeState exchange, Endpoint endpoint) noexcept

# Whether content that passes is kept for another attempt, or a copy.
cdef bint is_keeping(ExchangeState exchange) noexcept
# Keep a copy of content that goes out; over the bound there is no other attempt any more.
cdef void keep_more(ExchangeState exchange, const char* data, size_t size) noexcept
# Send what is kept to the origin, as far as it is taken: 1 all of it, 0 more when it has drained, -1 it cannot be read.
cdef int send_kept(ExchangeState exchange) noexcept
# Hold content as long as there is nobody to send it to; the fault if it cannot be.
cdef int hold_content(ExchangeState exchange, const char* data, size_t size) noexcept
