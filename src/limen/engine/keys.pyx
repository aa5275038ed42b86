"""KeyIndex: byte strings, each within a numbered bucket, to sorted lists of entries.

Open addressing over 8-byte cells; a look-up that misses usually touches one cache line, one that hits
two more (the record with its text). Built once by its owner, then only read.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

cimport cython


@cython.final
cdef class KeyIndex:

    def __cinit__(self):
        self.cells = <KeyCell*>calloc(2, sizeof(KeyCell))     # so that a look-up in an empty index ends
        if self.cells == NULL:
            raise MemoryError
        self.table.cells = self.cells
        self.table.mask = 1

    def __dealloc__(self):
        free(self.cells)
        free(self.arena)
        free(self.lists)

    cdef int begin(self, size_t keys, size_t text, size_t entries) except -1:
        """Make room, once, for `keys` keys of `text` bytes in all, and `entries` entries in lists."""
        cdef size_t cells = 2
        while 2 * cells < 3 * keys + 2:       # at most two thirds full, so there is always an empty cell
            cells *= 2
        self.room = 8 + text + keys * (sizeof(KeyRecord) + 8)
        if cells > <size_t>1 << 31 or self.room >> 35:
            raise MemoryError
        free(self.cells)
        self.cells = <KeyCell*>calloc(cells, sizeof(KeyCell))
        self.arena = <char*>malloc(self.room)
        self.lists = <uint32_t*>malloc((entries + 1) * sizeof(uint32_t))
        if self.cells == NULL or self.arena == NULL or self.lists == NULL:
            self.table.cells = NULL
            raise MemoryError
        self.table.cells = self.cells
        self.table.arena = self.arena
        self.table.lists = self.lists
        self.table.mask = <uint32_t>(cells - 1)
        self.used = 8                                         # record 0 means an empty cell
        self.listed = 0
        return 0

    cdef int add(self, uint32_t bucket, bytes text, uint64_t hash, list entries) except -1:
        """Add a key that is not there yet, with its entries (at least one)."""
        cdef size_t n = <size_t>len(text)
        cdef KeyRecord* record = <KeyRecord*>(self.arena + self.used)
        cdef uint32_t at = <uint32_t>hash & self.table.mask
        cdef size_t size = (sizeof(KeyRecord) + n + 7) & ~<size_t>7
        if self.used + size > self.room:
            raise MemoryError
        record.bucket = bucket
        record.length = <uint32_t>n
        record.count = <uint32_t>len(entries)
        record.list = self.listed
        entries.sort()
        record.first = entries[0]
        if record.count > 1:
            for entry in entries:
                self.lists[self.listed] = entry
                self.listed += 1
        memcpy(<char*>(record + 1), <const char*>text, n)
        while self.cells[at].record:
            at = (at + 1) & self.table.mask
        self.cells[at].tag = <uint32_t>(hash >> 32)
        self.cells[at].record = <uint32_t>(self.used >> 3)
        self.used += size
        self.table.count += 1
        return 0
