# HTTP/1.1 heads and trailer sections: bytes in, offsets out. No descriptor, no allocation.

from limen.engine.types cimport Field, Head, HeadLimits


# Parse a request head that starts at `data`. Returns its size in bytes (> 0) and fills
# `head` and `fields` (room for `limits.count` entries); 0 if it is not whole yet; or
# -Fault. At most `limits` bytes are ever looked at.
cdef int parse_request(const char* data, size_t size, const HeadLimits* limits,
                       Head* head, Field* fields) noexcept nogil

# The same for a response head. `method` (types.Method) of the request and whether it was a
# CONNECT decide the framing (RFC 9112, 6.3). 1xx heads are returned like any other.
cdef int parse_response(const char* data, size_t size, const HeadLimits* limits, int method,
                        Head* head, Field* fields) noexcept nogil

# The trailer section after the last chunk, from its first byte to its empty line.
# Fields that may not be trailers (framing, routing, authentication: RFC 9110, 6.5.1) are FAULT_TRAILER.
# Returns the size, 0 or -Fault; *count gets the number of fields.
cdef int parse_trailers(const char* data, size_t size, const HeadLimits* limits,
                        Field* fields, unsigned int* count) noexcept nogil

# Whether data holds the end of a head (or something the parser will refuse): cheap, looks only
# at bytes from *scanned on and moves it. Keeps byte-by-byte senders linear.
cdef bint head_ready(const char* data, size_t size, size_t* scanned) noexcept nogil
