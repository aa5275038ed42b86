# When an exchange has to be over, and what origins are told of it.

from libc.stdint cimport uint64_t

from limen.engine.state cimport ExchangeState


# Fix exchange.until by the route's total time and what the client says itself.
cdef void begin_deadline(ExchangeState exchange) noexcept
# Add the field that tells the time left to worker.out; -1 when it has no room.
cdef int lay_deadline(ExchangeState exchange, unsigned int* count) noexcept
# Have the exchange's alarm ring at `when` (0: not for this), or at its deadline if that comes first; False without
# memory.
cdef bint set_alarm(ExchangeState exchange, uint64_t when) noexcept
