# Tests only, not in wheels: shows the HTTP/1.1 codec to Python. Every call parses a copy of exactly the
# given bytes and fields in memory of exactly the promised room, so that a sanitizer sees one byte too many.

from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from limen.engine.http1.chunked cimport CHUNK_DATA, CHUNK_LAST, ChunkDecoder, chunk_begin, chunk_next
from limen.engine.http1.parse cimport head_ready as c_head_ready
from limen.engine.http1.parse cimport parse_request as c_parse_request
from limen.engine.http1.parse cimport parse_response as c_parse_response
from limen.engine.http1.parse cimport parse_trailers as c_parse_trailers
from limen.engine.types cimport *

FAULTS = {
    "START_LINE": FAULT_START_LINE, "TARGET": FAULT_TARGET, "VERSION": FAULT_VERSION,
    "FIELD_NAME": FAULT_FIELD_NAME, "FIELD_VALUE": FAULT_FIELD_VALUE, "LINE_ENDING": FAULT_LINE_ENDING,
    "OBS_FOLD": FAULT_OBS_FOLD, "HOST": FAULT_HOST, "LENGTH": FAULT_LENGTH, "CODING": FAULT_CODING,
    "LENGTH_AND_CODING": FAULT_LENGTH_AND_CODING, "CHUNK": FAULT_CHUNK, "TRAILER": FAULT_TRAILER,
    "UNDERSCORE": FAULT_UNDERSCORE, "URI_TOO_LONG": FAULT_URI_TOO_LONG,
    "FIELDS_TOO_LARGE": FAULT_FIELDS_TOO_LARGE, "EXPECTATION": FAULT_EXPECTATION,
}
METHODS = {
    "OTHER": METHOD_OTHER, "GET": METHOD_GET, "HEAD": METHOD_HEAD, "POST": METHOD_POST, "PUT": METHOD_PUT,
    "DELETE": METHOD_DELETE, "CONNECT": METHOD_CONNECT, "OPTIONS": METHOD_OPTIONS, "TRACE": METHOD_TRACE,
    "PATCH": METHOD_PATCH,
}
FIELD_IDS = {
    "OTHER": FIELD_OTHER, "HOST": FIELD_HOST, "CONTENT_LENGTH": FIELD_CONTENT_LENGTH,
    "TRANSFER_ENCODING": FIELD_TRANSFER_ENCODING, "CONNECTION": FIELD_CONNECTION, "KEEP_ALIVE": FIELD_KEEP_ALIVE,
    "PROXY_CONNECTION": FIELD_PROXY_CONNECTION, "PROXY_AUTHORIZATION": FIELD_PROXY_AUTHORIZATION,
    "PROXY_AUTHENTICATE": FIELD_PROXY_AUTHENTICATE, "PROXY_AUTHENTICATION_INFO": FIELD_PROXY_AUTHENTICATION_INFO,
    "TE": FIELD_TE, "TRAILER": FIELD_TRAILER, "UPGRADE": FIELD_UPGRADE, "EXPECT": FIELD_EXPECT,
    "MAX_FORWARDS": FIELD_MAX_FORWARDS, "VIA": FIELD_VIA, "FORWARDED": FIELD_FORWARDED,
    "X_FORWARDED_FOR": FIELD_X_FORWARDED_FOR, "X_FORWARDED_HOST": FIELD_X_FORWARDED_HOST,
    "X_FORWARDED_PROTO": FIELD_X_FORWARDED_PROTO, "X_FORWARDED_PORT": FIELD_X_FORWARDED_PORT,
    "X_FORWARDED_OTHER": FIELD_X_FORWARDED_OTHER, "X_REAL_IP": FIELD_X_REAL_IP, "CLIENT_IP": FIELD_CLIENT_IP,
    "X_REQUEST_ID": FIELD_X_REQUEST_ID, "DATE": FIELD_DATE, "SERVER": FIELD_SERVER,
    "USER_AGENT": FIELD_USER_AGENT, "REFERER": FIELD_REFERER, "AUTHORIZATION": FIELD_AUTHORIZATION,
    "COOKIE": FIELD_COOKIE, "HTTP2_SETTINGS": FIELD_HTTP2_SETTINGS, "PROXY_STATUS": FIELD_PROXY_STATUS,
    "PROXY_OTHER": FIELD_PROXY_OTHER, "CONTENT_TYPE": FIELD_CONTENT_TYPE,
    "CONTENT_ENCODING": FIELD_CONTENT_ENCODING, "LOCATION": FIELD_LOCATION, "SET_COOKIE": FIELD_SET_COOKIE,
    "RETRY_AFTER": FIELD_RETRY_AFTER, "X_ORIGINAL_URL": FIELD_X_ORIGINAL_URL,
}
_FORMS = {FORM_ORIGIN: "origin", FORM_ABSOLUTE: "absolute", FORM_AUTHORITY: "authority", FORM_ASTERISK: "asterisk"}
_SCHEMES = {SCHEME_NONE: None, SCHEME_HTTP: "http", SCHEME_HTTPS: "https", SCHEME_OTHER: "other"}
_FRAMINGS = {FRAMING_NONE: "none", FRAMING_LENGTH: "length", FRAMING_CHUNKED: "chunked", FRAMING_CLOSE: "close"}


cdef class Limits:
    """HeadLimits. The default is the listener's default."""
    cdef HeadLimits c

    def __init__(self, *, line=8192, fields=32768, count=100, trailers=16, underscores=False):
        self.c.line = line
        self.c.fields = fields
        self.c.count = count
        self.c.trailers = trailers
        self.c.allow_underscore = underscores


cdef class _Copy:
    """The input and the fields, each in memory of its own size."""
    cdef char* data           # owned by this object
    cdef Field* fields        # owned by this object
    cdef size_t size

    def __cinit__(self, bytes source, unsigned int count):
        self.size = len(source)
        self.data = <char*>malloc(self.size)
        self.fields = <Field*>malloc(count * sizeof(Field))
        if (self.size and self.data == NULL) or (count and self.fields == NULL):
            raise MemoryError
        if self.size:
            memcpy(self.data, <const char*>source, self.size)

    def __dealloc__(self):
        free(self.data)
        free(self.fields)

    cdef list listed(self, unsigned int count):
        cdef unsigned int i
        cdef Field* f
        found = []
        for i in range(count):
            f = &self.fields[i]
            found.append((self.data[f.name:f.name + f.name_length], self.data[f.value:f.value + f.value_length],
                          f.id, bool(f.flags & FIELD_CANONICAL), bool(f.flags & FIELD_NAMED)))
        return found


cdef dict _described(_Copy copy, Head* head):
    return {
        "size": head.size,
        "framing": _FRAMINGS[head.framing],
        "length": head.length,
        "minor": head.minor,
        "seen": {i for i in range(64) if head.seen >> i & 1},
        "keep_alive": bool(head.flags & HEAD_KEEP_ALIVE),
        "expect_continue": bool(head.flags & HEAD_EXPECT_CONTINUE),
        "upgrade": bool(head.flags & HEAD_UPGRADE),
        "connection_names": bool(head.flags & HEAD_CONNECTION_NAMES),
        "te_trailers": bool(head.flags & HEAD_TE_TRAILERS),
        "fields": copy.listed(head.count),
    }


def parse_request(bytes data not None, Limits limits = Limits()):
    """The head as a dictionary; 0 if incomplete, -fault if refused."""
    cdef _Copy copy = _Copy(data, limits.c.count)
    cdef Head head
    cdef int size
    with nogil:
        size = c_parse_request(copy.data, copy.size, &limits.c, &head, copy.fields)
    if size <= 0:
        return size
    assert size == <int>head.size and head.size <= copy.size
    found = _described(copy, &head)
    data = copy.data[:size]
    found.update(
        method=data[:head.method_length], method_id=head.method,
        target=data[head.target:head.target + head.target_length],
        form=_FORMS[head.form], scheme=_SCHEMES[head.scheme],
        authority=data[head.authority:head.authority + head.authority_length],
        path=data[head.path:head.path + head.path_length],
        query=data[head.query:head.query + head.query_length] if head.has_query else None,
        host=data[head.host:head.host + head.host_length],
    )
    return found


def parse_response(bytes data not None, int method = METHOD_GET, Limits limits = Limits()):
    """The head as a dictionary; 0 if incomplete, -fault if refused. `method`: one of METHODS."""
    cdef _Copy copy = _Copy(data, limits.c.count)
    cdef Head head
    cdef int size
    with nogil:
        size = c_parse_response(copy.data, copy.size, &limits.c, method, &head, copy.fields)
    if size <= 0:
        return size
    assert size == <int>head.size and head.size <= copy.size
    found = _described(copy, &head)
    found.update(status=head.status, reason=copy.data[head.reason:head.reason + head.reason_length])
    return found


def parse_trailers(bytes data not None, Limits limits = Limits()):
    """(size, fields); 0 if incomplete, -fault if refused."""
    cdef _Copy copy = _Copy(data, limits.c.trailers)
    cdef unsigned int count = 0
    cdef int size
    with nogil:
        size = c_parse_trailers(copy.data, copy.size, &limits.c, copy.fields, &count)
    if size <= 0:
        return size
    return size, copy.listed(count)


def head_ready(bytes data not None, size_t scanned = 0):
    """(ready, scanned)."""
    cdef _Copy copy = _Copy(data, 0)
    cdef bint ready
    if scanned > copy.size:
        raise ValueError("scanned is more than there is")
    with nogil:
        ready = c_head_ready(copy.data, copy.size, &scanned)
    return bool(ready), scanned


cdef class Chunks:
    """A decoder that is fed pieces."""
    cdef ChunkDecoder decoder

    def __init__(self):
        chunk_begin(&self.decoder)

    def feed(self, bytes data not None):
        """(content, bytes consumed, event): event is "more", "last" or -fault."""
        cdef _Copy copy = _Copy(data, 0)
        cdef size_t at = 0, consumed, length
        cdef const char* content
        cdef int event
        out = []
        while True:
            with nogil:
                event = chunk_next(&self.decoder, copy.data + at, copy.size - at, &consumed, &content, &length)
            assert consumed <= copy.size - at
            if event == CHUNK_DATA:
                assert length > 0 and content >= copy.data + at and content + length == copy.data + at + consumed
                out.append(content[:length])
            at += consumed
            if event == CHUNK_DATA:
                continue
            return b"".join(out), at, "last" if event == CHUNK_LAST else event if event < 0 else "more"


def bench(str what, bytes data not None, int rounds, Limits limits = Limits()):
    """Nanoseconds per call of request, response, ready or chunked, over `rounds` calls."""
    cdef _Copy copy = _Copy(data, limits.c.count)
    cdef Head head
    cdef ChunkDecoder decoder
    cdef size_t scanned, consumed, length, at
    cdef const char* content
    cdef uint64_t sum = 0
    cdef timespec begin, end
    cdef int _i, kind = ["request", "response", "ready", "chunked"].index(what), event
    with nogil:
        clock_gettime(CLOCK_MONOTONIC, &begin)
        for _i in range(rounds):
            if kind == 0:
                sum += c_parse_request(copy.data, copy.size, &limits.c, &head, copy.fields)
            elif kind == 1:
                sum += c_parse_response(copy.data, copy.size, &limits.c, METHOD_GET, &head, copy.fields)
            elif kind == 2:
                scanned = 0
                sum += c_head_ready(copy.data, copy.size, &scanned)
            else:
                chunk_begin(&decoder)
                at = 0
                while True:
                    event = chunk_next(&decoder, copy.data + at, copy.size - at, &consumed, &content, &length)
                    at += consumed
                    if event != CHUNK_DATA:
                        break
                sum += event == CHUNK_LAST
        clock_gettime(CLOCK_MONOTONIC, &end)
    if sum == 0:
        raise ValueError("the codec refuses this input")
    return ((end.tv_sec - begin.tv_sec) * 1e9 + (end.tv_nsec - begin.tv_nsec)) / rounds
