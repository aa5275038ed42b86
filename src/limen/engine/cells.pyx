# The cells themselves: found, taken over, charged and left without a lock.
#
# Whoever has changed a number looks at the tag again: if the place went to another key meanwhile, the change is undone
# and tried anew. Steps are additions, so that they may be undone in any order.

import os

from libc.stdint cimport int64_t, uint32_t, uint64_t
from posix.mman cimport MAP_FAILED, MAP_SHARED, PROT_READ, PROT_WRITE, mmap, munmap

from limen.engine.atomics cimport add_number, number_of, swap_number, swap_tag, tag_of


cdef uint64_t MAGIC = 0x4C494D454E4C494DULL   # "LIMENLIM"

cdef enum:
    TRIES = 100                   # each failure means that another worker has got on


cdef class LimitCells:
    """One worker's view of the memory in `descriptor` (made by limen.observe.limits.create), which it maps.

    What a dead predecessor of this worker had in flight is given back. The descriptor stays the caller's.
    Raises ValueError if it is no such memory of this version or has no such worker, OSError if it cannot be mapped.
    """

    def __cinit__(self, int descriptor, int worker=0):
        cdef void* mapping
        head = os.pread(descriptor, 80, 0)
        found = [int.from_bytes(head[start : start + 8], "little") for start in range(0, len(head), 8)]
        if len(found) != 10 or found[0] != MAGIC or found[1] != LIMITS_VERSION:
            raise ValueError("this descriptor is no memory of limits of this version")
        _, _, workers, places, seed, rates_at, concurrent_at, held_at, held_size, size = found
        if not 0 <= worker < workers:
            raise ValueError(f"there are {workers} workers, and no number {worker}")
        if places < CELL_WINDOW or places & (places - 1) or os.fstat(descriptor).st_size != size:
            raise ValueError("this descriptor is no memory of limits of this version")
        self.size = size
        mapping = mmap(NULL, self.size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        if mapping == MAP_FAILED:
            raise OSError("the memory of limits cannot be mapped")
        self.mapping = <char*>mapping
        self.worker = worker
        self.mask = places - 1
        self.seed = seed
        self.held_at = held_at + worker * held_size
        self.counts = <uint64_t*>(self.mapping + LIMITS_HEAD + worker * LIMIT_SLOTS * LIMIT_CELLS * 8)
        self.rates = <Cell*>(self.mapping + <size_t>rates_at)
        self.concurrent = <Cell*>(self.mapping + <size_t>concurrent_at)
        self.held = <uint32_t*>(self.mapping + self.held_at)
        self.give_back(descriptor, held_size)

    def __dealloc__(self):
        if self.mapping != NULL:
            munmap(self.mapping, self.size)

    def give_back(self, descriptor, size):
        """Leave for a predecessor that could not; its pages are asked of the file, so that none is made by looking."""
        cdef uint64_t place, end
        start, limit = self.held_at, self.held_at + size
        while start < limit:
            try:
                start = os.lseek(descriptor, start, os.SEEK_DATA)
            except OSError:  # ENXIO: nothing but a hole up to the end
                return
            if start >= limit:
                return
            stop = min(os.lseek(descriptor, start, os.SEEK_HOLE), limit)
            place, end = (start - self.held_at) // 4, (stop - self.held_at) // 4
            while place < end:
                if self.held[place]:
                    add_number(&self.concurrent[place].number, -<int64_t>self.held[place])
                    self.held[place] = 0
                place += 1
            start = stop

    def __repr__(self) -> str:
        return f"<LimitCells worker {self.worker}, {self.mask + 1} places>"

    # rates ---------------------------------------------------------------------------------------------------------

    cdef int64_t charge(
        self, uint64_t tag, int64_t now, int64_t interval, int64_t burst, unsigned int slot
    ) noexcept nogil:
        cdef Cell* cell
        cdef int64_t number, used
        cdef int _i
        for _i in range(TRIES):
            cell = self.find_rate(tag, now, slot)
            if cell == NULL:
                continue
            number = number_of(&cell.number)
            used = (number - now if number > now else 0) + interval
            if used > burst:
                if tag_of(&cell.tag) == tag:
                    return burst - used
                continue
            if not swap_number(&cell.number, number, now + used):
                continue
            if tag_of(&cell.tag) == tag:
                return used
            add_number(&cell.number, -interval)
        self.count(slot, LIMIT_UNCOUNTED)
        return 0

    cdef void refund(self, uint64_t tag, int64_t interval) noexcept nogil:
        cdef uint64_t start = (tag >> 16) & self.mask
        cdef uint64_t i
        for i in range(start, start + CELL_WINDOW):
            if tag_of(&self.rates[i].tag) == tag:
                add_number(&self.rates[i].number, -interval)
                return

    cdef void owe(self, uint64_t tag, int64_t now, int64_t amount, unsigned int slot) noexcept nogil:
        cdef Cell* cell
        cdef int64_t number
        cdef int _i
        for _i in range(TRIES):
            cell = self.find_rate(tag, now, slot)
            if cell == NULL:
                continue
            number = number_of(&cell.number)
            if not swap_number(&cell.number, number, max(number, now) + amount):
                continue
            if tag_of(&cell.tag) == tag:
                return
            add_number(&cell.number, -amount)
        self.count(slot, LIMIT_UNCOUNTED)

    cdef Cell* find_rate(self, uint64_t tag, int64_t now, unsigned int slot) noexcept nogil:
        """The key's cell, taken over if it had none; NULL if another worker was faster."""
        cdef Cell* cell = self.rates + ((tag >> 16) & self.mask)
        cdef Cell* chosen = NULL
        cdef uint64_t found, chosen_tag = 0
        cdef int64_t number, least = 0
        cdef int _i
        for _i in range(CELL_WINDOW):
            found = tag_of(&cell.tag)
            if found == tag:
                return cell
            # the first that is free; else the one that has used least, whose key loses least by being forgotten
            if chosen == NULL or least > now:
                number = number_of(&cell.number)
                if chosen == NULL or number < least:
                    chosen = cell
                    chosen_tag = found
                    least = number
            cell += 1
        if not swap_tag(&chosen.tag, chosen_tag, tag):
            return NULL
        if least > now:
            add_number(&chosen.number, now - least)
            self.count(slot, LIMIT_FORGOTTEN)
        return self.join_twins(tag, now, chosen)

    cdef Cell* join_twins(self, uint64_t tag, int64_t now, Cell* mine) noexcept nogil:
        """Two workers may have taken a cell each for one key: the first in the window remains, with the use of both."""
        cdef Cell* cell = self.rates + ((tag >> 16) & self.mask)
        cdef Cell* first = NULL
        cdef int64_t number, debt
        cdef int _i
        for _i in range(CELL_WINDOW):
            if tag_of(&cell.tag) == tag:
                if first == NULL:
                    first = cell
                elif swap_tag(&cell.tag, tag, 0):
                    debt = number_of(&cell.number) - now
                    if debt > 0:
                        add_number(&cell.number, -debt)
                        number = number_of(&first.number)
                        while not swap_number(&first.number, number, (number if number > now else now) + debt):
                            number = number_of(&first.number)
            cell += 1
        return first

    # concurrency ---------------------------------------------------------------------------------------------------

    cdef int64_t enter(self, uint64_t tag, int64_t most, unsigned int slot) noexcept nogil:
        cdef Cell* cell
        cdef int64_t number
        cdef bint full = False
        cdef int _i
        for _i in range(TRIES):
            cell = self.find_concurrent(tag, &full)
            if full:
                break
            if cell == NULL:
                continue
            number = number_of(&cell.number)
            if number >= most:
                if tag_of(&cell.tag) == tag:
                    return 0
                continue
            if not swap_number(&cell.number, number, number + 1):
                continue
            if tag_of(&cell.tag) == tag:
                self.held[cell - self.concurrent] += 1
                return (cell - self.concurrent) + 1
            add_number(&cell.number, -1)
        self.count(slot, LIMIT_UNCOUNTED)
        return -1

    cdef Cell* find_concurrent(self, uint64_t tag, bint* full) noexcept nogil:
        """The key's cell, taken over if it had none; NULL if another worker was faster, or *full."""
        cdef Cell* cell = self.concurrent + ((tag >> 16) & self.mask)
        cdef Cell* first = cell
        cdef Cell* free = NULL
        cdef uint64_t found, free_tag = 0
        cdef int _i
        for _i in range(CELL_WINDOW):
            found = tag_of(&cell.tag)
            if found == tag:
                return cell
            if free == NULL and number_of(&cell.number) == 0:
                free = cell
                free_tag = found
            cell += 1
        if free == NULL:
            full[0] = True
            return NULL
        if not swap_tag(&free.tag, free_tag, tag):
            return NULL
        # a twin that another worker took at the same moment: the first one in the window remains
        while first < free:
            if tag_of(&first.tag) == tag:
                swap_tag(&free.tag, tag, 0)
                return NULL
            first += 1
        return free

    cdef void leave(self, int64_t place) noexcept nogil:
        if place > 0:
            self.held[place - 1] -= 1
            add_number(&self.concurrent[place - 1].number, -1)

    # looking ---------------------------------------------------------------------------------------------------------

    cdef int64_t used(self, uint64_t tag, int64_t now) noexcept nogil:
        cdef Cell* cell = self.rates + ((tag >> 16) & self.mask)
        cdef int64_t number
        cdef int _i
        for _i in range(CELL_WINDOW):
            if tag_of(&cell.tag) == tag:
                number = number_of(&cell.number)
                return number - now if number > now else 0
            cell += 1
        return 0

    cdef int64_t in_flight(self, uint64_t tag) noexcept nogil:
        cdef Cell* cell = self.concurrent + ((tag >> 16) & self.mask)
        cdef int _i
        for _i in range(CELL_WINDOW):
            if tag_of(&cell.tag) == tag:
                return number_of(&cell.number)
            cell += 1
        return 0
