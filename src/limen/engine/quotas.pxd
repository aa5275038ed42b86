# Cells of quotas, in a file that all workers map: what each key has used of its present hour, day or month. The mapping
# is the file, so that what was counted outlives every process. limen/observe/quotas.py makes the file and holds the
# same numbers; a test compares them.
#
# A tag names limit, key and period: another period is another cell, and none has to be emptied at midnight. A cell
# whose period is over is free for another tag. It lies within QUOTA_WINDOW places of where its tag says.

cimport cython
from libc.stdint cimport int64_t, uint64_t


cdef enum:
    QUOTAS_VERSION = 1
    QUOTAS_HEAD = 4096            # bytes before the first cell
    QUOTA_WINDOW = 16             # places: eight cache lines
    QUOTA_BUSY = 1                # a tag: somebody is about to take this cell


cdef enum Period:
    PERIOD_HOUR = 0
    PERIOD_DAY = 1                # of UTC
    PERIOD_MONTH = 2


cdef struct QuotaCell:
    uint64_t tag                  # 0: never used
    int64_t used                  # bytes, or requests
    int64_t until                 # epoch seconds: its period ends
    int64_t spare


# The period that `second` (of the epoch) lies in: its first second, and the first one after it.
cdef void period_of(int kind, int64_t second, int64_t* start, int64_t* end) noexcept nogil


@cython.final
cdef class QuotaCells:
    cdef char* mapping            # owned, until __dealloc__
    cdef size_t size
    cdef QuotaCell* cells         # borrowed from mapping
    cdef uint64_t mask            # places - 1
    cdef uint64_t seed            # the file's own and secret, as that of LimitCells

    # The cell of a tag, taken over if it had none; NULL: no place is left. It stays the tag's until `until`.
    cdef QuotaCell* find(self, uint64_t tag, int64_t now, int64_t until) noexcept nogil
    # Count; what was used before.
    cdef int64_t add(self, QuotaCell* cell, int64_t amount) noexcept nogil
    cdef int64_t used(self, const QuotaCell* cell) noexcept nogil
