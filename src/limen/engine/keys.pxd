# KeyIndex: byte strings (each within a numbered bucket) to sorted lists of entries. Built once, only
# read afterwards, without Python objects; shared by the route and the access table.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from limen.engine.bytes cimport load4, load8


cdef extern from *:
    """
    #include <stdint.h>
    static inline uint64_t limen_fold(uint64_t a, uint64_t b) {
        __uint128_t product = (__uint128_t)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    """
    uint64_t limen_fold(uint64_t, uint64_t) noexcept nogil


cdef enum:
    # An entry is a rule's number shifted by one; this bit says that the rule has more conditions.
    ENTRY_CONDITIONS = 1


cdef struct KeyCell:
    uint32_t tag              # upper half of the hash
    uint32_t record           # where the record lies, in units of 8 bytes; 0: empty cell


cdef struct KeyRecord:
    # Followed by the text. A list of one entry is `first` itself.
    uint32_t bucket
    uint32_t length
    uint32_t first            # the smallest entry
    uint32_t count            # entries
    uint32_t list             # where they begin in `lists`


cdef struct KeyTable:
    const KeyCell* cells      # owned by the KeyIndex
    const char* arena         # owned by the KeyIndex
    const uint32_t* lists     # owned by the KeyIndex
    uint32_t mask             # cells - 1
    uint32_t count            # keys


# The keys are fixed by the configuration, and a probe ends at the first empty cell, so what a client
# sends cannot lengthen the chains; the random seed is there for keys taken from public block lists.
cdef inline uint64_t hash_bytes(uint64_t seed, const char* p, size_t n) noexcept nogil:
    cdef uint64_t h = seed ^ (<uint64_t>n * 0x9E3779B97F4A7C15ULL)
    cdef uint64_t tail
    if n >= 8:
        tail = load8(p + n - 8)
        while n > 8:
            h = limen_fold(h ^ load8(p), 0xA0761D6478BD642FULL)
            p += 8
            n -= 8
    elif n >= 4:
        tail = load4(p) | (<uint64_t>load4(p + n - 4) << 32)
    elif n:
        tail = <uint8_t>p[0] | (<uint64_t><uint8_t>p[n >> 1] << 8) | (<uint64_t><uint8_t>p[n - 1] << 16)
    else:
        tail = 0
    return limen_fold(h ^ tail, 0xE7037ED1A0B428DBULL)


cdef inline const KeyRecord* find_key(const KeyTable* table, uint64_t hash, uint32_t bucket,
                                      const char* p, size_t n) noexcept nogil:
    """The record of the key `p[:n]` in `bucket`, or NULL. `hash` is in_bucket() of the text's hash."""
    cdef uint32_t at = <uint32_t>hash & table.mask
    cdef uint32_t tag = <uint32_t>(hash >> 32)
    cdef const KeyRecord* record
    while table.cells[at].record:
        if table.cells[at].tag == tag:
            record = <const KeyRecord*>(table.arena + (<size_t>table.cells[at].record << 3))
            if record.length == n and record.bucket == bucket and memcmp(<const char*>(record + 1), p, n) == 0:
                return record
        at = (at + 1) & table.mask
    return NULL


cdef inline uint64_t in_bucket(uint64_t hash, uint32_t bucket) noexcept nogil:
    return limen_fold(hash ^ bucket, 0x8EBC6AF09C88C6E3ULL)


cdef inline const uint32_t* entries_of(const KeyTable* table, const KeyRecord* record) noexcept nogil:
    return &record.first if record.count == 1 else table.lists + record.list


cdef inline uint64_t length_bit(size_t n) noexcept nogil:
    """Lengths from 63 on share the last bit of a set of lengths."""
    return <uint64_t>1 << (n if n < 63 else 63)


cdef class KeyIndex:
    cdef KeyTable table
    cdef KeyCell* cells       # owned
    cdef char* arena          # owned
    cdef uint32_t* lists      # owned
    cdef size_t room          # bytes of the arena
    cdef size_t used
    cdef uint32_t listed      # entries in `lists`

    cdef int begin(self, size_t keys, size_t text, size_t entries) except -1
    cdef int add(self, uint32_t bucket, bytes text, uint64_t hash, list entries) except -1
