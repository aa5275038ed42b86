# Heads and chunk lines as HTTP/1.1 bytes.

from limen.engine.stream cimport OutHead
from limen.engine.types cimport Field
from limen.engine.worker cimport Worker


# Serialise into arena memory of the worker. Returns the bytes (valid until reactor.flush()) and
# their number in *size, or NULL when the head does not fit the arena.
# `minor` is the peer's: a 1.0 client gets "keep-alive" spelt out.
cdef char* write_request(Worker worker, OutHead* head, size_t* size) noexcept
cdef char* write_response(Worker worker, OutHead* head, int minor, bint chunked, bint close, size_t* size) noexcept

# "1f\r\n" for a chunk of `size` bytes; returns its length (at most 18).
cdef int write_chunk_line(char* out, size_t size) noexcept nogil
cdef char* write_trailers(
    Worker worker, const char* base, const Field* trailers, unsigned int count, size_t* size
) noexcept
