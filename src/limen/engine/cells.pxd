# Cells of rate and concurrency limits, in memory that all workers map. A cell is a tag (which limit, which key) and one
# number; both change by atomic steps alone, so that all workers count as one would.
#
#   rate          number = the time (monotonic ns) up to which the key has used its rate: GCRA's theoretical arrival
#   concurrency   number = exchanges in flight
#
# A cell whose number says nothing any more (a time in the past, or none in flight) is free for another key, whatever
# its tag. A key lies within CELL_WINDOW places of where its tag says. limen/observe/limits.py makes the memory and
# holds the same numbers; a test compares them.

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef enum:
    LIMITS_VERSION = 1
    LIMITS_HEAD = 65536         # bytes before the first worker's counts: the largest page in use
    LIMIT_SLOTS = 1024
    LIMIT_CELLS = 8
    CELL_WINDOW = 16              # places: four cache lines
    LIMITS_MOST = 8               # limits of one route


cdef enum:  # LimitCell
    LIMIT_ALLOWED = 0
    LIMIT_REFUSED = 1             # or, with dry_run, would have been
    LIMIT_FORGOTTEN = 2           # other keys that had to go, all places being taken
    LIMIT_UNCOUNTED = 3           # exchanges that found no place and passed
    LIMIT_HELD = 4                # times that bytes had to wait for bandwidth
    LIMIT_WARNED = 5              # keys that came over a warning threshold of their quota


cdef struct Cell:
    uint64_t tag                  # 0: never used
    int64_t number


@cython.final
cdef class LimitCells:
    cdef char* mapping            # owned, until __dealloc__
    cdef size_t size
    cdef uint64_t* counts         # borrowed from mapping: this worker's, by slot
    cdef Cell* rates              # borrowed from mapping
    cdef Cell* concurrent         # borrowed from mapping
    cdef uint32_t* held           # borrowed from mapping: by place, what this worker has in flight there
    cdef uint64_t mask            # places of each kind - 1
    cdef uint64_t seed            # the same for all workers and secret: nobody outside chooses who shares a window
    cdef int64_t held_at          # offset of `held` in the file
    cdef readonly int worker

    cdef inline void count(self, unsigned int slot, int cell) noexcept nogil:
        # Slots out of range are dropped: the supervisor hands them out and knows the bounds.
        if slot < LIMIT_SLOTS:
            self.counts[slot * LIMIT_CELLS + cell] += 1

    # Use one interval (ns) of a key's rate, if at most `burst` ns are used then. >= 0: allowed, the ns that are used;
    # < 0: refused, and the negated ns after which it would be allowed.
    cdef int64_t charge(
        self, uint64_t tag, int64_t now, int64_t interval, int64_t burst, unsigned int slot
    ) noexcept nogil
    # Give back what charge() has just taken.
    cdef void refund(self, uint64_t tag, int64_t interval) noexcept nogil
    # Use that much of a key's rate, whether it is there or not: what comes after has to wait.
    cdef void owe(self, uint64_t tag, int64_t now, int64_t amount, unsigned int slot) noexcept nogil
    # One more in flight, if there are fewer than `most`. > 0: the place for leave(); 0: refused; -1: no place is left.
    cdef int64_t enter(self, uint64_t tag, int64_t most, unsigned int slot) noexcept nogil
    cdef void leave(self, int64_t place) noexcept nogil

    # What is used of a key's rate (ns), and how many are in flight; nothing is changed.
    cdef int64_t used(self, uint64_t tag, int64_t now) noexcept nogil
    cdef int64_t in_flight(self, uint64_t tag) noexcept nogil

    cdef Cell* find_rate(self, uint64_t tag, int64_t now, unsigned int slot) noexcept nogil
    cdef Cell* join_twins(self, uint64_t tag, int64_t now, Cell* mine) noexcept nogil
    cdef Cell* find_concurrent(self, uint64_t tag, bint* full) noexcept nogil
