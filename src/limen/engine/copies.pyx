# What an exchange keeps of messages that lie in buffers of others: heads, trailers, content.

from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from limen.engine.keep cimport SPOOL_PIECE, Keep
from limen.engine.service cimport TARGET_FROM_REQUEST
from limen.engine.state cimport ExchangeState
from limen.engine.types cimport FIELD_PROXY_STATUS, FIELD_REFERER, FIELD_USER_AGENT, FIELD_X_REQUEST_ID, Field, Head

# Recognised fields that may be trailers, but tell of the client or of a proxy before this one.
cdef uint64_t UNTOLD = (
    (<uint64_t>1 << FIELD_PROXY_STATUS) | (<uint64_t>1 << FIELD_USER_AGENT) | (<uint64_t>1 << FIELD_REFERER)
    | (<uint64_t>1 << FIELD_X_REQUEST_ID)
)


cdef int copy_head(ExchangeState exchange, const char* data) noexcept:
    """Make the parsed head our own: one block, fields first."""
    cdef Head* head = &exchange.worker.head
    cdef size_t fields = head.count * sizeof(Field)
    cdef char* block = <char*>malloc(fields + head.size)
    if block == NULL:
        return -1
    memcpy(block, exchange.worker.parsed, fields)
    memcpy(block + fields, data, head.size)
    free(exchange.block)
    exchange.block = block
    exchange.fields = <Field*>block
    exchange.base = block + fields
    exchange.head = head[0]
    return 0


cdef int hold_trailers(ExchangeState exchange, const char* base, const Field* trailers, unsigned int count) noexcept:
    """Copy the request's trailers: the content before them may still wait, or go out once more.

    Those that name the client were refused when they were read. What else of it or of a proxy would get past
    the rules of `anonymity` and `scrub` as a trailer, where it means nothing, does not leave a proxy.
    """
    cdef bint proxy = exchange.service.target_source == TARGET_FROM_REQUEST
    cdef unsigned int kept = 0
    cdef size_t size = 0
    cdef unsigned int i
    cdef Field* held
    for i in range(count):
        size = max(size, <size_t>trailers[i].name + trailers[i].name_length)
        size = max(size, <size_t>trailers[i].value + trailers[i].value_length)
    free(exchange.trailer_block)
    exchange.trailer_count = 0
    exchange.trailer_block = <char*>malloc(count * sizeof(Field) + size)
    if exchange.trailer_block == NULL:
        return -1
    held = <Field*>exchange.trailer_block
    for i in range(count):
        if proxy and (UNTOLD >> trailers[i].id) & 1:
            continue
        held[kept] = trailers[i]
        kept += 1
    memcpy(exchange.trailer_block + kept * sizeof(Field), base, size)
    exchange.trailer_count = kept
    return 0


cdef int hold_head(ExchangeState exchange, const Head* head, const Field* fields, const char* base) noexcept:
    """Copy a response head, for as long as a hook has it."""
    cdef size_t room = head.count * sizeof(Field)
    cdef char* block = <char*>malloc(room + head.size)
    if block == NULL:
        return -1
    memcpy(block, fields, room)
    memcpy(block + room, base, head.size)
    free(exchange.response_block)
    exchange.response_block = block
    exchange.response_fields = <Field*>block
    exchange.response_base = block + room
    exchange.response_head = head[0]
    return 0


cdef bytes gather_content(ExchangeState exchange, Keep keep):
    # what came before the hook asked may lie in the spool file
    cdef const char* place = NULL
    cdef uint64_t offset = keep.in_memory
    cdef ssize_t size
    cdef list pieces = [keep.data[:keep.in_memory]]
    while offset < keep.size:
        size = keep.look(offset, exchange.worker.claim(SPOOL_PIECE), SPOOL_PIECE, &place)
        if size <= 0:
            raise OSError("the spooled content cannot be read")
        pieces.append(place[:size])
        offset += <uint64_t>size
    return b"".join(pieces)
