# Whether a request may go out once more, when, and what has to be kept for that. Nothing is sent here.

from libc.stdint cimport int64_t, uint64_t

from limen.engine.board cimport ROUTE_BUDGET_SPENT, ROUTE_RETRIES
from limen.engine.budget cimport jittered, most_of
from limen.engine.journal cimport (
    RETRY_ANSWERED,
    RETRY_ATTEMPTS,
    RETRY_BODY,
    RETRY_BUDGET,
    RETRY_DEADLINE,
    RETRY_FAULT,
    RETRY_METHOD,
    RETRY_NO_ENDPOINT,
)
from limen.engine.keep cimport SPOOL_PIECE, new_keep
from limen.engine.reactor cimport INPUT_SIZE
from limen.engine.resilience cimport CAUSE_DIAL, CAUSE_NONE, CAUSE_RESET, CAUSE_STATUS, CAUSE_TIMEOUT, Resilience
from limen.engine.service cimport RETRY_ANY, RETRY_IDEMPOTENT
from limen.engine.state cimport ExchangeState
from limen.engine.types cimport (
    FAULT_BODY_TOO_LARGE,
    FAULT_EGRESS,
    FAULT_MEMORY,
    FAULT_NONE,
    FAULT_ORIGIN_CLOSED,
    FAULT_ORIGIN_STALL,
    FAULT_RESPONSE_TIMEOUT,
    METHOD_DELETE,
    METHOD_GET,
    METHOD_HEAD,
    METHOD_OPTIONS,
    METHOD_PUT,
    METHOD_TRACE,
    Field,
    Head,
)
from limen.engine.upstream cimport Endpoint
from limen.engine.waiters cimport withhold_body


cdef enum:
    BUDGET_LOOK = 20000000    # ns, the least bound of a pause before the budget is asked again


# may it -------------------------------------------------------------------------------------------

cdef bint is_safe(ExchangeState exchange) noexcept:
    cdef int method = exchange.head.method
    if exchange.is_upgrade or exchange.is_connect:
        return False
    return method == METHOD_GET or method == METHOD_HEAD or method == METHOD_OPTIONS or method == METHOD_TRACE


cdef bint is_repeatable(ExchangeState exchange) noexcept:
    """Whether the method allows to send the request twice."""
    cdef int method = exchange.head.method
    if is_safe(exchange):
        return True
    if exchange.is_upgrade or exchange.is_connect:
        return False
    if exchange.action.retry_methods == RETRY_ANY:
        return True
    return exchange.action.retry_methods == RETRY_IDEMPOTENT and (method == METHOD_PUT or method == METHOD_DELETE)


cdef int cause_of(ExchangeState exchange, int fault) noexcept:
    if not exchange.origin_ready:
        return CAUSE_DIAL
    if fault == FAULT_ORIGIN_CLOSED:
        return CAUSE_RESET
    if fault == FAULT_RESPONSE_TIMEOUT or fault == FAULT_ORIGIN_STALL:
        return CAUSE_TIMEOUT
    return CAUSE_NONE


cdef int may_repeat(ExchangeState exchange, int cause, bint reused) noexcept:
    """Decide on another attempt; if it is REPEAT_NOT, `retry_blocked` says why."""
    cdef Resilience terms = exchange.action.resilience
    cdef bint sent = cause != CAUSE_DIAL
    if exchange.response_begun:
        exchange.retry_blocked = RETRY_ANSWERED
    elif not terms.on & cause and not reused:
        # the origin had the request and time to act on it, or it is not to be asked twice
        exchange.retry_blocked = RETRY_FAULT
    elif sent and not is_repeatable(exchange):
        exchange.retry_blocked = RETRY_METHOD
    elif exchange.keep_lost:
        exchange.retry_blocked = RETRY_BODY
    elif exchange.egress is not None and len(exchange.way_out.hops) == 0 and exchange.held_fault != FAULT_EGRESS and (
        not reused
    ):
        # the target has failed, from whatever address it is asked
        exchange.retry_blocked = RETRY_FAULT
    elif reused:
        # it was closed while idle; a fresh connection tells whether the origin lives
        count_retry(exchange, cause)
        return REPEAT_NOW
    elif exchange.attempts > exchange.action.attempts:
        exchange.retry_blocked = RETRY_ATTEMPTS
    elif exchange.upstream is None or (exchange.upstream.count < 2 and not sent):
        exchange.retry_blocked = RETRY_NO_ENDPOINT
    elif exchange.until and exchange.worker.now >= exchange.until:
        exchange.retry_blocked = RETRY_DEADLINE
    elif claim_budget(exchange):
        count_retry(exchange, cause)
        return REPEAT_NOW
    else:
        exchange.worker.board.route_add(exchange.action.slot, ROUTE_BUDGET_SPENT, 1)
        if cause != CAUSE_STATUS and terms.budget_wait:
            exchange.budget_until = exchange.worker.now + terms.budget_wait
            return REPEAT_LATER
        # an answer is there: better this one than none
        exchange.retry_blocked = RETRY_BUDGET
    return REPEAT_NOT


cdef void count_retry(ExchangeState exchange, int cause) noexcept:
    cdef int place = 0
    while cause > 1:
        cause >>= 1
        place += 1
    exchange.worker.board.route_add(exchange.action.slot, ROUTE_RETRIES + place, 1)


cdef bint asks_to_wait(const Head* head, const Field* fields, const char* base) noexcept:
    cdef unsigned int i
    cdef unsigned int j
    for i in range(head.count):
        if fields[i].name_length == 11:
            for j in range(11):
                if base[fields[i].name + j] | 32 != (b"retry-after")[j] | 32:
                    break
            else:
                return True
    return False


cdef bint may_ask_another(ExchangeState exchange, const Head* head, const Field* fields, const char* base) noexcept:
    cdef bytes statuses = exchange.action.resilience.statuses
    if statuses is None or head.status >= 600 or not statuses[head.status]:
        return False
    if exchange.upstream is None or (exchange.upstream.count < 2 and asks_to_wait(head, fields, base)):
        return False
    return may_repeat(exchange, CAUSE_STATUS, False) == REPEAT_NOW


cdef int ask_again(ExchangeState exchange) noexcept:
    if exchange.retrying:
        return REPEAT_NOW
    if claim_budget(exchange):
        count_retry(exchange, exchange.held_cause)
        return REPEAT_NOW
    if exchange.worker.now < exchange.budget_until:
        return REPEAT_LATER
    exchange.retry_blocked = RETRY_BUDGET
    return REPEAT_NOT


# budget and pauses ---------------------------------------------------------------------------------

cdef bint claim_budget(ExchangeState exchange) noexcept:
    cdef Resilience terms = exchange.action.resilience
    cdef int64_t most
    if exchange.retrying:
        return True
    most = most_of(exchange.upstream.live(), terms.budget_share, terms.budget_least)
    if most == 0 or not exchange.upstream.retries.enter(most):
        return False
    exchange.retrying = True
    return True


cdef void return_budget(ExchangeState exchange) noexcept:
    if exchange.retrying:
        exchange.retrying = False
        exchange.upstream.retries.leave()


cdef uint64_t pause_before(ExchangeState exchange, int again) noexcept:
    cdef Resilience terms = exchange.action.resilience
    cdef uint64_t least
    if again == REPEAT_LATER:
        least = <uint64_t>BUDGET_LOOK
        return 1 + jittered(terms.draw(), 1, max(terms.backoff_base, least), max(terms.backoff_most, least))
    if terms.backoff_base == 0 or (exchange.attempts == 1 and exchange.upstream.count > 1):
        # nothing has failed yet where it goes now
        return 0
    return 1 + jittered(terms.draw(), exchange.attempts, terms.backoff_base, terms.backoff_most)


cdef void remember_failure(ExchangeState exchange) noexcept:
    cdef Endpoint before = exchange.avoid
    exchange.avoid = exchange.endpoint
    if before is None or before is exchange.endpoint:
        return
    try:
        if exchange.tried is None:
            exchange.tried = []
        exchange.tried.append(before)
    except MemoryError:
        # it is chosen again at worst
        exchange.tried = None


cdef bint was_tried(ExchangeState exchange, Endpoint endpoint) noexcept:
    cdef object one
    if endpoint is exchange.avoid:
        return True
    if exchange.tried is not None:
        for one in exchange.tried:
            if one is endpoint:
                return True
    return False


# content -------------------------------------------------------------------------------------------

cdef bint is_keeping(ExchangeState exchange) noexcept:
    """Whether content that passes is kept for another attempt, or a copy."""
    return not exchange.keep_lost and not exchange.response_begun and (
        exchange.replaced or exchange.mirroring or is_repeatable(exchange)
    )


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


cdef int send_kept(ExchangeState exchange) noexcept:
    cdef const char* place = NULL
    cdef char* scratch
    cdef ssize_t size
    while exchange.keep is not None and exchange.keep_sent < exchange.keep.size:
        if exchange.origin.is_clogged():
            return 0
        scratch = exchange.worker.claim(SPOOL_PIECE)
        size = exchange.keep.look(exchange.keep_sent, scratch, SPOOL_PIECE, &place)
        if size <= 0:
            return -1
        exchange.keep_sent += <uint64_t>size
        exchange.origin.send_data(place, <size_t>size)
        if exchange.keep.in_memory > exchange.keep_sent or exchange.keep.fd >= 0:
            # `place` may move or be overwritten by the next piece
            exchange.worker.flush()
    return 1
