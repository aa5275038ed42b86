# Whether a request may go out once more, and what has to be kept for that. Nothing is sent here.

from libc.stdint cimport uint64_t

from limen.engine.journal cimport (
    RETRY_ANSWERED,
    RETRY_ATTEMPTS,
    RETRY_BODY,
    RETRY_BUDGET,
    RETRY_FAULT,
    RETRY_METHOD,
    RETRY_NO_ENDPOINT,
)
from limen.engine.keep cimport new_keep
from limen.engine.reactor cimport INPUT_SIZE
from limen.engine.service cimport RETRY_ANY, RETRY_IDEMPOTENT
from limen.engine.state cimport ExchangeState
from limen.engine.types cimport (
    FAULT_BODY_TOO_LARGE,
    FAULT_MEMORY,
    FAULT_NONE,
    FAULT_ORIGIN_CLOSED,
    METHOD_DELETE,
    METHOD_GET,
    METHOD_HEAD,
    METHOD_OPTIONS,
    METHOD_PUT,
    METHOD_TRACE,
)
from limen.engine.waiters cimport withhold_body


cdef enum:
    RETRIES_ALWAYS = 10       # retries that may be under way whatever the budget says


cdef bint is_repeatable(ExchangeState exchange) noexcept:
    """Whether the method allows to send the request twice."""
    cdef int method = exchange.head.method
    if exchange.is_upgrade or exchange.is_connect:
        return False
    if method == METHOD_GET or method == METHOD_HEAD or method == METHOD_OPTIONS or method == METHOD_TRACE:
        return True
    if exchange.action.retry_methods == RETRY_ANY:
        return True
    return exchange.action.retry_methods == RETRY_IDEMPOTENT and (method == METHOD_PUT or method == METHOD_DELETE)


cdef bint is_keeping(ExchangeState exchange) noexcept:
    """Whether content that passes is kept for another attempt."""
    return not exchange.keep_lost and not exchange.response_begun and (exchange.replaced or is_repeatable(exchange))


cdef bint may_repeat(ExchangeState exchange, int fault, bint reused) noexcept:
    """Decide on another attempt after `fault`; if not, `retry_blocked` says why."""
    cdef bint sent = exchange.origin_ready
    if exchange.response_begun:
        exchange.retry_blocked = RETRY_ANSWERED
    elif fault != FAULT_ORIGIN_CLOSED and sent:
        # the origin had the request and time to act on it: nothing says that it did not
        exchange.retry_blocked = RETRY_FAULT
    elif sent and not is_repeatable(exchange):
        exchange.retry_blocked = RETRY_METHOD
    elif exchange.keep_lost:
        exchange.retry_blocked = RETRY_BODY
    elif reused:
        # it was closed while idle; a fresh connection tells whether the origin lives
        return True
    elif exchange.attempts > exchange.action.attempts:
        exchange.retry_blocked = RETRY_ATTEMPTS
    elif exchange.upstream is None or (exchange.upstream.count < 2 and not sent):
        exchange.retry_blocked = RETRY_NO_ENDPOINT
    elif exchange.worker.retries >= max(<long>RETRIES_ALWAYS, exchange.worker.exchanges // 5):
        exchange.retry_blocked = RETRY_BUDGET
    else:
        return True
    return False


cdef uint64_t hold_most(ExchangeState exchange) noexcept:
    if exchange.body_limit:
        return max(exchange.action.keep_memory, exchange.body_limit + INPUT_SIZE)
    return max(exchange.action.keep_memory, <uint64_t>PARKED_CONTENT)


cdef void keep_more(ExchangeState exchange, const char* data, size_t size) noexcept:
    """Keep a copy of content that goes out; over the bound there is no other attempt any more."""
    if exchange.keep is None:
        try:
            exchange.keep = new_keep(exchange.action.keep_memory, exchange.action.keep_most)
        except MemoryError:
            exchange.keep_lost = True
            return
    if exchange.keep.size + size > exchange.action.keep_most or exchange.keep.append(data, size) < 0:
        exchange.keep_lost = True
        exchange.keep = None


cdef int hold_content(ExchangeState exchange, const char* data, size_t size) noexcept:
    """Hold content, and hold the client back soon."""
    cdef uint64_t most = hold_most(exchange)
    if exchange.keep is None:
        try:
            exchange.keep = new_keep(most, max(exchange.action.keep_most, most + 2 * size))
        except MemoryError:
            return FAULT_MEMORY
    if exchange.keep.append(data, size) < 0:
        return FAULT_BODY_TOO_LARGE if exchange.body_limit else FAULT_MEMORY
    if exchange.body_waiter is not None and exchange.keep.size > exchange.body_limit:
        withhold_body(exchange)
    if exchange.body_waiter is None and exchange.keep.size >= <uint64_t>PARKED_CONTENT:
        # (a hook that waits has to see the end, or one byte too much)
        exchange.client.pause()
    return FAULT_NONE
