# Looking up a host and all names above it. Their buckets are fetched together, so that a look-up waits for memory once.

import os

cimport cython
from libc.stdint cimport uint64_t
from libc.string cimport memset
from posix.mman cimport MAP_FAILED, MAP_SHARED, PROT_READ, mmap, munmap


cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #define LIMEN_ROTATE(x, b) (uint64_t)(((x) << (b)) | ((x) >> (64 - (b))))
    #define LIMEN_SIP_ROUND \\
        v0 += v1; v1 = LIMEN_ROTATE(v1, 13); v1 ^= v0; v0 = LIMEN_ROTATE(v0, 32); \\
        v2 += v3; v3 = LIMEN_ROTATE(v3, 16); v3 ^= v2; \\
        v0 += v3; v3 = LIMEN_ROTATE(v3, 21); v3 ^= v0; \\
        v2 += v1; v1 = LIMEN_ROTATE(v1, 17); v1 ^= v2; v2 = LIMEN_ROTATE(v2, 32);
    /* SipHash-1-3 (Aumasson, Bernstein 2012; as in CPython's str): without the key nobody finds equal hashes. */
    static inline uint64_t limen_sip13(const uint64_t *key, const char *p, size_t n) {
        uint64_t v0 = key[0] ^ 0x736F6D6570736575ULL, v1 = key[1] ^ 0x646F72616E646F6DULL;
        uint64_t v2 = key[0] ^ 0x6C7967656E657261ULL, v3 = key[1] ^ 0x7465646279746573ULL;
        uint64_t word, last = (uint64_t)n << 56;
        int shift = 0;
        while (n >= 8) {
            memcpy(&word, p, 8);
            v3 ^= word;
            LIMEN_SIP_ROUND
            v0 ^= word;
            p += 8;
            n -= 8;
        }
        while (n--) {
            last |= (uint64_t)(uint8_t)*p++ << shift;
            shift += 8;
        }
        v3 ^= last;
        LIMEN_SIP_ROUND
        v0 ^= last;
        v2 ^= 0xFF;
        LIMEN_SIP_ROUND
        LIMEN_SIP_ROUND
        LIMEN_SIP_ROUND
        return v0 ^ v1 ^ v2 ^ v3;
    }
    #define limen_fetch(place) __builtin_prefetch(place)
    """
    uint64_t sip13 "limen_sip13"(const uint64_t*, const char*, size_t) noexcept nogil
    void fetch_ahead "limen_fetch"(const void*) noexcept nogil


cdef uint64_t MAGIC = 0x4C494D454E484F53ULL   # "LIMENHOS"


cdef uint64_t host_hash(const uint64_t* key, const char* p, size_t n) noexcept nogil:
    return sip13(key, p, n)


cdef inline int flags_of(const uint64_t* table, uint64_t buckets, uint64_t h) noexcept nogil:
    """The flags that a name has in a table, 0 if it is not there."""
    cdef uint64_t bucket = first_bucket(h, buckets), tag = (h & ~<uint64_t>HOST_FLAGS) or HOST_FLAGS + 1
    cdef const uint64_t* cells
    cdef int i
    while True:
        cells = table + bucket * BUCKET
        for i in range(BUCKET):
            if (cells[i] ^ tag) <= HOST_FLAGS:
                return <int>(cells[i] & HOST_FLAGS)
            if cells[i] == 0:
                # the builder leaves cells free: every chain ends
                return 0
        bucket = bucket + 1 if bucket + 1 < buckets else 0


cdef inline int longest(const uint64_t* table, uint64_t buckets, const HostHashes* hashes) noexcept nogil:
    """How many labels less than all the longest name has that takes the host; -1: none does."""
    cdef int i
    for i in range(hashes.count):
        if flags_of(table, buckets, hashes.hashes[i]) & (HOST_BELOW if i else HOST_SELF):
            return i
    return -1


cdef void lay_hashes(const HostListView* view, HostHashes* hashes, const char* host, size_t n) noexcept nogil:
    cdef size_t i
    hashes.key[0] = view.key[0]
    hashes.key[1] = view.key[1]
    hashes.hashes[0] = sip13(view.key, host, n)
    hashes.count = 1
    for i in range(1, n):
        if host[i - 1] == 46 and hashes.count < MOST_SUFFIXES:
            hashes.hashes[hashes.count] = sip13(view.key, host + i, n - i)
            hashes.count += 1


cdef bint holds_name(const HostListView* view, HostHashes* hashes, const char* host, size_t n) noexcept nogil:
    cdef int i, found, spared
    if view.buckets == 0 or n == 0 or n > 255:
        return False
    if hashes.count == 0 or hashes.key[0] != view.key[0] or hashes.key[1] != view.key[1]:
        lay_hashes(view, hashes, host, n)
    for i in range(hashes.count):
        fetch_ahead(view.listed + first_bucket(hashes.hashes[i], view.buckets) * BUCKET)
    found = longest(view.listed, view.buckets, hashes)
    if found < 0 or view.spared_buckets == 0:
        return found >= 0
    spared = longest(view.spared, view.spared_buckets, hashes)
    return spared < 0 or (view.closest != 0 and found < spared)


cdef inline size_t label_length(const char* host) noexcept nogil:
    """Of one that is not the last."""
    cdef size_t i = 0
    while host[i] != 46:
        i += 1
    return i


cdef size_t suffix_start(const HostListView* view, HostHashes* hashes, const char* host, size_t n) noexcept nogil:
    cdef size_t at = 0
    cdef int i, own, above
    if view.buckets == 0 or n == 0 or n > 255 or 48 <= host[n - 1] <= 57:
        # no list, or an address
        return 0
    if hashes.count == 0 or hashes.key[0] != view.key[0] or hashes.key[1] != view.key[1]:
        lay_hashes(view, hashes, host, n)
    own = flags_of(view.listed, view.buckets, hashes.hashes[0])
    for i in range(hashes.count - 1):
        # of several rules the longest counts; the suffix of an exception is what stands behind its first label
        above = flags_of(view.listed, view.buckets, hashes.hashes[i + 1])
        if view.spared_buckets and flags_of(view.spared, view.spared_buckets, hashes.hashes[i]):
            return at + label_length(host + at) + 1
        if own & HOST_SELF or above & HOST_BELOW:
            return at
        at += label_length(host + at) + 1
        own = above
    # where no rule fits it is the last label
    return at


@cython.final
cdef class HostList:
    """A list in force. It holds no name before the first replace()."""

    def __cinit__(self):
        memset(&self.view, 0, sizeof(HostListView))

    def __dealloc__(self):
        if self.mapping != NULL:
            munmap(self.mapping, self.size)

    def replace(self, int descriptor) -> None:
        """Take the table in a file (made by limen.engine.host_listing) from now on; the descriptor stays the caller's.

        ValueError if it is no table of this version, OSError if it cannot be mapped; then nothing has changed.
        """
        cdef void* mapping
        cdef const uint64_t* table
        head = os.pread(descriptor, HOST_HEAD * 8, 0)
        words = [int.from_bytes(head[start : start + 8], "little") for start in range(0, len(head), 8)]
        if len(words) != HOST_HEAD or words[AT_MAGIC] != MAGIC or words[AT_VERSION] != HOST_VERSION:
            raise ValueError("this descriptor is no host list of this version")
        size = os.fstat(descriptor).st_size
        if max(words[AT_BUCKETS], words[AT_SPARED]) >> 28 or size != 8 * (
            HOST_HEAD + BUCKET * (words[AT_BUCKETS] + words[AT_SPARED])
        ):
            raise ValueError("this host list is not whole")
        mapping = mmap(NULL, size, PROT_READ, MAP_SHARED, descriptor, 0)
        if mapping == MAP_FAILED:
            raise OSError("the host list cannot be mapped")
        if self.mapping != NULL:
            munmap(self.mapping, self.size)
        self.mapping = mapping
        self.size = size
        self.entries = words[AT_ENTRIES]
        table = <const uint64_t*>mapping
        self.view.key[0] = words[AT_KEY]
        self.view.key[1] = words[AT_KEY + 1]
        self.view.closest = words[AT_CLOSEST]
        self.view.buckets = words[AT_BUCKETS]
        self.view.spared_buckets = words[AT_SPARED]
        self.view.listed = table + HOST_HEAD
        self.view.spared = self.view.listed + BUCKET * self.view.buckets

    def holds(self, bytes host not None) -> bool:
        """Whether it holds a canonical host: for explanations and tests."""
        cdef HostHashes hashes
        hashes.count = 0
        return holds_name(&self.view, &hashes, host, <size_t>len(host))

    def suffix_of(self, bytes host not None) -> bytes:
        """The public suffix of a canonical name, by a table of the format `suffixes`: for tests. Empty: it has none."""
        cdef HostHashes hashes
        hashes.count = 0
        at = suffix_start(&self.view, &hashes, host, <size_t>len(host))
        return host[at:] if at else b""

    def __len__(self):
        """How many distinct names it holds."""
        return self.entries

    def __repr__(self) -> str:
        return f"<HostList {self.entries} names, {self.size} bytes>"
