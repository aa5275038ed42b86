# HostList: a large set of host names in memory that all workers share and only read.
#
# The table: HOST_HEAD 64-bit little-endian words, then buckets of BUCKET words (one cache line each): first those of
# names that are listed, then those of names that are spared. A word is 62 bits of the name's SipHash-1-3 and two flags;
# 0 is free, and a bucket is filled from its beginning. A full one goes on in the next.
#
# Names themselves are not kept: five million take 50 MB instead of 150. That a name which is not listed has the 62 bits
# of one that is happens once in 10**12, and nobody can look for such a name without the key, which is random.

cimport cython
from libc.stdint cimport uint64_t


cdef enum:
    HOST_VERSION = 1
    HOST_HEAD = 16              # words, of which these are in use:
    AT_MAGIC = 0
    AT_VERSION = 1
    AT_BUCKETS = 2              # of listed names
    AT_SPARED = 3               # buckets of spared names
    AT_CLOSEST = 4              # 1: the longer of two names decides (RPZ); 0: a spared name always does
    AT_ENTRIES = 5
    AT_KEY = 6                  # two words
    BUCKET = 8                  # words
    HOST_SELF = 1               # flag: the name itself
    HOST_BELOW = 2              # flag: all names below
    HOST_FLAGS = 3
    # 253 bytes have at most 127 labels
    MOST_SUFFIXES = 128


cdef struct HostListView:
    const uint64_t* listed    # borrowed from the mapping
    const uint64_t* spared
    uint64_t buckets
    uint64_t spared_buckets
    uint64_t key[2]
    uint64_t closest


cdef struct HostHashes:
    # Of a host and the names above it, the longest first; made once for all lists of one key.
    uint64_t key[2]
    uint64_t hashes[MOST_SUFFIXES]
    int count                 # 0: not made


# 64 bits of SipHash-1-3.
cdef uint64_t host_hash(const uint64_t* key, const char* p, size_t n) noexcept nogil
# The bucket that a hash begins with.
cdef inline uint64_t first_bucket(uint64_t h, uint64_t buckets) noexcept nogil:
    return ((h >> 32) * buckets) >> 32
# Whether the list holds a canonical host (at most 255 bytes). `hashes.count` is 0 at the first list that is asked.
cdef bint holds_name(const HostListView* view, HostHashes* hashes, const char* host, size_t n) noexcept nogil

# With a table of the format `suffixes`: where the public suffix of a canonical name begins (publicsuffix.org/list);
# 0 if the whole is one, or no name. `hashes` as above.
cdef size_t suffix_start(const HostListView* view, HostHashes* hashes, const char* host, size_t n) noexcept nogil


@cython.final
cdef class HostList:
    cdef HostListView view        # empty before the first table
    cdef void* mapping            # owned, until replaced or __dealloc__
    cdef size_t size
    cdef readonly uint64_t entries    # distinct names
