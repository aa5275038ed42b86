# Looking up. A search by halves over keys that lie side by side; the first steps end within a few cached lines.

import os

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset
from posix.mman cimport MAP_FAILED, MAP_SHARED, PROT_READ, mmap, munmap


cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    static inline uint64_t limen_list_be8(const uint8_t *p) {
        uint64_t w;
        memcpy(&w, p, 8);
    #if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        w = __builtin_bswap64(w);
    #endif
        return w;
    }
    /* How many of the ascending keys are at most `key`; without a branch that could be mispredicted. */
    static inline uint64_t limen_at_most32(const uint32_t *keys, uint64_t n, uint32_t key) {
        const uint32_t *at = keys;
        while (n > 1) {
            uint64_t half = n >> 1;
            at = at[half - 1] <= key ? at + half : at;
            n -= half;
        }
        return (uint64_t)(at - keys) + (n == 1 && *at <= key);
    }
    static inline uint64_t limen_at_most64(const uint64_t *keys, uint64_t n, uint64_t key) {
        const uint64_t *at = keys;
        while (n > 1) {
            uint64_t half = n >> 1;
            at = at[half - 1] <= key ? at + half : at;
            n -= half;
        }
        return (uint64_t)(at - keys) + (n == 1 && *at <= key);
    }
    /* The same of a few keys that lie in two cache lines, which come at once. */
    static inline uint64_t limen_few_at_most64(const uint64_t *keys, uint64_t n, uint64_t key) {
        uint64_t i, found = 0;
        for (i = 0; i < n; i++)
            found += keys[i] <= key;
        return found;
    }
    #define limen_ahead(place) __builtin_prefetch(place)
    """
    uint64_t load_be8 "limen_list_be8"(const uint8_t*) noexcept nogil
    uint64_t at_most32 "limen_at_most32"(const uint32_t*, uint64_t, uint32_t) noexcept nogil
    uint64_t at_most64 "limen_at_most64"(const uint64_t*, uint64_t, uint64_t) noexcept nogil
    uint64_t few_at_most64 "limen_few_at_most64"(const uint64_t*, uint64_t, uint64_t) noexcept nogil
    void fetch_ahead "limen_ahead"(const void*) noexcept nogil


cdef uint64_t MAGIC = 0x4C494D454E4C5354ULL   # "LIMENLST"


cdef uint64_t lay_view(
    ListView* view, const uint64_t* words, uint64_t count4, uint64_t count6, uint64_t count_fine
) noexcept nogil:
    cdef uint64_t at = LIST_HEAD
    cdef uint64_t half = (count4 + 1) // 2
    view.count4 = count4
    view.count6 = count6
    view.count_fine = count_fine
    view.index4 = <const uint32_t*>(words + at)
    at += LIST_INDEX_WORDS
    view.first4 = <const uint32_t*>(words + at)
    at += half
    view.last4 = <const uint32_t*>(words + at)
    at += half
    view.first6 = words + at
    at += count6
    view.last6 = words + at
    at += count6
    view.sample6 = words + at
    at += sampled(count6)
    view.top6 = words + at
    at += sampled(sampled(count6))
    view.fine_high = words + at
    at += count_fine
    view.fine_first = words + at
    at += count_fine
    view.fine_last = words + at
    at += count_fine
    view.sample_fine = words + at
    at += sampled(count_fine)
    view.top_fine = words + at
    return at + sampled(sampled(count_fine))


cdef bint list_contains(const ListView* view, const uint8_t* ip) noexcept nogil:
    cdef uint64_t high = load_be8(ip), low = load_be8(ip + 8)
    cdef uint32_t quad = <uint32_t>low
    cdef uint64_t start, place
    if high == 0 and low >> 32 == 0xFFFF:
        if view.count4 == 0:
            return False
        start = view.index4[quad >> 16]
        place = start + at_most32(view.first4 + start, view.index4[(quad >> 16) + 1] - start, quad)
        return place != 0 and quad <= view.last4[place - 1]
    if view.count6:
        place = keys_at_most(view.first6, view.sample6, view.top6, view.last6, NULL, view.count6, high)
        if place and high <= view.last6[place - 1]:
            return True
    return view.count_fine != 0 and fine_contains(view, high, low)


cdef inline uint64_t left(uint64_t count, uint64_t start) noexcept nogil:
    """How many keys a step has that begins at `start`."""
    return count - start if count - start < LIST_STEP else LIST_STEP


cdef inline uint64_t keys_at_most(
    const uint64_t* keys, const uint64_t* sample, const uint64_t* top, const uint64_t* beside, const uint64_t* further,
    uint64_t count, uint64_t key
) noexcept nogil:
    """How many keys are at most `key`; `beside` and `further` (or NULL) are looked at next, at the last of them."""
    cdef uint64_t samples = sampled(count)
    cdef uint64_t start = at_most64(top, sampled(samples), key)
    if start == 0:
        return 0
    start = (start - 1) * LIST_STEP
    start = (start + few_at_most64(sample + start, left(samples, start), key) - 1) * LIST_STEP
    fetch_ahead(beside + start)
    fetch_ahead(beside + start + LIST_STEP // 2)
    if further != NULL:
        fetch_ahead(further + start)
        fetch_ahead(further + start + LIST_STEP // 2)
    return start + few_at_most64(keys + start, left(count, start), key)


cdef bint fine_contains(const ListView* view, uint64_t high, uint64_t low) noexcept nogil:
    cdef uint64_t end = keys_at_most(
        view.fine_high, view.sample_fine, view.top_fine, view.fine_first, view.fine_last, view.count_fine, high
    )
    cdef uint64_t start
    if end == 0 or view.fine_high[end - 1] != high:
        return False
    if view.fine_first[end - 1] > low:
        # others of this /64, perhaps many
        start = at_most64(view.fine_high, end, high - 1) if high else 0
        end = start + at_most64(view.fine_first + start, end - start, low)
        if end == start:
            return False
    return low <= view.fine_last[end - 1]


cdef class AddressList:
    """A list in force. It holds no address before the first replace()."""

    def __cinit__(self):
        memset(&self.view, 0, sizeof(ListView))

    def __dealloc__(self):
        if self.mapping != NULL:
            munmap(self.mapping, self.size)

    def replace(self, int descriptor) -> None:
        """Take the table in a file (made by limen.engine.listing.build) from now on; the descriptor stays the caller's.

        ValueError if it is no table of this version, OSError if it cannot be mapped; then nothing has changed.
        """
        cdef void* mapping
        cdef ListView view
        head = os.pread(descriptor, LIST_HEAD * 8, 0)
        words = [int.from_bytes(head[start : start + 8], "little") for start in range(0, len(head), 8)]
        if len(words) != LIST_HEAD or words[0] != MAGIC or words[1] != LIST_VERSION:
            raise ValueError("this descriptor is no address list of this version")
        size = os.fstat(descriptor).st_size
        if max(words[2:6]) >> 32 or lay_view(&view, NULL, words[2], words[3], words[4]) * 8 != size:
            raise ValueError("this address list is not whole")
        mapping = mmap(NULL, size, PROT_READ, MAP_SHARED, descriptor, 0)
        if mapping == MAP_FAILED:
            raise OSError("the address list cannot be mapped")
        if self.mapping != NULL:
            munmap(self.mapping, self.size)
        self.mapping = mapping
        self.size = size
        self.entries = words[5]
        lay_view(&self.view, <const uint64_t*>mapping, words[2], words[3], words[4])

    def __len__(self):
        """How many disjoint ranges it holds."""
        return self.view.count4 + self.view.count6 + self.view.count_fine

    def __repr__(self) -> str:
        return f"<AddressList {self.entries} entries, {self.size} bytes>"
