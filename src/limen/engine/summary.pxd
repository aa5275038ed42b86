# Who has most, in bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi 2005). A name that is not among those that
# are kept takes the place of the one with the least weight, and inherits that as its error. So every name with more
# than 1/capacity of all weight is there, and what was counted is at most `error` (in weight) less than it was.

from libc.stdint cimport int32_t, uint8_t, uint64_t


cdef enum:
    SUMMARY_NAME = 128            # bytes of a name that are kept; longer ones differ all the same
    EXCHANGE_WEIGHT = 4096        # an exchange weighs as much as so many bytes: many small ones are to be seen, too


cdef struct SummaryCell:
    uint64_t tag                  # keyed hash of the whole name
    uint64_t size                 # bytes since it is kept
    uint64_t exchanges
    uint64_t refused
    uint64_t error
    int32_t next                  # in the chain of its tag; -1: the last
    uint8_t length
    char name[SUMMARY_NAME]


cdef struct SummaryWeight:
    uint64_t weight               # size + EXCHANGE_WEIGHT * exchanges, and the error
    int32_t cell


cdef class Summary:
    cdef SummaryCell* cells       # owned
    cdef int32_t* chains          # owned: first cell, by tag; -1: none
    cdef SummaryWeight* heap      # owned: the least weight first. Apart from the cells, so that it stays in the cache
    cdef int32_t* places          # owned: of cells in the heap
    cdef readonly int capacity    # a power of two
    cdef int count
    cdef uint64_t seed

    cdef void add(
        self, const char* name, size_t length, uint64_t size, uint64_t exchanges, uint64_t refused
    ) noexcept nogil
    # The number of a cell for a name that has none.
    cdef int32_t replace(self, uint64_t tag) noexcept nogil
    cdef void gain(self, int32_t number, uint64_t weight) noexcept nogil
    cdef void clear(self) noexcept nogil
