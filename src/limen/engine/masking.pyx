# A reference to an origin becomes one to the name that the client asked for; a path gets back what rewriting took off.
# What names somebody else stays.

from libc.string cimport memcpy

from limen.engine.bytes cimport same_folded
from limen.engine.mask cimport Mask
from limen.engine.stream cimport OutField
from limen.engine.types cimport FIELD_LOCATION, FIELD_SET_COOKIE, FIELD_X_FORWARDED_PROTO, Field
from limen.engine.upstream cimport Upstream
from limen.engine.worker cimport OUT_FIELDS


cdef struct Text:
    const char* data
    size_t size


cdef int add_masked(ExchangeState exchange, unsigned int* count, const Field* field, const char* base) noexcept:
    cdef Mask mask = exchange.action.mask
    cdef Text value
    cdef OutField* out
    cdef int result = 0
    value.data = base + field.value
    value.size = field.value_length
    if field.id == FIELD_LOCATION and mask.location:
        result = mask_location(exchange, mask, &value)
    elif field.id == FIELD_SET_COOKIE and mask.cookies:
        result = mask_cookie(exchange, mask, &value)
    if result <= 0 or count[0] >= OUT_FIELDS:
        return result
    out = &exchange.worker.out[count[0]]
    out.name = base + field.name
    out.name_length = field.name_length
    out.value = value.data
    out.value_length = <unsigned int>value.size
    count[0] += 1
    return 1


cdef bint is_own(ExchangeState exchange, Mask mask, const char* text, size_t size) noexcept:
    """Whether this host, or authority, is an origin's."""
    cdef bytes host
    cdef Upstream upstream
    cdef bytes label = exchange.endpoint.label if exchange.endpoint is not None else None
    if label is not None and size == <size_t>len(label) and same_folded(text, <const char*>label, size):
        return True
    for upstream in mask.upstreams:
        # those of now: discovery changes them in place
        if upstream.is_called(text, size):
            return True
    for host in mask.hosts:
        if size == <size_t>len(host) and same_folded(text, <const char*>host, size):
            return True
    return False


cdef size_t map_path(Mask mask, const char* path, size_t size, bint cookie, char* out) noexcept:
    """The path as clients know it, without what follows it; 0: it stays. `out` holds size + len(strip) + 1."""
    cdef size_t cut = <size_t>len(mask.add), front = <size_t>len(mask.strip)
    if cut:
        if size < cut or not starts(path, <const char*>mask.add, cut) or (size > cut and path[cut] != 47):
            # beside what this route leads to
            return 0
        path += cut
        size -= cut
    elif front == 0:
        return 0
    memcpy(out, <const char*>mask.strip, front)
    if size == 0 or (cookie and size == 1):
        # "/" of a cookie: the prefix itself matches more than the prefix with a slash
        if front and cookie:
            return front
        out[front] = 47
        return front + 1
    memcpy(out + front, path, size)
    return front + size


cdef inline bint starts(const char* text, const char* prefix, size_t size) noexcept nogil:
    cdef size_t i
    for i in range(size):
        if text[i] != prefix[i]:
            return False
    return True


cdef int mask_location(ExchangeState exchange, Mask mask, Text* value) noexcept:
    cdef const char* text = value.data
    cdef size_t size = value.size, at = 0, end, path_end, used = 0, mapped
    cdef bint absolute = False
    cdef Text scheme, host
    cdef char* out
    if size >= 7 and same_folded(text, b"http://", 7):
        at = 7
        absolute = True
    elif size >= 8 and same_folded(text, b"https://", 8):
        at = 8
        absolute = True
    elif size >= 2 and text[0] == 47 and text[1] == 47:
        at = 2
        absolute = True
    elif size == 0 or text[0] != 47:
        return 0
    end = at
    if absolute:
        while end < size and text[end] != 47 and text[end] != 63 and text[end] != 35:
            end += 1
        if not is_own(exchange, mask, text + at, end - at):
            return 0
    path_end = end
    while path_end < size and text[path_end] != 63 and text[path_end] != 35:
        path_end += 1
    scheme.data = host.data = NULL
    scheme.size = host.size = 0
    public_name(exchange, &scheme, &host)
    out = exchange.worker.value(size + scheme.size + host.size + <size_t>len(mask.strip) + 8)
    if out == NULL:
        return -1
    if absolute and host.size:
        memcpy(out, scheme.data, scheme.size)
        used = scheme.size
        memcpy(out + used, b"://", 3)
        used += 3
        memcpy(out + used, host.data, host.size)
        used += host.size
    mapped = map_path(mask, text + end, path_end - end, False, out + used)
    if mapped == 0:
        if not absolute:
            return 0
        memcpy(out + used, text + end, path_end - end)
        mapped = path_end - end
        if mapped == 0:
            out[used] = 47
            mapped = 1
    used += mapped
    memcpy(out + used, text + path_end, size - path_end)
    value.data = out
    value.size = used + size - path_end
    return 1


cdef void public_name(ExchangeState exchange, Text* scheme, Text* host) noexcept:
    """How the client called us: by the Host that it sent, and its connection's scheme or a trusted proxy's word."""
    cdef const Field* field
    cdef int i
    scheme.data = <const char*>exchange.service.scheme
    scheme.size = <size_t>len(exchange.service.scheme)
    if exchange.head.authority_length:
        host.data = exchange.base + exchange.head.authority
        host.size = exchange.head.authority_length
    else:
        host.data = exchange.base + exchange.head.host
        host.size = exchange.head.host_length
    if exchange.service.trusted is None or exchange.sender.family == 1 or not (
        exchange.service.trusted.contains(exchange.sender.ip)
    ):
        return
    for i in range(exchange.head.count):
        field = &exchange.fields[i]
        if field.id == FIELD_X_FORWARDED_PROTO and (
            (field.value_length == 4 and same_folded(exchange.base + field.value, b"http", 4))
            or (field.value_length == 5 and same_folded(exchange.base + field.value, b"https", 5))
        ):
            scheme.data = exchange.base + field.value
            scheme.size = field.value_length


cdef int mask_cookie(ExchangeState exchange, Mask mask, Text* value) noexcept:
    """Attributes Domain and Path; the pair in front and the rest stay byte for byte."""
    cdef const char* text = value.data
    cdef size_t size = value.size, at, end, first, name_end, start, used, mapped
    cdef bint changed = False
    cdef bint has_domain = False
    cdef bint has_path = False
    cdef char* out = exchange.worker.value(size + <size_t>len(mask.strip) + <size_t>len(mask.domain) + 8)
    if out == NULL:
        return -1
    at = 0
    while at < size and text[at] != 59:
        at += 1
    memcpy(out, text, at)
    used = at
    while at < size:
        # at a semicolon
        end = at + 1
        while end < size and text[end] != 59:
            end += 1
        first = at + 1
        while first < end and (text[first] == 32 or text[first] == 9):
            first += 1
        name_end = first
        while name_end < end and text[name_end] != 61:
            name_end += 1
        start = name_end + 1 if name_end < end else end
        if name_end - first == 6 and same_folded(text + first, b"domain", 6):
            if start < end and text[start] == 46:
                start += 1
            if len(mask.domain) and has_domain:
                # room is for one
                at = end
                continue
            has_domain = True
            if len(mask.domain):
                memcpy(out + used, b"; Domain=", 9)
                memcpy(out + used + 9, <const char*>mask.domain, <size_t>len(mask.domain))
                used += 9 + <size_t>len(mask.domain)
                changed = True
                at = end
                continue
            if is_own(exchange, mask, text + start, end - start):
                # without Domain it is the cookie of the name that the client asked for
                changed = True
                at = end
                continue
        elif name_end - first == 4 and same_folded(text + first, b"path", 4) and start < end and text[start] == 47:
            if has_path:
                at = end
                continue
            has_path = True
            memcpy(out + used, b"; Path=", 7)
            mapped = map_path(mask, text + start, end - start, True, out + used + 7)
            if mapped:
                used += 7 + mapped
                changed = True
                at = end
                continue
        memcpy(out + used, text + at, end - at)
        used += end - at
        at = end
    if not changed:
        return 0
    value.data = out
    value.size = used
    return 1
