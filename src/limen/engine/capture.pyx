# Bounded copies: content is kept from its first byte on, without a gap, as far as its capture has room.

cimport cython
from libc.stdint cimport uint64_t

from limen.engine.keep cimport new_keep


cdef enum:
    FIELD_WEIGHT = 192        # of the objects that a field is made of, beside its bytes


@cython.final
cdef class Capture:
    """A capture, as exchanges know it.

    `body`: bytes kept of the content of each message. `held_most`: bytes in memory at a time, of exchanges under way
    and of those not yet let go of: with three quarters of them content is cut short, with all of them exchanges are
    lost. `take` is called with every exchange that is over.
    """

    def __init__(self, str name, *, uint64_t body, uint64_t held_most, take):
        self.name = name
        self.body = body
        self.held_most = held_most
        self.content_until = held_most - held_most // 4
        self.take = take

    cdef void lose(self) noexcept:
        self.lost += 1

    def __repr__(self) -> str:
        return f"<Capture {self.name} held={self.held} lost={self.lost}>"


@cython.final
@cython.no_gc
cdef class Side:
    """One message: fields as (name, value), sizes, and the beginning of its content."""

    cdef void weigh(self, Capture capture, size_t fields) noexcept:
        self.weight = self.head_size + fields * FIELD_WEIGHT
        capture.held += self.weight

    cdef bint wants(self, Capture capture) noexcept:
        """Whether more of the content is to be kept; if not, it need not be seen any more."""
        # once and for all: from then on it may be spliced
        if self.kept != self.size or self.kept >= capture.body or capture.held >= capture.content_until:
            self.cut = True
        return not self.cut

    cdef void append(self, Capture capture, const char* data, size_t size) noexcept:
        cdef uint64_t take
        if self.wants(capture):
            take = min(<uint64_t>size, capture.body - self.kept, capture.content_until - capture.held)
            try:
                if self.content is None:
                    self.content = new_keep(capture.body, capture.body)
                # a capture that came later may have more room
                self.content.memory_most = self.content.most = max(self.content.most, capture.body)
            except MemoryError:
                take = 0
            if take and self.content.append(data, <size_t>take) == 0:
                self.kept += take
                self.weight += take
                capture.held += take
        self.size += size

    def text(self) -> bytes:
        """What was kept of the content."""
        return self.content.data[:self.content.in_memory] if self.content is not None and self.kept else b""


@cython.final
@cython.no_gc
cdef class Recording:
    """An exchange that is over."""

    def __dealloc__(self):
        self.move(None)

    cdef void move(self, Capture capture) noexcept:
        cdef uint64_t held = 0
        if self.request is not None:
            held += self.request.weight
        if self.response is not None:
            held += self.response.weight
        if self.capture is not None:
            self.capture.held -= held
        self.capture = capture
        if capture is not None:
            capture.held += held
