# AddressList: a large set of addresses in memory that all workers share and only read. Which party's addresses they are
# is the asker's business.
#
# The table, in 64-bit little-endian words: LIST_HEAD words, then arrays, each beginning on a word.
#   IPv4     disjoint ranges by their first address, found through an index of the upper 16 bits
#   IPv6     ranges of whole /64 networks by their upper half; what is finer, cut at /64, likewise, and
#            within the /64 by the lower half. Every LIST_STEP-th key stands in a sample, and every LIST_STEP-th of
#            those in a smaller one, which a cache holds

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t


cdef enum:
    LIST_VERSION = 1
    LIST_HEAD = 8               # words
    LIST_INDEX = 65537            # entries of the index: 32768.5 words, so 32769
    LIST_INDEX_WORDS = 32769
    LIST_STEP = 16                # keys: two cache lines


cdef struct ListView:
    # Where the arrays of a mapped table lie; all borrowed from the mapping.
    uint64_t count4
    uint64_t count6
    uint64_t count_fine
    const uint32_t* index4
    const uint32_t* first4
    const uint32_t* last4
    const uint64_t* first6
    const uint64_t* last6
    const uint64_t* sample6
    const uint64_t* top6
    const uint64_t* fine_high
    const uint64_t* fine_first
    const uint64_t* fine_last
    const uint64_t* sample_fine
    const uint64_t* top_fine


# How many of `count` keys stand in a sample.
cdef inline uint64_t sampled(uint64_t count) noexcept nogil:
    return (count + LIST_STEP - 1) // LIST_STEP


# Lay `view` over a table of these counts at `words`; returns its size in words.
cdef uint64_t lay_view(
    ListView* view, const uint64_t* words, uint64_t count4, uint64_t count6, uint64_t count_fine
) noexcept nogil

# `ip` is the 16-byte form of Address.
cdef bint list_contains(const ListView* view, const uint8_t* ip) noexcept nogil


@cython.final
cdef class AddressList:
    cdef ListView view            # empty before the first table
    cdef void* mapping            # owned, until replaced or __dealloc__
    cdef size_t size
    cdef readonly uint64_t entries    # lines of the file
