# An HTTP/1.1 connection to an origin: one exchange at a time, then the pool.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from limen.engine.http1.chunked cimport ChunkDecoder
from limen.engine.stream cimport Party
from limen.engine.tls.contexts cimport ClientContext
from limen.engine.types cimport HeadLimits
from limen.engine.upstream cimport Endpoint, Pooled
from limen.engine.worker cimport Pipe, Worker


cdef enum OriginState:
    ORIGIN_IDLE = 0           # in the pool, or fresh
    ORIGIN_HEAD = 1           # awaits a response head
    ORIGIN_CONTENT = 2
    ORIGIN_TRAILERS = 3
    ORIGIN_COMPLETE = 4       # response over, the request not yet
    ORIGIN_TUNNEL = 5         # switched protocols: the party reads and writes the socket


cdef class Http1Origin(Pooled):
    cdef Worker worker
    cdef uint8_t state
    cdef uint8_t framing
    cdef uint8_t method
    cdef bint keep_alive
    cdef bint reused          # has served before
    cdef bint request_over    # the request was sent to its end
    cdef bint request_chunked
    cdef bint answered        # any byte of a response has come
    cdef bint surplus         # bytes lie behind the head that is being handled
    cdef uint64_t mark        # bytes sent when the timer was set
    cdef uint64_t remaining
    cdef ChunkDecoder decoder
    cdef char* partial        # owned; an incomplete head or trailer section
    cdef uint32_t partial_size
    cdef size_t scanned
    cdef Pipe* pipe           # owned while content is spliced
    cdef uint64_t idle_timeout        # ns, all three
    cdef uint64_t head_timeout
    cdef uint64_t stall_timeout
    cdef long idle_most
    cdef uint64_t retire_at   # monotonic ns: not used again after it; 0 = never
    cdef uint32_t served      # exchanges so far
    cdef uint32_t serves_most # 0 = any number
    cdef HeadLimits limits
    cdef Endpoint links       # where it is counted besides, until it ends

    cdef int start(self, int fd, Endpoint endpoint) noexcept
    cdef void join(self, Endpoint endpoint) noexcept
    cdef void part(self, Endpoint endpoint) noexcept
    # `name`: whom to ask for and to verify, instead of the endpoint's host; `opaque`: no protocol is
    # offered.
    cdef void begin_tls(
        self, ClientContext context, Party party, uint64_t timeout, bytes name=*, bint opaque=*
    ) noexcept
    # It belongs to another endpoint of the same address from now on.
    cdef void move_to(self, Endpoint endpoint) noexcept
    # Into the pool, having served nobody yet.
    cdef void rest(self) noexcept
    cdef void settle(self) noexcept
    cdef void tell_refused(self, str reason) noexcept
    cdef void engage(self, Party party, int method) noexcept
    cdef void on_readable(self) noexcept
    cdef void process(self, const char* data, size_t size) noexcept
    cdef size_t take_content(self, const char* data, size_t size) noexcept
    cdef int splice_content(self) noexcept
    cdef void complete(self, const char* base, unsigned int trailers) noexcept
    cdef void fail(self, int fault) noexcept
    cdef void save(self, const char* data, size_t size) noexcept
    cdef bint is_stale(self) noexcept
    cdef void on_broken(self) noexcept
    cdef void on_eof(self) noexcept
    cdef void drop_partial(self) noexcept
    cdef void take_head(self, const char* data) noexcept
    cdef void hand_on(self, const char* data, size_t size) noexcept


cdef Http1Origin new_origin(Worker worker)
