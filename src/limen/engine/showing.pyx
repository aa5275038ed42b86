# Which kind of page a client takes is asked of Accept (RFC 9110, 12.5.1); what it sent itself is only shown escaped.

from libc.stdio cimport snprintf
from libc.string cimport memcpy, strlen

from limen.engine.bytes cimport same_folded
from limen.engine.pages cimport (
    FILL_HOST,
    FILL_NOTHING,
    FILL_REASON,
    FILL_REQUEST_ID,
    FILL_STATUS,
    PAGE_HTML,
    PAGE_JSON,
    PAGE_KINDS,
    PAGE_TEXT,
    Page,
    PagePiece,
    Pages,
    Template,
)
from limen.engine.types cimport Field


cdef struct Wish:
    int weight[3]             # thousandths, by kind; -1: not named
    int precision[3]          # 1: any type, 2: any subtype, 3: itself


cdef bint lay_page(ExchangeState exchange, int status, const char* reason, bint of_origin, Shown* shown) noexcept:
    cdef Pages pages = exchange.action.pages if exchange.action is not None else exchange.service.pages
    cdef Page page
    cdef Template template
    if pages is None:
        return False
    page = pages.find(status)
    if page is None or (of_origin and not page.replaces):
        return False
    template = <Template>page.templates[choose(exchange, page)]
    shown.body = template.room
    shown.size = fill(exchange, template, status, reason)
    shown.content_type = <const char*>template.content_type
    shown.type_size = <size_t>len(template.content_type)
    return True


cdef int choose(ExchangeState exchange, Page page) noexcept:
    """The kind that the client likes best among those there are; all the same to it, the first."""
    cdef Wish wish
    cdef const Field* field
    cdef int i, kind, best
    for kind in range(<int>PAGE_KINDS):
        wish.weight[kind] = -1
        wish.precision[kind] = 0
    if exchange.base == NULL:
        return page.first
    for i in range(exchange.head.count):
        field = &exchange.fields[i]
        if field.name_length == 6 and same_folded(exchange.base + field.name, b"accept", 6):
            read_accept(exchange.base + field.value, field.value_length, &wish)
    best = page.first
    for kind in range(<int>PAGE_KINDS):
        if page.templates[kind] is not None and wish.weight[kind] > wish.weight[best] and wish.weight[kind] > 0:
            best = kind
    return best


cdef inline bint is_type(const char* text, size_t size, const char* lower) noexcept nogil:
    return size == strlen(lower) and same_folded(text, lower, size)


cdef void read_accept(const char* text, size_t size, Wish* wish) noexcept nogil:
    cdef size_t at = 0, end, first, last
    cdef int weight
    while at < size:
        end = at
        while end < size and text[end] != 44:
            end += 1
        first = at
        while first < end and (text[first] == 32 or text[first] == 9):
            first += 1
        last = first
        while last < end and text[last] != 59 and text[last] != 32 and text[last] != 9:
            last += 1
        weight = read_weight(text + last, end - last)
        if is_type(text + first, last - first, b"*/*"):
            note(wish, PAGE_HTML, weight, 1)
            note(wish, PAGE_JSON, weight, 1)
            note(wish, PAGE_TEXT, weight, 1)
        elif is_type(text + first, last - first, b"text/*"):
            note(wish, PAGE_HTML, weight, 2)
            note(wish, PAGE_TEXT, weight, 2)
        elif is_type(text + first, last - first, b"application/*"):
            note(wish, PAGE_JSON, weight, 2)
        elif is_type(text + first, last - first, b"text/html") or is_type(
            text + first, last - first, b"application/xhtml+xml"
        ):
            note(wish, PAGE_HTML, weight, 3)
        elif is_type(text + first, last - first, b"application/json") or is_type(
            text + first, last - first, b"application/problem+json"
        ):
            note(wish, PAGE_JSON, weight, 3)
        elif is_type(text + first, last - first, b"text/plain"):
            note(wish, PAGE_TEXT, weight, 3)
        at = end + 1


cdef inline void note(Wish* wish, int kind, int weight, int precision) noexcept nogil:
    """The most precise range decides; of two equally precise ones the better."""
    if precision > wish.precision[kind] or (precision == wish.precision[kind] and weight > wish.weight[kind]):
        wish.precision[kind] = precision
        wish.weight[kind] = weight


cdef int read_weight(const char* text, size_t size) noexcept nogil:
    """`q=0.8` among the parameters, in thousandths; 1000 without it."""
    cdef size_t i
    cdef int weight, scale
    for i in range(size):
        if text[i] | 32 != 113 or i + 2 >= size or text[i + 1] != 61 or not (
            i and (text[i - 1] == 59 or text[i - 1] == 32 or text[i - 1] == 9)
        ):
            continue
        i += 2
        if text[i] == 49:
            return 1000
        weight = 0
        scale = 100
        i += 2
        while i < size and 48 <= text[i] <= 57 and scale:
            weight += scale * (text[i] - 48)
            scale //= 10
            i += 1
        return weight
    return 1000


cdef size_t fill(ExchangeState exchange, Template template, int status, const char* reason) noexcept:
    cdef PagePiece* piece
    cdef char* out = template.room
    cdef char number[12]
    cdef int i
    for i in range(template.count):
        piece = &template.pieces[i]
        memcpy(out, piece.text, piece.size)
        out += piece.size
        if piece.filling == FILL_NOTHING:
            continue
        if piece.filling == FILL_STATUS:
            out = put(out, number, <size_t>snprintf(number, sizeof(number), "%d", status), template.kind)
        elif piece.filling == FILL_REASON:
            out = put(out, reason, strlen(reason), template.kind)
        elif piece.filling == FILL_REQUEST_ID:
            out = put(out, exchange.id, exchange.id_length, template.kind)
        elif piece.filling == FILL_HOST:
            out = put(out, exchange.host.name, exchange.host.name_length, template.kind)
    return <size_t>(out - template.room)


cdef char* put(char* out, const char* text, size_t size, int kind) noexcept nogil:
    """At most 255 bytes, each as harmless as the kind of page makes it: up to six bytes."""
    cdef size_t i
    cdef unsigned char c
    if size > 255:
        size = 255
    for i in range(size):
        c = <unsigned char>text[i]
        if c < 32 or c > 126:
            c = 63
        if kind == <int>PAGE_HTML and (c == 38 or c == 60 or c == 62 or c == 34 or c == 39):
            # numeric references: "&#38;"
            out[0] = 38
            out[1] = 35
            out[2] = <char>(48 + c // 10)
            out[3] = <char>(48 + c % 10)
            out[4] = 59
            out += 5
            continue
        if kind == <int>PAGE_JSON and (c == 34 or c == 92):
            out[0] = 92
            out += 1
        out[0] = <char>c
        out += 1
    return out
