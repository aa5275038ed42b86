# What an exchange or its tunnel may carry: bandwidth taken from the cells of limits before it is used, quotas counted
# as it passes. Only exchanges that such a limit is for have one. Limits come from a route or listener, and from the
# access rule that let it pass; those of all count together.
#
# Bandwidth is taken in grants (a quarter of a burst at most) and read only as far as it was taken, so that all workers
# together never pass more than burst and rate allow. Without a grant nothing is read: the kernel's buffers fill, and
# the peer slows down.

from libc.stdint cimport int64_t, uint64_t

from limen.engine.guard cimport Guard, Limit
from limen.engine.quotas cimport QuotaCell
from limen.engine.reactor cimport Handler
from limen.engine.stream cimport Party, Stream


cdef enum:
    # ways
    METER_UP = 0              # from the client
    METER_DOWN = 1
    METER_PARTS = 16          # limits: those of a route or listener, and those of a rule


cdef struct MeterPart:
    void* limit               # a Limit, borrowed from its guard
    void* guard               # a Guard, borrowed from Meter.guards
    uint64_t tag              # of the limit's key
    int64_t cost              # bandwidth: ns of one grant
    int64_t burst             # ns
    QuotaCell* cell           # borrowed from worker.quotas; NULL: no place was left
    uint64_t ends             # monotonic ns: the cell's period is over


cdef class Meter(Handler):
    cdef Party exchange       # None: it is over
    cdef Party tunnel         # None: content passes by streams
    cdef list guards          # those whose limits count
    cdef MeterPart parts[16]
    cdef int part_count
    cdef int64_t grant        # bytes; 0: no bandwidth limit
    cdef int64_t taken[2]     # by way: bytes that were taken and have not passed; < 0: they passed before
    cdef bint waits[2]
    cdef bint counts          # there is a quota of bytes
    cdef uint64_t rings       # monotonic ns; 0: not
    cdef int spent            # number + 1 of the part whose quota is used up; 0: none

    # Measure by this limit, too: its part, the last one. False, and nothing is laid: there is no room.
    cdef bint lay(self, Guard guard, Limit limit, uint64_t tag) noexcept
    # All limits are laid.
    cdef void settle(self) noexcept
    cdef bint has(self, Guard guard) noexcept
    # No limit of this guard counts any more.
    cdef void leave(self, Guard guard) noexcept
    # Bytes that may be read now, at most `most`; 0: it rings when there are some, or a quota is `spent`.
    cdef uint64_t open(self, int way, uint64_t most) noexcept
    cdef void passed(self, int way, uint64_t size) noexcept
    # Nothing comes at the moment: others may have what was taken.
    cdef void give_back(self, int way) noexcept
    # Of an exchange: content will come from `source`; content has come.
    cdef void bound(self, Stream source) noexcept
    cdef void count(self, Stream source, uint64_t size) noexcept
    # Over: what was taken is given back, both streams are let go.
    cdef void stop(self) noexcept

    cdef bint take(self, int way) noexcept
    cdef void enter_period(self, MeterPart* part) noexcept
    cdef QuotaCell* cell_now(self, MeterPart* part) noexcept
    cdef uint64_t share(self, uint64_t most) noexcept
    cdef void warn(self, Limit limit, int64_t used) noexcept
    cdef void ring(self, uint64_t when) noexcept
    # Note on the exchange which quota is used up.
    cdef void mark(self) noexcept
    cdef void let_in(self, Stream source) noexcept


cdef Meter new_meter(Party exchange)
