# Serialising heads. Fields that lie in memory as "name: value\r\n" one behind the other (the
# parser's canonical lines) go out with one copy per run; everything is written from parsed
# pieces, so no byte leaves that was not understood.

from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from limen.engine.stream cimport OutField, OutHead
from limen.engine.types cimport (
    FRAMING_CHUNKED,
    FRAMING_LENGTH,
    Field,
)
from limen.engine.worker cimport Worker


cdef inline char* copy(char* out, const char* data, size_t size) noexcept nogil:
    memcpy(out, data, size)
    return out + size


cdef inline char* write_number(char* out, uint64_t value) noexcept nogil:
    cdef char digits[20]
    cdef int n = 0
    while True:
        digits[n] = <char>(48 + value % 10)
        value //= 10
        n += 1
        if value == 0:
            break
    while n:
        n -= 1
        out[0] = digits[n]
        out += 1
    return out


cdef inline bint is_line(const OutField* field) noexcept nogil:
    """Whether the field lies in memory as "name: value\\r\\n"."""
    cdef const char* gap = field.name + field.name_length
    return field.value == gap + 2 and gap[1] == 32 and field.value[field.value_length] == 13


cdef inline char* write_fields(char* out, const OutField* fields, unsigned int count) noexcept nogil:
    cdef unsigned int i = 0
    cdef const char* start
    cdef const char* end
    while i < count:
        start = fields[i].name
        if is_line(&fields[i]):
            # a run of canonical lines
            end = fields[i].value + fields[i].value_length + 2
            i += 1
            while i < count and fields[i].name == end and is_line(&fields[i]):
                end = fields[i].value + fields[i].value_length + 2
                i += 1
            out = copy(out, start, <size_t>(end - start))
            continue
        out = copy(out, start, fields[i].name_length)
        out[0] = 58
        out[1] = 32
        out = copy(out + 2, fields[i].value, fields[i].value_length)
        out[0] = 13
        out[1] = 10
        out += 2
        i += 1
    return out


cdef inline size_t room_for(const OutHead* head) noexcept nogil:
    cdef size_t room = 256 + head.method.length + head.reason.length
    cdef unsigned int i
    for i in range(4):
        room += head.target[i].length
    for i in range(head.count):
        room += head.fields[i].name_length + head.fields[i].value_length + 4
    return room


cdef char* write_request(Worker worker, OutHead* head, size_t* size) noexcept:
    cdef char* start = worker.claim(room_for(head))
    cdef char* out = start
    cdef int i
    if start == NULL:
        return NULL
    out = copy(out, head.method.data, head.method.length)
    out[0] = 32
    out += 1
    for i in range(4):
        if head.target[i].length:
            out = copy(out, head.target[i].data, head.target[i].length)
    out = copy(out, b" HTTP/1.1\r\n", 11)
    out = write_fields(out, head.fields, head.count)
    if head.framing == FRAMING_LENGTH:
        out = copy(out, b"Content-Length: ", 16)
        out = write_number(out, head.length)
        out = copy(out, b"\r\n", 2)
    elif head.framing == FRAMING_CHUNKED:
        out = copy(out, b"Transfer-Encoding: chunked\r\n", 28)
    if head.upgrade:
        out = copy(out, b"Connection: upgrade\r\n", 21)
    elif head.te_trailers:
        out = copy(out, b"TE: trailers\r\nConnection: TE\r\n", 30)
    out = copy(out, b"\r\n", 2)
    size[0] = <size_t>(out - start)
    return start


cdef char* write_response(Worker worker, OutHead* head, int minor, bint chunked, bint close, size_t* size) noexcept:
    cdef char* start = worker.claim(room_for(head))
    cdef char* out = start
    if start == NULL:
        return NULL
    out = copy(out, b"HTTP/1.1 ", 9)
    out[0] = <char>(48 + head.status // 100)
    out[1] = <char>(48 + head.status // 10 % 10)
    out[2] = <char>(48 + head.status % 10)
    out[3] = 32
    out = copy(out + 4, head.reason.data, head.reason.length)
    out = copy(out, b"\r\n", 2)
    out = write_fields(out, head.fields, head.count)
    if head.status >= 200:
        if chunked:
            out = copy(out, b"Transfer-Encoding: chunked\r\n", 28)
        elif head.framing == FRAMING_LENGTH:
            out = copy(out, b"Content-Length: ", 16)
            out = write_number(out, head.length)
            out = copy(out, b"\r\n", 2)
        if close:
            out = copy(out, b"Connection: close\r\n", 19)
        elif minor == 0:
            out = copy(out, b"Connection: keep-alive\r\n", 24)
    elif head.upgrade:
        out = copy(out, b"Connection: upgrade\r\n", 21)
    out = copy(out, b"\r\n", 2)
    size[0] = <size_t>(out - start)
    return start


cdef int write_chunk_line(char* out, size_t size) noexcept nogil:
    cdef char digits[16]
    cdef int n = 0
    cdef int i
    while True:
        digits[n] = (b"0123456789abcdef")[size & 15]
        size >>= 4
        n += 1
        if size == 0:
            break
    for i in range(n):
        out[i] = digits[n - 1 - i]
    out[n] = 13
    out[n + 1] = 10
    return n + 2


cdef char* write_trailers(
    Worker worker, const char* base, const Field* trailers, unsigned int count, size_t* size
) noexcept:
    """The last chunk and the trailer section."""
    cdef size_t room = 8
    cdef unsigned int i
    cdef char* start
    cdef char* out
    for i in range(count):
        room += trailers[i].name_length + trailers[i].value_length + 4
    start = worker.claim(room)
    if start == NULL:
        return NULL
    out = copy(start, b"0\r\n", 3)
    for i in range(count):
        out = copy(out, base + trailers[i].name, trailers[i].name_length)
        out = copy(out, b": ", 2)
        out = copy(out, base + trailers[i].value, trailers[i].value_length)
        out = copy(out, b"\r\n", 2)
    out = copy(out, b"\r\n", 2)
    size[0] = <size_t>(out - start)
    return start
