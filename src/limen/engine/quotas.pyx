# Finding and taking cells without a lock. A cell is taken in three steps (busy, emptied, named), so that nobody counts
# on one that is being emptied.

import os

from libc.stdint cimport int64_t, uint64_t
from posix.mman cimport MAP_FAILED, MAP_SHARED, PROT_READ, PROT_WRITE, mmap, munmap

from limen.engine.atomics cimport add_number, number_of, set_number, set_tag, swap_tag, tag_of
from limen.engine.text cimport civil_date


cdef uint64_t MAGIC = 0x4C494D454E51554FULL   # "LIMENQUO"

cdef enum:
    TRIES = 100                   # each failure means that another worker has got on
    DAY = 86400


cdef void period_of(int kind, int64_t second, int64_t* start, int64_t* end) noexcept nogil:
    cdef int year, month, day
    cdef int64_t days = second // DAY
    cdef int _i
    if kind == PERIOD_HOUR:
        start[0] = second // 3600 * 3600
        end[0] = start[0] + 3600
        return
    if kind == PERIOD_DAY:
        start[0] = days * DAY
        end[0] = start[0] + DAY
        return
    civil_date(days, &year, &month, &day)
    days -= day - 1
    start[0] = days * DAY
    # into the next month, and back to its first day
    days += 31
    civil_date(days, &year, &month, &day)
    end[0] = (days - (day - 1)) * DAY


cdef class QuotaCells:
    """One worker's view of the file in `descriptor` (made by limen.observe.quotas), which it maps.

    The descriptor stays the caller's. Raises ValueError if it is no such file of this version, OSError if it cannot
    be mapped.
    """

    def __cinit__(self, int descriptor):
        cdef void* mapping
        head = os.pread(descriptor, 32, 0)
        found = [int.from_bytes(head[start : start + 8], "little") for start in range(0, len(head), 8)]
        if len(found) != 4 or found[0] != MAGIC or found[1] != QUOTAS_VERSION:
            raise ValueError("this descriptor is no file of quotas of this version")
        places, seed = found[2], found[3]
        size = QUOTAS_HEAD + (places + QUOTA_WINDOW) * sizeof(QuotaCell)
        if places < QUOTA_WINDOW or places & (places - 1) or os.fstat(descriptor).st_size < size:
            raise ValueError("this descriptor is no file of quotas of this version")
        self.size = size
        mapping = mmap(NULL, self.size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        if mapping == MAP_FAILED:
            raise OSError("the file of quotas cannot be mapped")
        self.mapping = <char*>mapping
        self.cells = <QuotaCell*>(self.mapping + QUOTAS_HEAD)
        self.mask = places - 1
        self.seed = seed

    def __dealloc__(self):
        if self.mapping != NULL:
            munmap(self.mapping, self.size)

    def __repr__(self) -> str:
        return f"<QuotaCells {self.mask + 1} places>"

    cdef QuotaCell* find(self, uint64_t tag, int64_t now, int64_t until) noexcept nogil:
        cdef QuotaCell* first = self.cells + ((tag >> 16) & self.mask)
        cdef QuotaCell* cell
        cdef QuotaCell* free
        cdef uint64_t found, free_tag
        cdef int _i, _j
        for _i in range(TRIES):
            free = NULL
            free_tag = 0
            cell = first
            for _j in range(QUOTA_WINDOW):
                found = tag_of(&cell.tag)
                if found == tag:
                    return cell
                if free == NULL and found != QUOTA_BUSY and number_of(&cell.until) <= now:
                    free = cell
                    free_tag = found
                cell += 1
            if free == NULL:
                return NULL
            if not swap_tag(&free.tag, free_tag, QUOTA_BUSY):
                continue
            set_number(&free.used, 0)
            set_number(&free.until, until)
            set_tag(&free.tag, tag)
            # a twin that another worker took at the same moment: the first one in the window remains
            cell = first
            while cell < free:
                if tag_of(&cell.tag) == tag:
                    if swap_tag(&free.tag, tag, QUOTA_BUSY):
                        add_number(&cell.used, number_of(&free.used))
                        set_number(&free.until, 0)
                        set_tag(&free.tag, 0)
                    return cell
                cell += 1
            return free
        return NULL

    cdef int64_t add(self, QuotaCell* cell, int64_t amount) noexcept nogil:
        return add_number(&cell.used, amount)

    cdef int64_t used(self, const QuotaCell* cell) noexcept nogil:
        return number_of(&cell.used)
