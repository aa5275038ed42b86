from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp

from limen.engine.maglev cimport mixed
from limen.engine.types cimport FIELD_COOKIE, Field
from limen.engine.worker cimport Worker


cdef inline bint same_name(const char* found, const char* wanted, size_t size) noexcept nogil:
    """`wanted` is in lower case; names of fields are ASCII tokens."""
    cdef size_t i
    cdef char c
    for i in range(size):
        c = found[i]
        if 65 <= c <= 90:
            c += 32
        if c != wanted[i]:
            return False
    return True


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
        elif field.name_length == length and same_name(exchange.base + field.name, wanted, length):
            out.data = exchange.base + field.value
            out.size = field.value_length
            return True
    return False


cdef uint64_t exchange_key(ExchangeState exchange) noexcept:
    cdef Worker worker = exchange.worker
    cdef int by = exchange.upstream.key_by
    cdef bytes name = exchange.upstream.key_name
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
        # nothing to keep together: spread
        worker.id_counter += 1
        return mixed(<const char*>&worker.id_counter, sizeof(uint64_t), worker.id_prefix)
    return mixed(piece.data, piece.size, 0)
