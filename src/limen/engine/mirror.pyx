# A mirror's copy begins when the request was sent whole to its origin, and goes its own way from there: it is never
# waited for, and what it meets is only counted.

cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from limen.engine.board cimport WORKER_MIRRORED, WORKER_MIRRORS_FAILED, WORKER_MIRRORS_SHED
from limen.engine.resilience cimport Resilience
from limen.engine.stream cimport OutField, OutHead, Stream
from limen.engine.types cimport (
    FAULT_NONE,
    FAULT_RESPONSE,
    FAULT_UPGRADE,
    FRAMING_CHUNKED,
    FRAMING_LENGTH,
    FRAMING_NONE,
    HEAD_EXPECT_CONTINUE,
    Field,
    Head,
)
from limen.engine.worker cimport OUT_FIELDS


cdef enum:
    SWALLOW_MOST = 1048576    # bytes of an answer that are read to keep the connection


cdef void draw_mirror(ExchangeState exchange) noexcept:
    cdef Resilience terms = exchange.action.resilience
    if exchange.is_upgrade:
        return
    exchange.mirroring = <uint32_t>(terms.draw() >> 32) <= terms.mirror_share and terms.mirror_share != 0


cdef bint is_whole(ExchangeState exchange) noexcept:
    """Whether all content is at hand."""
    if exchange.keep is None:
        return exchange.received == 0
    return exchange.replaced or exchange.keep.size == exchange.received


cdef void mirror_request(ExchangeState exchange) noexcept:
    cdef Resilience terms = exchange.action.resilience
    cdef Mirror copy
    exchange.mirroring = False
    if terms.mirrors >= terms.mirror_most or not is_whole(exchange):
        exchange.worker.board.worker_add(WORKER_MIRRORS_SHED, 1)
        return
    try:
        copy = Mirror.__new__(Mirror)
    except MemoryError:
        copy = None
    if copy is None or copy.resemble(exchange) < 0:
        exchange.worker.board.worker_add(WORKER_MIRRORS_SHED, 1)
        return
    copy.terms = terms
    copy.upstream = terms.mirror
    copy.keep = exchange.keep
    copy.until = 0
    # all of it is here, so that its length is known; nobody waits for a 100
    copy.continued = True
    copy.head.flags &= <uint8_t>~HEAD_EXPECT_CONTINUE
    if copy.head.framing == FRAMING_CHUNKED:
        copy.head.framing = FRAMING_LENGTH
        copy.head.length = copy.keep.size if copy.keep is not None else 0
    # what is gathered for the exchange's own origin goes first
    exchange.worker.flush()
    terms.mirrors += 1
    copy.alarm.ring_at(exchange.worker.now + exchange.action.response_timeout)
    if copy.set_out() < 0:
        exchange.worker.board.worker_add(WORKER_MIRRORS_SHED, 1)
        copy.end()


@cython.final
@cython.no_gc
cdef class Mirror(Twin):
    cdef int mark(self) noexcept:
        cdef OutHead* head = &self.worker.out_head
        cdef OutField* field
        if head.count >= OUT_FIELDS:
            return -1
        field = &self.worker.out[head.count]
        field.name = self.terms.mirror_field
        field.name_length = <uint32_t>len(self.terms.mirror_field)
        field.value = b"1"
        field.value_length = 1
        head.count += 1
        self.worker.board.worker_add(WORKER_MIRRORED, 1)
        return 0

    cdef void on_response(self, Stream source, const Head* head, const Field* fields, const char* base) noexcept:
        if self.finished or head.status < 200:
            if head.status == 101:
                self.failed(FAULT_RESPONSE + FAULT_UPGRADE)
            return
        if head.framing != FRAMING_NONE and head.framing != FRAMING_CHUNKED and (
            head.framing != FRAMING_LENGTH or head.length > <uint64_t>SWALLOW_MOST
        ):
            self.end()

    cdef void on_data(self, Stream source, const char* data, size_t size) noexcept:
        self.swallowed += size
        if self.swallowed > <uint64_t>SWALLOW_MOST:
            self.end()

    cdef void on_end(self, Stream source, const char* base, const Field* trailers, unsigned int count) noexcept:
        if self.finished or source is not self.origin:
            return
        self.origin = None
        source.release()
        self.end()

    cdef void on_alarm(self) noexcept:
        self.failed(FAULT_NONE)

    cdef void failed(self, int fault) noexcept:
        if not self.finished:
            self.worker.board.worker_add(WORKER_MIRRORS_FAILED, 1)
            self.end()

    cdef void end(self) noexcept:
        cdef bint first = not self.finished
        Twin.end(self)
        if first:
            self.terms.mirrors -= 1
