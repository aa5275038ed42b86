# Finding is a hash and a short chain, counting a few steps down a heap; nothing is allocated after the beginning.

cimport cython
from libc.stdint cimport int32_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from limen.engine.keys cimport hash_bytes

import os


@cython.final
cdef class Summary:
    """Names and what was counted of each; the heaviest stay. `capacity`, a power of two, bounds how many are kept."""

    def __cinit__(self, int capacity=1024):
        if capacity < 2 or capacity & (capacity - 1) or capacity > 1 << 20:
            raise ValueError("the capacity is a power of two, 2 to 1,048,576")
        self.capacity = capacity
        self.cells = <SummaryCell*>calloc(<size_t>capacity, sizeof(SummaryCell))
        self.chains = <int32_t*>malloc(<size_t>capacity * sizeof(int32_t))
        self.heap = <SummaryWeight*>malloc(<size_t>capacity * sizeof(SummaryWeight))
        self.places = <int32_t*>malloc(<size_t>capacity * sizeof(int32_t))
        if self.cells == NULL or self.chains == NULL or self.heap == NULL or self.places == NULL:
            raise MemoryError
        self.seed = int.from_bytes(os.urandom(8), "little")
        self.clear()

    def __dealloc__(self):
        free(self.cells)
        free(self.chains)
        free(self.heap)
        free(self.places)

    def __len__(self):
        return self.count

    def __repr__(self) -> str:
        return f"<Summary {self.count} of {self.capacity}>"

    cdef void clear(self) noexcept nogil:
        cdef int32_t i
        self.count = 0
        for i in range(self.capacity):
            self.chains[i] = -1

    cdef void add(
        self, const char* name, size_t length, uint64_t size, uint64_t exchanges, uint64_t refused
    ) noexcept nogil:
        cdef uint64_t tag = hash_bytes(self.seed, name, length)
        cdef int32_t number = self.chains[tag & <uint64_t>(self.capacity - 1)]
        cdef SummaryCell* cell
        while number >= 0 and self.cells[number].tag != tag:
            number = self.cells[number].next
        if number < 0:
            number = self.replace(tag)
            cell = &self.cells[number]
            cell.length = <uint8_t>min(length, <size_t>SUMMARY_NAME)
            memcpy(cell.name, name, cell.length)
        cell = &self.cells[number]
        cell.size += size
        cell.exchanges += exchanges
        cell.refused += refused
        self.gain(number, size + EXCHANGE_WEIGHT * exchanges)

    cdef int32_t replace(self, uint64_t tag) noexcept nogil:
        """A new one while there is room, else that of the least weight."""
        cdef int32_t number = self.count
        cdef int32_t* link
        cdef SummaryCell* cell
        cdef int32_t place
        if self.count < self.capacity:
            cell = &self.cells[number]
            cell.error = 0
            # up to the top: nothing weighs less
            place = number
            while place:
                self.heap[place] = self.heap[(place - 1) // 2]
                self.places[self.heap[place].cell] = place
                place = (place - 1) // 2
            self.heap[0].weight = 0
            self.heap[0].cell = number
            self.places[number] = 0
            self.count += 1
        else:
            number = self.heap[0].cell
            cell = &self.cells[number]
            link = &self.chains[cell.tag & <uint64_t>(self.capacity - 1)]
            while link[0] != number:
                link = &self.cells[link[0]].next
            link[0] = cell.next
            cell.error = self.heap[0].weight
        cell.tag = tag
        cell.size = cell.exchanges = cell.refused = 0
        link = &self.chains[tag & <uint64_t>(self.capacity - 1)]
        cell.next = link[0]
        link[0] = number
        return number

    cdef void gain(self, int32_t number, uint64_t weight) noexcept nogil:
        """Down the heap, to where it belongs now."""
        cdef int32_t place = self.places[number]
        cdef int32_t child
        weight += self.heap[place].weight
        while True:
            child = 2 * place + 1
            if child >= self.count:
                break
            if child + 1 < self.count and self.heap[child + 1].weight < self.heap[child].weight:
                child += 1
            if self.heap[child].weight >= weight:
                break
            self.heap[place] = self.heap[child]
            self.places[self.heap[place].cell] = place
            place = child
        self.heap[place].weight = weight
        self.heap[place].cell = number
        self.places[number] = place

    def put(self, bytes name not None, uint64_t size, uint64_t exchanges=1, uint64_t refused=0) -> None:
        """Count so much of a name."""
        self.add(name, <size_t>len(name), size, exchanges, refused)

    def take(self) -> tuple[int, list[tuple[bytes, int, int, int, int]]]:
        """What was counted: rows of (name, bytes, exchanges, refused, error) in no order, and before them the most that
        a name can have had which is not there; it begins anew."""
        cdef SummaryCell* cell
        cdef int i
        cdef uint64_t floor = self.heap[0].weight if self.count == self.capacity else 0
        found = []
        for i in range(self.count):
            cell = &self.cells[i]
            found.append((cell.name[:cell.length], cell.size, cell.exchanges, cell.refused, cell.error))
        self.clear()
        return floor, found
