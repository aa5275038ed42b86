# Who makes a request tells itself: Sec-Fetch-Site (W3C Fetch Metadata), which browsers send, or else Origin and
# Referer. Two hosts are of one site if their last two labels are the same, or the whole address.

from libc.stdint cimport uint32_t
from libc.string cimport memchr, memcmp

from limen.engine.addresses cimport HOST_NAME, TargetHost, parse_authority
from limen.engine.bytes cimport name_is, same_folded
from limen.engine.scrub cimport SCRUB_ALL, SCRUB_NOT, SCRUB_ORIGIN, SCRUB_THIRD
from limen.engine.types cimport (
    FIELD_COOKIE,
    FIELD_OTHER,
    FIELD_REFERER,
    FIELD_SET_COOKIE,
    FIELD_USER_AGENT,
    METHOD_GET,
    METHOD_HEAD,
)


cdef enum:
    SLASH = 47
    DOT = 46


cdef inline bint is_called(const Field* field, const char* base, const char* name, size_t size) noexcept nogil:
    return field.name_length == size and name_is(base + field.name, name, size)


cdef size_t origin_end(const char* url, size_t size) noexcept nogil:
    """Where the authority of a URL ends; 0 if it has none."""
    cdef const char* at = <const char*>memchr(url, SLASH, size)
    cdef const char* end
    if at == NULL or at == url or (at - 1)[0] != 58 or <size_t>(at - url) + 2 >= size or at[1] != SLASH:
        return 0
    at += 2
    end = <const char*>memchr(at, SLASH, size - <size_t>(at - url))
    return size if end == NULL else <size_t>(end - url)


cdef size_t site_of(const TargetHost* host) noexcept nogil:
    """Where the last two labels of a name begin."""
    cdef size_t at = host.name_length
    cdef int dots = 0
    while at:
        if host.name[at - 1] == DOT:
            dots += 1
            if dots == 2:
                return at
        at -= 1
    return 0


cdef bint is_same_site(const TargetHost* one, const TargetHost* other) noexcept nogil:
    cdef size_t mine = 0
    cdef size_t theirs = 0
    if one.kind != other.kind:
        return False
    if one.kind == HOST_NAME:
        mine = site_of(one)
        theirs = site_of(other)
    return (
        one.name_length - mine == other.name_length - theirs
        and memcmp(one.name + mine, other.name + theirs, one.name_length - mine) == 0
    )


cdef bint is_other_site(ExchangeState exchange, const char* url, size_t size) noexcept:
    cdef TargetHost host
    cdef size_t end = origin_end(url, size)
    cdef size_t start
    if end == 0:
        # Origin: null
        return size == 4 and memcmp(url, b"null", 4) == 0
    start = <size_t>(<const char*>memchr(url, SLASH, size) - url) + 2
    if parse_authority(url + start, end - start, 443, &host) < 0:
        return False
    return not is_same_site(&host, &exchange.host)


cdef bint is_third_party(ExchangeState exchange) noexcept:
    cdef const Field* field
    cdef const Field* origin = NULL
    cdef const Field* referer = NULL
    cdef const char* base = exchange.base
    cdef unsigned int i
    for i in range(exchange.head.count):
        field = &exchange.fields[i]
        if field.id == FIELD_REFERER:
            referer = field
        elif field.id != FIELD_OTHER:
            continue
        elif is_called(field, base, b"sec-fetch-site", 14):
            return field.value_length == 10 and same_folded(base + field.value, b"cross-site", 10)
        elif is_called(field, base, b"origin", 6):
            origin = field
    if origin != NULL:
        return is_other_site(exchange, base + origin.value, origin.value_length)
    return referer != NULL and is_other_site(exchange, base + referer.value, referer.value_length)


cdef bint is_hint(const Field* field, const char* base) noexcept nogil:
    """RFC 8942 and what came before it."""
    if field.name_length > 7 and name_is(base + field.name, b"sec-ch-", 7):
        return True
    return (
        is_called(field, base, b"dpr", 3) or is_called(field, base, b"ect", 3) or is_called(field, base, b"rtt", 3)
        or is_called(field, base, b"width", 5) or is_called(field, base, b"downlink", 8)
        or is_called(field, base, b"save-data", 9) or is_called(field, base, b"device-memory", 13)
        or is_called(field, base, b"viewport-width", 14)
    )


cdef bint scrub_request(
    ExchangeState exchange, Scrub scrub, const Field* field, bint third, const char** value, uint32_t* length
) noexcept:
    cdef const char* base = exchange.base
    cdef size_t end
    if field.id == FIELD_USER_AGENT:
        if scrub.user_agent is not None:
            value[0] = <const char*>scrub.user_agent
            length[0] = <uint32_t>len(scrub.user_agent)
            return length[0] != 0
    elif field.id == FIELD_REFERER:
        if scrub.referer == SCRUB_ALL or (third and scrub.referer == SCRUB_THIRD):
            return False
        if scrub.referer == SCRUB_ORIGIN:
            end = origin_end(value[0], length[0])
            length[0] = <uint32_t>min(end + 1, <size_t>length[0]) if end else 0
            return length[0] != 0
    elif field.id == FIELD_COOKIE:
        return scrub.cookies == SCRUB_NOT or (scrub.cookies == SCRUB_THIRD and not third)
    elif field.id == FIELD_OTHER:
        if scrub.language is not None and is_called(field, base, b"accept-language", 15):
            value[0] = <const char*>scrub.language
            length[0] = <uint32_t>len(scrub.language)
            return length[0] != 0
        if scrub.validators and (exchange.head.method == METHOD_GET or exchange.head.method == METHOD_HEAD) and (
            is_called(field, base, b"if-none-match", 13) or is_called(field, base, b"if-modified-since", 17)
        ):
            return False
        if scrub.hints and is_hint(field, base):
            return False
        return not scrub.signal or not (is_called(field, base, b"dnt", 3) or is_called(field, base, b"sec-gpc", 7))
    return True


cdef bint is_scrubbed(ExchangeState exchange, Scrub scrub, const Field* field, const char* base, bint third) noexcept:
    if field.id == FIELD_SET_COOKIE:
        return scrub.cookies == SCRUB_ALL or (scrub.cookies == SCRUB_THIRD and third)
    if field.id != FIELD_OTHER:
        return False
    if scrub.validators and (is_called(field, base, b"etag", 4) or is_called(field, base, b"last-modified", 13)):
        return True
    # (nobody shall ask for what is not told)
    return scrub.hints and (is_called(field, base, b"accept-ch", 9) or is_called(field, base, b"critical-ch", 11))


cdef unsigned int add_scrubbed(Scrub scrub, OutField* out) noexcept:
    if not scrub.signal:
        return 0
    out[0].name = b"DNT"
    out[0].name_length = 3
    out[1].name = b"Sec-GPC"
    out[1].name_length = 7
    out[0].value = out[1].value = b"1"
    out[0].value_length = out[1].value_length = 1
    return 2
