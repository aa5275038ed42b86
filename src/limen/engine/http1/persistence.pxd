# Connection and what depends on it, judged once a head is whole: persistence, upgrade, TE, and which fields
# go no further than this hop (RFC 9110, 7.6.1; RFC 9112, 9.3).

from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from limen.engine.bytes cimport CLASS_TOKEN, is_blank, name_is, same_folded, scan_class
from limen.engine.http1.names cimport field_id
from limen.engine.types cimport *


cdef enum:
    CONNECTION_NAMES = 32     # names a head's Connection may list besides the known: bounds names x fields


cdef enum ConnectionOption:
    OPTION_CLOSE = 1
    OPTION_KEEP_ALIVE = 2
    OPTION_UPGRADE = 4
    OPTION_TE = 8


cdef inline bint _next_item(const char** p, const char* stop, const char** item, size_t* length) noexcept nogil:
    """The next item of a comma-separated list, without blanks around it; False at the end."""
    cdef const char* begin = p[0]
    cdef const char* end
    if begin > stop:
        return False
    end = begin
    while end != stop and end[0] != b',':
        end += 1
    p[0] = end + 1
    while begin != end and is_blank(begin[0]):
        begin += 1
    while end != begin and is_blank((end - 1)[0]):
        end -= 1
    item[0] = begin
    length[0] = end - begin
    return True


cdef inline bint _has_item(const char* data, const Field* field, const char* lower, size_t wanted) noexcept nogil:
    cdef const char* p = data + field.value
    cdef const char* stop = p + field.value_length
    cdef const char* item = NULL
    cdef size_t length = 0
    while _next_item(&p, stop, &item, &length):
        if length == wanted and same_folded(item, lower, wanted):
            return True
    return False


cdef inline int _name_field(const char* data, const char* item, size_t length, bint request,
                            Head* head, Field* fields) noexcept nogil:
    """Connection names a field: mark it as hop-by-hop. Framing and routing cannot be named away, and what a
    client or origin says of itself to the other end, or a proxy of the way so far, is not lost by it."""
    cdef int id = field_id(item, length)
    cdef unsigned int i
    if id == FIELD_HOST or id == FIELD_CONTENT_LENGTH:
        return -FAULT_FIELD_VALUE
    if id == FIELD_TRANSFER_ENCODING:
        # Some origins and CDNs list it out of pedantry: there it is hop-by-hop anyhow. A client has no reason to.
        return -FAULT_FIELD_VALUE if request else 0
    head.flags |= HEAD_CONNECTION_NAMES
    if (id == FIELD_AUTHORIZATION or id == FIELD_COOKIE or id == FIELD_SET_COOKIE or id == FIELD_VIA
            or id == FIELD_CONTENT_TYPE or id == FIELD_CONTENT_ENCODING
            or (FIELD_FORWARDED <= id <= FIELD_X_FORWARDED_OTHER)):
        return 0
    for i in range(head.count):
        if fields[i].name_length == length and same_folded(data + fields[i].name, item, length):
            fields[i].flags |= FIELD_NAMED
    return 0


cdef inline int _connection(const char* data, bint request, Head* head, Field* fields, int* options) noexcept nogil:
    """Connection (RFC 9110, 7.6.1), over all its lines. Empty items are passed over (5.6.1.2)."""
    cdef const char* p
    cdef const char* stop
    cdef const char* item = NULL
    cdef size_t length = 0
    cdef unsigned int i
    cdef int done, names = 0
    for i in range(head.count):
        if fields[i].id != FIELD_CONNECTION:
            continue
        p = data + fields[i].value
        stop = p + fields[i].value_length
        while _next_item(&p, stop, &item, &length):
            if length == 0:
                continue
            if scan_class(item, item + length, CLASS_TOKEN) != item + length:
                return -FAULT_FIELD_VALUE
            if length == 5 and name_is(item, b"close", 5):
                options[0] |= OPTION_CLOSE
            elif length == 10 and name_is(item, b"keep-alive", 10):
                options[0] |= OPTION_KEEP_ALIVE
            elif length == 7 and name_is(item, b"upgrade", 7):
                options[0] |= OPTION_UPGRADE
            elif length == 2 and name_is(item, b"te", 2):
                options[0] |= OPTION_TE
            else:
                names += 1
                if names > CONNECTION_NAMES:
                    return -FAULT_FIELD_VALUE
                done = _name_field(data, item, length, request, head, fields)
                if done:
                    return done
    return 0


cdef inline int judge_connection(const char* data, bint request, Head* head, Field* fields) noexcept nogil:
    """Set the flags that follow from Connection (RFC 9112, 9.3), Upgrade and TE; 0 or -Fault."""
    cdef int options = 0, done
    cdef unsigned int i
    if head.seen & (<uint64_t>1 << FIELD_CONNECTION):
        done = _connection(data, request, head, fields, &options)
        if done:
            return done
        if options & OPTION_UPGRADE and head.minor and head.seen & (<uint64_t>1 << FIELD_UPGRADE):
            head.flags |= HEAD_UPGRADE
        if options & OPTION_TE and head.seen & (<uint64_t>1 << FIELD_TE):
            for i in range(head.count):
                if fields[i].id == FIELD_TE and _has_item(data, &fields[i], b"trailers", 8):
                    head.flags |= HEAD_TE_TRAILERS
    if not options & OPTION_CLOSE and (head.minor or options & OPTION_KEEP_ALIVE):
        head.flags |= HEAD_KEEP_ALIVE
    return 0
