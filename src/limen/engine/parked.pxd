# A message that hooks have parked: its content is held for them, handed over, replaced.

from libc.stdint cimport uint64_t

from limen.engine.state cimport ExchangeState


# Hold content of a parked response; the fault if it cannot be.
cdef int hold_response(ExchangeState exchange, const char* data, size_t size) noexcept
# A hook waits for the content of the message that it has, up to `limit` bytes.
cdef void want_body(ExchangeState exchange, uint64_t limit, object waiter) noexcept
# A hook's content goes out instead of the message's own; the fault if it cannot be held.
cdef int put_body(ExchangeState exchange, const char* data, size_t size) noexcept
# Pass the held content of a response on to the client; the fault if it cannot be read.
cdef int send_held(ExchangeState exchange) noexcept
