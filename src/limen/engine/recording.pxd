# Recording an exchange for a capture: begun when a route or a rule asks for it, handed over when the exchange is over.
# What does not fit, or fails, never hinders the exchange.

from libc.stdint cimport uint64_t

from limen.engine.capture cimport Capture
from limen.engine.state cimport ExchangeState
from limen.engine.stream cimport OutHead, Stream
from limen.engine.types cimport Field, Head


# For this capture from now on, with what was held of the request so far; None: not at all.
cdef void record_for(ExchangeState exchange, Capture capture) noexcept
# Content as it came from one of both sides.
cdef void record_content(ExchangeState exchange, Stream source, const char* data, size_t size) noexcept
# Content that passed unseen.
cdef void record_moved(ExchangeState exchange, Stream source, uint64_t size) noexcept
# Whether content of this side has to be seen.
cdef bint records(ExchangeState exchange, Stream source) noexcept
# The request has gone to the origin as a whole.
cdef void record_sent(ExchangeState exchange) noexcept
# The origin's answer.
cdef void record_response(ExchangeState exchange, const Head* head, const Field* fields, const char* base) noexcept
# An answer made here, unless the origin had one.
cdef void record_reply(ExchangeState exchange, const OutHead* head, const char* body, size_t size) noexcept
# The exchange is over.
cdef void hand_over(ExchangeState exchange) noexcept
