# HTTP/1.1 heads and trailer sections (RFC 9112): one pass from left to right, each byte judged once, so that
# a fault found in a part of a head is the fault of every continuation. Offsets out, nothing copied.
#
# The rule: where two parsers could disagree, the message is refused. Stricter than the RFC are, on purpose:
# bare LF as line end, white space anywhere the grammar has none, repeated or listed Content-Length even if
# equal, any transfer coding but `chunked` alone, any Transfer-Encoding in HTTP/1.0, Transfer-Encoding together
# with Content-Length, Content-Length or Transfer-Encoding in 1xx and 204. More lenient: a status line may
# end right after the status code (many servers omit the space), and 204 may say Content-Length: 0.
#
# limits.line counts the start line without its CRLF; limits.fields counts the field lines with theirs, but
# not the empty line that ends the head. An empty line before a request is the connection's matter.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from limen.engine.bytes cimport (
    CLASS_NAME, CLASS_PATH, CLASS_QUERY, CLASS_SCHEME, CLASS_TOKEN, HEX,
    is_blank, is_digit, load4, load8, name_is, parse_decimal, same_folded, scan_class, scan_value,
)
from limen.engine.http1.authority cimport is_authority
from limen.engine.http1.names cimport field_id, is_trailer_refused
from limen.engine.http1.persistence cimport judge_connection
from limen.engine.types cimport *


cdef enum:
    METHOD_LENGTH = 32        # longest method; the longest registered one has 17 letters
    DONE = 1                  # a step succeeded; otherwise it returns 0 (incomplete) or -Fault


cdef enum Section:
    SECTION_REQUEST
    SECTION_RESPONSE
    SECTION_SUCCESSFUL_CONNECT    # its framing fields mean nothing (RFC 9110, 9.3.6)
    SECTION_TRAILERS


cdef struct Span:
    # What a step may look at. `stop` is the end of the data or of the limit, whichever comes first.
    const char* p             # borrowed from the caller of parse_*
    const char* stop          # the same
    int short                 # what to return at `stop`: 0 for more, or the fault of the limit


cdef inline int _refuse(const Span* span, int fault) noexcept nogil:
    """The verdict on a byte that may not stand here: a bare line end is named as such."""
    cdef const char* p = span.p
    if p[0] == b'\n':
        return -FAULT_LINE_ENDING
    if p[0] == b'\r':
        if p + 1 == span.stop:
            return span.short
        if p[1] != b'\n':
            return -FAULT_LINE_ENDING
    return -fault


cdef inline int _line_end(Span* span, int fault) noexcept nogil:
    """Exactly CRLF comes next."""
    if span.p == span.stop:
        return span.short
    if span.p[0] != b'\r':
        return _refuse(span, fault)
    if span.p + 1 == span.stop:
        return span.short
    if span.p[1] != b'\n':
        return -FAULT_LINE_ENDING
    span.p += 2
    return DONE


cdef int _version(Span* span, uint8_t* minor) noexcept nogil:
    """HTTP-version (RFC 9112, 2.3): a higher minor is read as 1, another major is not spoken here."""
    cdef const char* name = b"HTTP/"
    cdef int i
    for i in range(8):
        if span.p + i == span.stop:
            return span.short
        if i < 5:
            if span.p[i] == name[i]:
                continue
        elif i == 6:
            if span.p[i] == b'.':
                continue
        elif is_digit(span.p[i]):
            continue
        span.p += i
        return _refuse(span, FAULT_START_LINE)
    if span.p[5] != b'1':
        return -FAULT_VERSION
    minor[0] = 0 if span.p[7] == b'0' else 1
    span.p += 8
    return DONE


# --- the request line -----------------------------------------------------------------

cdef inline int _method_id(const char* method, size_t length) noexcept nogil:
    """Method; case matters (RFC 9110, 9.1)."""
    if length == 3:
        if method[0] == b'G' and method[1] == b'E' and method[2] == b'T': return METHOD_GET
        if method[0] == b'P' and method[1] == b'U' and method[2] == b'T': return METHOD_PUT
    elif length == 4:
        if load4(method) == load4(b"POST"): return METHOD_POST
        if load4(method) == load4(b"HEAD"): return METHOD_HEAD
    elif length == 5:
        if load4(method) == load4(b"PATC") and method[4] == b'H': return METHOD_PATCH
        if load4(method) == load4(b"TRAC") and method[4] == b'E': return METHOD_TRACE
    elif length == 6:
        if load4(method) == load4(b"DELE") and load4(method + 2) == load4(b"LETE"): return METHOD_DELETE
    elif length == 7:
        if load4(method) == load4(b"OPTI") and load4(method + 3) == load4(b"IONS"): return METHOD_OPTIONS
        if load4(method) == load4(b"CONN") and load4(method + 3) == load4(b"NECT"): return METHOD_CONNECT
    return METHOD_OTHER


cdef inline int _method(const char* data, Span* span, Head* head) noexcept nogil:
    cdef size_t length
    span.p = scan_class(span.p, span.stop, CLASS_TOKEN)
    length = span.p - data
    if length > METHOD_LENGTH:
        return -FAULT_START_LINE
    if span.p == span.stop:
        return span.short
    if span.p[0] != b' ' or length == 0:
        return _refuse(span, FAULT_START_LINE)
    head.method_length = <uint32_t>length
    head.method = <uint8_t>_method_id(data, length)
    span.p += 1
    return DONE


cdef inline int _path_and_query(const char* data, Span* span, Head* head) noexcept nogil:
    """*( path byte ) [ "?" query ], up to a byte that belongs to neither."""
    cdef const char* begin = span.p
    cdef const char* p
    head.path = <uint32_t>(begin - data)
    while True:
        p = scan_class(span.p, span.stop, CLASS_PATH)
        span.p = p
        if p == span.stop:
            return span.short
        if p[0] != b'%':
            break
        if p + 1 == span.stop:
            return span.short
        if HEX[<uint8_t>p[1]] == 0xff:
            return -FAULT_TARGET
        if p + 2 == span.stop:
            return span.short
        if HEX[<uint8_t>p[2]] == 0xff or (p[1] == b'0' and p[2] == b'0'):
            return -FAULT_TARGET
        span.p = p + 3
    head.path_length = <uint32_t>(p - begin)
    if p[0] == b'?':
        begin = p + 1
        span.p = scan_class(begin, span.stop, CLASS_QUERY)
        if span.p == span.stop:
            return span.short
        head.has_query = 1
        head.query = <uint32_t>(begin - data)
        head.query_length = <uint32_t>(span.p - begin)
    return DONE


cdef inline int _host_and_port(const char* data, Span* span, Head* head, bint needs_port) noexcept nogil:
    """The authority of a target: its bytes end at the first that no authority can hold."""
    cdef const char* begin = span.p
    cdef char c
    while True:
        if span.p == span.stop:
            return span.short
        c = span.p[0]
        if c == b'/' or c == b'?' or c == b' ' or c == b'\r' or c == b'\n':
            break
        span.p += 1
    if not is_authority(begin, span.p - begin, needs_port):
        return _refuse(span, FAULT_TARGET) if c == b'\r' or c == b'\n' else -FAULT_TARGET
    head.authority = <uint32_t>(begin - data)
    head.authority_length = <uint32_t>(span.p - begin)
    return DONE


cdef int _absolute(const char* data, Span* span, Head* head) noexcept nogil:
    """scheme "://" authority path-abempty [ "?" query ] (RFC 9112, 3.2.2)."""
    cdef const char* begin = span.p
    cdef const char* mark = b"://"
    cdef size_t length
    cdef int i, done
    span.p = scan_class(begin, span.stop, CLASS_SCHEME)
    length = span.p - begin
    for i in range(3):
        if span.p == span.stop:
            return span.short
        if span.p[0] != mark[i]:
            return _refuse(span, FAULT_TARGET)
        span.p += 1
    if length == 4 and name_is(begin, b"http", 4):
        head.scheme = SCHEME_HTTP
    elif length == 5 and name_is(begin, b"https", 5):
        head.scheme = SCHEME_HTTPS
    else:
        head.scheme = SCHEME_OTHER
    head.form = FORM_ABSOLUTE
    done = _host_and_port(data, span, head, False)
    if done != DONE:
        return done
    return _path_and_query(data, span, head)


cdef inline int _target(const char* data, Span* span, Head* head) noexcept nogil:
    """request-target (RFC 9112, 3.2): the form follows from the method and the first byte."""
    cdef int done
    cdef char c
    if span.p == span.stop:
        return span.short
    c = span.p[0]
    head.target = <uint32_t>(span.p - data)
    if head.method == METHOD_CONNECT:
        head.form = FORM_AUTHORITY
        done = _host_and_port(data, span, head, True)
    elif c == b'/':
        head.form = FORM_ORIGIN
        done = _path_and_query(data, span, head)
    elif c == b'*' and head.method == METHOD_OPTIONS:
        head.form = FORM_ASTERISK
        span.p += 1
        done = DONE if span.p != span.stop else span.short
    elif <uint8_t>((c | 0x20) - 97) < 26:
        done = _absolute(data, span, head)
    else:
        return _refuse(span, FAULT_START_LINE if is_blank(c) or c == b'\r' else FAULT_TARGET)
    if done != DONE:
        return done
    if span.p[0] != b' ':
        c = span.p[0]
        return _refuse(span, FAULT_START_LINE if c == b'\r' or c == b'\t' else FAULT_TARGET)
    head.target_length = <uint32_t>(span.p - data) - head.target
    span.p += 1
    return DONE


cdef inline int _request_line(const char* data, Span* span, Head* head) noexcept nogil:
    cdef int done = _method(data, span, head)
    if done != DONE:
        return done
    done = _target(data, span, head)
    if done != DONE:
        return done
    if span.stop - span.p >= 10 and load8(span.p) == load8(b"HTTP/1.1"):
        head.minor = 1
        span.p += 8
    else:
        done = _version(span, &head.minor)
        if done != DONE:
            return done
    return _line_end(span, FAULT_START_LINE)


cdef inline int _status_line(const char* data, Span* span, Head* head) noexcept nogil:
    """HTTP-version SP 3DIGIT [ SP reason ] CRLF (RFC 9112, 4)."""
    cdef const char* begin
    cdef int i, status = 0
    cdef int done = _version(span, &head.minor)
    if done != DONE:
        return done
    for i in range(4):
        if span.p == span.stop:
            return span.short
        if i == 0:
            if span.p[0] != b' ':
                return _refuse(span, FAULT_START_LINE)
        elif is_digit(span.p[0]):
            status = status * 10 + <uint8_t>(<uint8_t>span.p[0] - 48)
        else:
            return _refuse(span, FAULT_START_LINE)
        span.p += 1
    if status < 100 or status > 599:
        return -FAULT_START_LINE
    head.status = <uint16_t>status
    if span.p == span.stop:
        return span.short
    if span.p[0] == b' ':
        begin = span.p + 1
        span.p = scan_value(begin, span.stop)
        head.reason = <uint32_t>(begin - data)
        head.reason_length = <uint32_t>(span.p - begin)
    return _line_end(span, FAULT_START_LINE)


# --- fields that mean something here ----------------------------------------------------

cdef inline int _content_length(const char* data, const Field* field, Head* head) noexcept nogil:
    if head.seen & (<uint64_t>1 << FIELD_CONTENT_LENGTH):
        return -FAULT_LENGTH
    if parse_decimal(data + field.value, field.value_length, &head.length) < 0:
        return -FAULT_LENGTH
    return DONE


cdef inline int _transfer_encoding(const char* data, const Field* field, const Head* head) noexcept nogil:
    if head.minor == 0 or head.seen & (<uint64_t>1 << FIELD_TRANSFER_ENCODING):
        return -FAULT_CODING
    if field.value_length != 7 or not name_is(data + field.value, b"chunked", 7):
        return -FAULT_CODING
    return DONE


cdef inline int _host(const char* data, const Field* field, Head* head) noexcept nogil:
    if head.seen & (<uint64_t>1 << FIELD_HOST):
        return -FAULT_HOST
    if not is_authority(data + field.value, field.value_length, False):
        return -FAULT_HOST
    head.host = field.value
    head.host_length = field.value_length
    return DONE


cdef inline int _recognised(const char* data, const Field* field, int section, Head* head) noexcept nogil:
    """Judge a field that framing, routing or persistence depend on; Connection waits for the whole head."""
    cdef int id = field.id
    if id == FIELD_HOST:
        return _host(data, field, head) if section == SECTION_REQUEST else DONE
    if id == FIELD_CONTENT_LENGTH:
        return _content_length(data, field, head) if section != SECTION_SUCCESSFUL_CONNECT else DONE
    if id == FIELD_TRANSFER_ENCODING:
        return _transfer_encoding(data, field, head) if section != SECTION_SUCCESSFUL_CONNECT else DONE
    if id == FIELD_EXPECT and section == SECTION_REQUEST:
        if field.value_length != 12 or not same_folded(data + field.value, b"100-continue", 12):
            return -FAULT_EXPECTATION
        if head.minor:                    # HTTP/1.0 cannot be told to go on (RFC 9110, 10.1.1)
            head.flags |= HEAD_EXPECT_CONTINUE
    return DONE


# --- field lines ------------------------------------------------------------------------

cdef inline int _name_end(Span* span, bint underscores, const char* begin) noexcept nogil:
    """From the first byte of a field line to its colon."""
    while True:
        span.p = scan_class(span.p, span.stop, CLASS_NAME)
        if span.p == span.stop:
            return span.short
        if span.p[0] != b'_':
            break
        if not underscores:
            return -FAULT_UNDERSCORE
        span.p += 1
    if span.p[0] == b':' and span.p != begin:
        return DONE
    if span.p == begin and is_blank(span.p[0]):
        return -FAULT_OBS_FOLD
    return _refuse(span, FAULT_FIELD_NAME)


cdef inline int _field(const char* data, Span* span, bint underscores, Field* field) noexcept nogil:
    """One field line with its CRLF."""
    cdef const char* begin = span.p
    cdef const char* value
    cdef const char* last
    cdef const char* colon
    cdef int done = _name_end(span, underscores, begin)
    if done != DONE:
        return done
    colon = span.p
    value = colon + 1
    while value != span.stop and is_blank(value[0]):
        value += 1
    span.p = last = scan_value(value, span.stop)
    done = _line_end(span, FAULT_FIELD_VALUE)
    if done != DONE:
        return done
    field.flags = FIELD_CANONICAL if value == colon + 2 and colon[1] == b' ' else 0
    if last != value and is_blank((last - 1)[0]):
        field.flags = 0
        while is_blank((last - 1)[0]):         # a value does not begin with a blank: this ends
            last -= 1
    field.name = <uint32_t>(begin - data)
    field.name_length = <uint16_t>(colon - begin)
    field.value = <uint32_t>(value - data)
    field.value_length = <uint16_t>(last - value)
    field.id = <uint8_t>field_id(begin, colon - begin)
    return DONE


cdef int _fields(const char* data, Span* span, const HeadLimits* limits, int section,
                 Head* head, Field* fields) noexcept nogil:
    """Field lines up to and with the empty line."""
    cdef unsigned int limit = limits.trailers if section == SECTION_TRAILERS else limits.count
    cdef unsigned int count = 0
    cdef Field* field
    cdef int done
    if limit > MAX_FIELDS:
        limit = MAX_FIELDS
    while True:
        if span.p == span.stop:
            return span.short
        if span.p[0] == b'\r':
            break
        if count == limit:
            return -FAULT_FIELDS_TOO_LARGE
        field = &fields[count]
        done = _field(data, span, limits.allow_underscore != 0, field)
        if done != DONE:
            return done
        if section == SECTION_TRAILERS:
            if is_trailer_refused(data + field.name, field.name_length, field.id):
                return -FAULT_TRAILER
        elif field.id != FIELD_OTHER:
            done = _recognised(data, field, section, head)
            if done != DONE:
                return done
            head.seen |= <uint64_t>1 << field.id
        count += 1
    done = _line_end(span, FAULT_LINE_ENDING)
    if done == DONE:
        head.count = <uint16_t>count
        head.size = <uint32_t>(span.p - data)
    return done


# --- what the engine calls ----------------------------------------------------------------

cdef inline Span _span(const char* p, const char* end, uint32_t limit, int fault) noexcept nogil:
    """At most `limit` bytes and two for a line end, of the rest of the data. Whoever comes to the end of
    that without success has more than `limit` bytes before him."""
    cdef Span span
    cdef size_t most = (limit if limit < MAX_HEAD else MAX_HEAD) + 2
    span.p = p
    if <size_t>(end - p) >= most:
        span.stop = p + most
        span.short = -fault
    else:
        span.stop = end
        span.short = 0
    return span


cdef int parse_request(const char* data, size_t size, const HeadLimits* limits,
                       Head* head, Field* fields) noexcept nogil:
    cdef Span span = _span(data, data + size, limits.line, FAULT_URI_TOO_LONG)
    cdef uint64_t framing
    cdef int done
    memset(head, 0, sizeof(Head))
    done = _request_line(data, &span, head)
    if done != DONE:
        return done
    span = _span(span.p, data + size, limits.fields, FAULT_FIELDS_TOO_LARGE)
    done = _fields(data, &span, limits, SECTION_REQUEST, head, fields)
    if done != DONE:
        return done
    if head.minor and head.host_length == 0:
        return -FAULT_HOST
    framing = head.seen & (<uint64_t>1 << FIELD_CONTENT_LENGTH | <uint64_t>1 << FIELD_TRANSFER_ENCODING)
    if framing:
        if framing & (framing - 1):
            return -FAULT_LENGTH_AND_CODING
        head.framing = (FRAMING_LENGTH if framing == <uint64_t>1 << FIELD_CONTENT_LENGTH
                        else FRAMING_CHUNKED)
        # CONNECT has no content (RFC 9110, 9.3.6): to some parsers these bytes would be content, to others tunnel
        if head.method == METHOD_CONNECT and head.framing == FRAMING_CHUNKED:
            return -FAULT_CODING
        if head.method == METHOD_CONNECT and head.length:
            return -FAULT_LENGTH
    done = judge_connection(data, True, head, fields)
    return <int>head.size if done == 0 else done


cdef int _response_framing(Head* head, int section, int method) noexcept nogil:
    """RFC 9112, 6.3."""
    cdef bint coded = (head.seen >> FIELD_TRANSFER_ENCODING) & 1
    cdef bint counted = (head.seen >> FIELD_CONTENT_LENGTH) & 1
    cdef uint64_t length = head.length
    head.length = 0
    if section == SECTION_SUCCESSFUL_CONNECT:
        return DONE
    if coded and counted:
        return -FAULT_LENGTH_AND_CODING
    if head.status < 200 or head.status == 204:
        if coded:
            return -FAULT_CODING
        if counted and (head.status != 204 or length != 0):
            return -FAULT_LENGTH
        return DONE
    if method == METHOD_HEAD or head.status == 304:
        return DONE
    if coded:
        head.framing = FRAMING_CHUNKED
    elif counted:
        head.framing = FRAMING_LENGTH
        head.length = length
    else:
        head.framing = FRAMING_CLOSE
    return DONE


cdef int parse_response(const char* data, size_t size, const HeadLimits* limits, int method,
                        Head* head, Field* fields) noexcept nogil:
    cdef Span span = _span(data, data + size, limits.line, FAULT_URI_TOO_LONG)
    cdef int done, section = SECTION_RESPONSE
    memset(head, 0, sizeof(Head))
    done = _status_line(data, &span, head)
    if done != DONE:
        return done
    if method == METHOD_CONNECT and 200 <= head.status < 300:
        section = SECTION_SUCCESSFUL_CONNECT
    span = _span(span.p, data + size, limits.fields, FAULT_FIELDS_TOO_LARGE)
    done = _fields(data, &span, limits, section, head, fields)
    if done != DONE:
        return done
    done = _response_framing(head, section, method)
    if done != DONE:
        return done
    done = judge_connection(data, False, head, fields)
    return <int>head.size if done == 0 else done


cdef int parse_trailers(const char* data, size_t size, const HeadLimits* limits,
                        Field* fields, unsigned int* count) noexcept nogil:
    cdef Span span = _span(data, data + size, limits.fields, FAULT_FIELDS_TOO_LARGE)
    cdef Head head
    cdef int done
    memset(&head, 0, sizeof(Head))
    count[0] = 0
    done = _fields(data, &span, limits, SECTION_TRAILERS, &head, fields)
    if done != DONE:
        return done
    count[0] = head.count
    return <int>head.size


cdef bint head_ready(const char* data, size_t size, size_t* scanned) noexcept nogil:
    # Every control character ends a run of the scan: a line end, or a byte that the parser will refuse.
    cdef const char* stop = data + size
    cdef const char* p = data + scanned[0]
    while True:
        p = scan_value(p, stop)
        if p == stop:
            scanned[0] = size
            return False
        if p[0] != b'\r':
            break                         # a bare LF or another control character
        if p + 1 == stop:
            scanned[0] = p - data         # look again with the next byte
            return False
        if p[1] != b'\n':
            break
        p += 2
        if p - data == 2 or (p - data >= 4 and (p - 3)[0] == b'\n'):
            break
    scanned[0] = p - data
    return True
