# An HTTP/1.1 connection from a client: one exchange at a time, requests in the order they came.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from limen.engine.accepted cimport Accepted
from limen.engine.http1.chunked cimport ChunkDecoder
from limen.engine.ways cimport Way
from limen.engine.worker cimport Pipe


cdef enum ClientState:
    CLIENT_HEAD = 0           # idle, or a head is coming
    CLIENT_CONTENT = 1
    CLIENT_TRAILERS = 2
    CLIENT_WAIT = 3           # the request is over, the response is not
    CLIENT_TUNNEL = 4
    CLIENT_CLOSING = 5        # the last bytes go out, then the connection ends


cdef class Http1Client(Accepted):
    cdef uint8_t state
    cdef uint8_t framing
    cdef uint8_t minor
    cdef bint keep_alive
    cdef bint chunked         # of the response
    cdef bint silent          # no content follows the response's head
    cdef bint response_over
    cdef bint served          # at least one request
    cdef bint lingering       # our side is shut; reading off what still comes
    cdef uint64_t remaining
    cdef ChunkDecoder decoder
    cdef char* ahead          # owned; bytes not worked on yet: a partial head, or pipelined requests
    cdef uint32_t ahead_start
    cdef uint32_t ahead_end
    cdef uint32_t ahead_room
    cdef size_t scanned
    cdef Way way              # of a client that does not speak HTTP to us; None: it does, or has not begun
    cdef Pipe* pipe           # owned while content is spliced
    cdef uint64_t since       # monotonic ns: content began, or the reader got stuck
    cdef uint64_t mark        # bytes moved by then
    cdef uint64_t noted       # bytes of content when the timer fired last
    cdef uint64_t noted_at    # monotonic ns: when that number was seen first

    cdef void on_readable(self) noexcept
    cdef size_t process(self, const char* data, size_t size) noexcept
    cdef int take_head(self, const char* data, size_t size) noexcept
    cdef size_t take_content(self, const char* data, size_t size) noexcept
    cdef int splice_content(self) noexcept
    cdef void content_over(self, const char* base, unsigned int trailers) noexcept
    cdef void fail(self, int fault) noexcept
    cdef void save(self, const char* data, size_t size) noexcept
    cdef void close_gently(self) noexcept
    cdef void on_eof(self) noexcept
    cdef void arm_content(self) noexcept
    cdef void arm_look(self) noexcept
    cdef void answer_malformed(self, int fault) noexcept
    cdef void read_off(self) noexcept
    cdef bint partial_only(self) noexcept
    cdef bint is_idle(self) noexcept
    cdef void go_on(self) noexcept
    cdef void follow(self) noexcept
    cdef void hand_on(self, const char* data, size_t size) noexcept
