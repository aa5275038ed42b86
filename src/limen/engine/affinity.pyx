from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp

from limen.engine.bytes cimport same_folded
from limen.engine.maglev cimport mixed
from limen.engine.types cimport FIELD_COOKIE, Field


cdef bint pair_in(
    const char* text, size_t size, char between, const char* name, size_t length, Piece* out
) noexcept nogil:
    """The value of `name=value` in a list of such pairs."""
    cdef size_t at = 0
    cdef size_t end
    while at < size:
        while at < size and (text[at] == 32 or text[at] == between):
            at += 1
        end = at
        while end < size and text[end] != between:
            end += 1
        if end - at > length and text[at + length] == 61 and memcmp(text + at, name, length) == 0:
            out.data = text + at + length + 1
            out.size = end - at - length - 1
            return True
        at = end + 1
    return False


cdef bint in_fields(ExchangeState exchange, int by, bytes name, Piece* out) noexcept:
    cdef const Field* field
    cdef const char* wanted = name
    cdef size_t length = <size_t>len(name)
    cdef uint32_t i
    for i in range(exchange.head.count):
        field = &exchange.fields[i]
        if by == KEY_COOKIE:
            if field.id == FIELD_COOKIE and pair_in(
                exchange.base + field.value, field.value_length, 59, wanted, length, out
            ):
                return True
        elif field.name_length == length and same_folded(exchange.base + field.name, wanted, length):
            out.data = exchange.base + field.value
            out.size = field.value_length
            return True
    return False


cdef bint find_cookie(ExchangeState exchange, bytes name, Piece* out) noexcept:
    return in_fields(exchange, KEY_COOKIE, name, out)


cdef uint64_t exchange_key(ExchangeState exchange) noexcept:
    cdef uint64_t key = 0
    if not key_of(exchange, exchange.upstream.key_by, exchange.upstream.key_name, 0, &key):
        # nothing to keep together: spread
        exchange.worker.id_counter += 1
        key = mixed(<const char*>&exchange.worker.id_counter, sizeof(uint64_t), exchange.worker.id_prefix)
    return key


cdef bint key_of(ExchangeState exchange, int by, bytes name, uint64_t seed, uint64_t* key) noexcept:
    cdef Piece piece
    piece.data = NULL
    piece.size = 0
    if by == KEY_CLIENT:
        piece.data = <const char*>exchange.peer.ip
        piece.size = 16
    elif by == KEY_HOST:
        piece.data = exchange.host.name
        piece.size = exchange.host.name_length
    elif exchange.is_opaque or exchange.base == NULL:
        piece.size = 0
    elif by == KEY_PATH:
        piece.data = exchange.path
        piece.size = exchange.path_length
    elif by == KEY_QUERY:
        if len(name):
            pair_in(
                exchange.base + exchange.head.query, exchange.head.query_length, 38, name, <size_t>len(name), &piece
            )
        else:
            piece.data = exchange.base + exchange.head.query
            piece.size = exchange.head.query_length
    else:
        in_fields(exchange, by, name, &piece)
    if piece.size == 0:
        return False
    key[0] = mixed(piece.data, piece.size, seed)
    return True
