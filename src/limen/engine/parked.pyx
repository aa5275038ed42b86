# While Python has a message: what comes of its content is held, within the bound of whoever waits for it.

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memset

from limen.engine.keep cimport Keep, new_keep
from limen.engine.reactor cimport INPUT_SIZE
from limen.engine.repeat cimport PARKED_CONTENT
from limen.engine.state cimport PHASE_HOOK, ExchangeState
from limen.engine.stream cimport OutHead
from limen.engine.types cimport (
    FAULT_HOOK,
    FAULT_INTERNAL,
    FAULT_MEMORY,
    FAULT_NONE,
    FRAMING_LENGTH,
    HEAD_EXPECT_CONTINUE,
    Head,
)
from limen.engine.waiters cimport hand_body, withhold_body


cdef int hold_response(ExchangeState exchange, const char* data, size_t size) noexcept:
    cdef uint64_t most = exchange.body_limit if exchange.body_limit else <uint64_t>PARKED_CONTENT
    if exchange.response_keep is None:
        try:
            exchange.response_keep = new_keep(most + (1 << 20), most + (1 << 20))
        except MemoryError:
            return FAULT_MEMORY
    if exchange.response_keep.append(data, size) < 0:
        return FAULT_HOOK
    if exchange.response_keep.size > most and exchange.body_waiter is not None:
        withhold_body(exchange)
    if exchange.body_waiter is None and exchange.response_keep.size >= most and exchange.origin is not None:
        exchange.origin.pause()
    return FAULT_NONE


cdef void ask_to_continue(ExchangeState exchange) noexcept:
    """The client holds its content back until somebody asks for it."""
    cdef OutHead* out = &exchange.worker.out_head
    exchange.continued = True
    memset(out, 0, sizeof(OutHead))
    out.status = 100
    out.reason.data = b"Continue"
    out.reason.length = 8
    out.fields = exchange.worker.out
    exchange.client.send_head(out)


cdef void want_body(ExchangeState exchange, uint64_t limit, object waiter) noexcept:
    cdef Keep keep = exchange.keep if exchange.phase == PHASE_HOOK else exchange.response_keep
    cdef bint whole = exchange.request_over if exchange.phase == PHASE_HOOK else exchange.response_over
    cdef const Head* head = &exchange.head if exchange.phase == PHASE_HOOK else &exchange.response_head
    exchange.body_waiter = waiter
    exchange.body_limit = limit
    if keep is not None and keep.fd < 0:
        # a hook's content is handed over from memory: make room for it there
        keep.memory_most = max(keep.memory_most, limit + INPUT_SIZE)
        keep.most = max(keep.most, limit + INPUT_SIZE)
    if exchange.fault or keep is not None and keep.size > limit or (
        head.framing == FRAMING_LENGTH and head.length > limit
    ):
        withhold_body(exchange)
    elif whole:
        hand_body(exchange, keep)
    elif exchange.phase == PHASE_HOOK:
        if head.flags & HEAD_EXPECT_CONTINUE and not exchange.continued:
            ask_to_continue(exchange)
        exchange.client.resume()
    elif exchange.origin is not None:
        exchange.origin.resume()


cdef int put_body(ExchangeState exchange, const char* data, size_t size) noexcept:
    cdef Keep keep
    try:
        keep = new_keep(size, size)
    except MemoryError:
        return FAULT_MEMORY
    if size and keep.append(data, size) < 0:
        return FAULT_MEMORY
    if exchange.phase == PHASE_HOOK:
        exchange.keep = keep
        exchange.replaced = True
        exchange.head.framing = FRAMING_LENGTH
        exchange.head.length = size
        exchange.head.flags &= <uint8_t>~HEAD_EXPECT_CONTINUE
    else:
        exchange.response_keep = keep
        # if the origin's content broke off, it is not missed any more
        exchange.fault = FAULT_NONE
        exchange.response_head.framing = FRAMING_LENGTH
        exchange.response_head.length = size
    return FAULT_NONE


cdef int send_held(ExchangeState exchange) noexcept:
    cdef const char* place = NULL
    cdef ssize_t size
    cdef uint64_t offset = 0
    while exchange.response_keep is not None and offset < exchange.response_keep.size:
        size = exchange.response_keep.look(offset, NULL, 1 << 30, &place)
        if size <= 0:
            return FAULT_INTERNAL
        exchange.sent += <uint64_t>size
        exchange.client.send_data(place, <size_t>size)
        offset += <uint64_t>size
    exchange.worker.flush()
    exchange.response_keep = None
    return FAULT_NONE
