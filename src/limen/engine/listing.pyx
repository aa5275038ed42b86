"""From the text of an address list to its table (lists.pxd says how it is laid out).

One entry per line: an address, a prefix or a range `first-last`; `#` and `;` begin a comment, blank lines do not count.
Run as a process of its own by limen.runtime.lists: whatever a file holds, it ends there.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc

from limen.engine.addresses cimport Range4, Range6, load_be8, merge4, merge6, parse_ip, parse_prefix
from limen.engine.lists cimport LIST_STEP, LIST_VERSION, ListView, lay_view, sampled
from limen.engine.types cimport Address


cdef uint64_t MAGIC = 0x4C494D454E4C5354ULL   # "LIMENLST"
cdef uint64_t ONES = 0xFFFFFFFFFFFFFFFFULL

cdef enum:
    SHOWN = 60                    # bytes of a wrong line in a message


cdef struct Ranges:
    Range4* four                  # owned
    Range6* six                   # owned
    size_t count4
    size_t count6
    size_t room4
    size_t room6


cdef int add_range(Ranges* ranges, const Address* first, const Address* last) noexcept nogil:
    """0, or -1 without memory."""
    cdef void* grown
    if first.family == 4:
        if ranges.count4 == ranges.room4:
            ranges.room4 = 2 * ranges.room4 + 1024
            grown = realloc(ranges.four, ranges.room4 * sizeof(Range4))
            if grown == NULL:
                return -1
            ranges.four = <Range4*>grown
        ranges.four[ranges.count4].first = <uint32_t>load_be8(first.ip + 8)
        ranges.four[ranges.count4].last = <uint32_t>load_be8(last.ip + 8)
        ranges.count4 += 1
        return 0
    if ranges.count6 == ranges.room6:
        ranges.room6 = 2 * ranges.room6 + 1024
        grown = realloc(ranges.six, ranges.room6 * sizeof(Range6))
        if grown == NULL:
            return -1
        ranges.six = <Range6*>grown
    ranges.six[ranges.count6].first_high = load_be8(first.ip)
    ranges.six[ranges.count6].first_low = load_be8(first.ip + 8)
    ranges.six[ranges.count6].last_high = load_be8(last.ip)
    ranges.six[ranges.count6].last_low = load_be8(last.ip + 8)
    ranges.count6 += 1
    return 0


cdef inline bint is_blank(char c) noexcept nogil:
    return c == 32 or c == 9 or c == 13


cdef inline void trim(const char** text, size_t* size) noexcept nogil:
    while size[0] and is_blank(text[0][0]):
        text[0] += 1
        size[0] -= 1
    while size[0] and is_blank(text[0][size[0] - 1]):
        size[0] -= 1


cdef enum Reading:
    READ_ENTRY = 0
    READ_NOTHING = 1
    READ_MALFORMED = 2
    READ_HOST_BITS = 3
    READ_BACKWARDS = 4
    READ_MIXED = 5


cdef int read_line(const char* text, size_t size, Address* first, Address* last) noexcept nogil:
    """One line without its end; a Reading."""
    cdef size_t i, dash
    cdef int bits = 0, k, order = 0
    cdef const char* rest
    for i in range(size):
        if text[i] == 35 or text[i] == 59:
            size = i
            break
    trim(&text, &size)
    if size == 0:
        return READ_NOTHING
    dash = 0
    while dash < size and text[dash] != 45:
        dash += 1
    if dash == size:
        if parse_prefix(text, size, first, &bits) != 0:
            return READ_MALFORMED
        last[0] = first[0]
        for k in range(16):
            if bits >= 8 * (k + 1):
                continue
            # the host's bits of this byte
            order = 0xFF >> (bits - 8 * k) if bits > 8 * k else 0xFF
            if first.ip[k] & order:
                return READ_HOST_BITS
            last.ip[k] = <uint8_t>(last.ip[k] | order)
        return READ_ENTRY
    rest = text + dash + 1
    i = size - dash - 1
    size = dash
    trim(&text, &size)
    trim(&rest, &i)
    if parse_ip(text, size, first) != 0 or parse_ip(rest, i, last) != 0:
        return READ_MALFORMED
    if first.family != last.family:
        return READ_MIXED
    for k in range(16):
        if first.ip[k] != last.ip[k]:
            return READ_ENTRY if first.ip[k] < last.ip[k] else READ_BACKWARDS
    return READ_ENTRY


REASONS = {
    READ_MALFORMED: "no address, prefix or range",
    READ_HOST_BITS: "host bits are set",
    READ_BACKWARDS: "the range ends before it begins",
    READ_MIXED: "a range between IPv4 and IPv6",
}


def build(bytes text not None, int most=2000000):
    """The table of a list's text. ValueError names the first wrong line, or says that there are over `most` entries."""
    cdef const char* p = text
    cdef size_t size = <size_t>len(text), at = 0, end, line = 0
    cdef Ranges ranges
    cdef Address first, last
    cdef int found, entries = 0
    ranges.four = NULL
    ranges.six = NULL
    ranges.count4 = ranges.count6 = ranges.room4 = ranges.room6 = 0
    try:
        if text.startswith(b"\xef\xbb\xbf"):
            at = 3
        while at < size:
            line += 1
            end = at
            while end < size and p[end] != 10:
                end += 1
            found = read_line(p + at, end - at, &first, &last)
            if found == READ_ENTRY:
                entries += 1
                if entries > most:
                    raise ValueError(f"line {line}: over {most} entries")
                if add_range(&ranges, &first, &last) < 0:
                    raise MemoryError
            elif found != READ_NOTHING:
                wrong = text[at:min(end, at + SHOWN)].decode("utf-8", "backslashreplace").strip()
                raise ValueError(f"line {line}: {REASONS[found]}: {wrong!r}")
            at = end + 1
        return lay_table(&ranges, entries)
    finally:
        free(ranges.four)
        free(ranges.six)


cdef bytearray lay_table(Ranges* ranges, int entries):
    cdef Range6* six = ranges.six
    cdef uint64_t coarse = 0, fine = 0, words
    cdef ListView view
    cdef bytearray table
    cdef char* place
    cdef uint64_t* head
    ranges.count4 = merge4(ranges.four, ranges.count4)
    ranges.count6 = merge6(six, ranges.count6)
    cut(six, ranges.count6, NULL, &coarse, &fine)
    words = lay_view(&view, NULL, ranges.count4, coarse, fine)
    table = bytearray(words * 8)
    place = table
    head = <uint64_t*>place
    head[0] = MAGIC
    head[1] = LIST_VERSION
    head[2] = ranges.count4
    head[3] = coarse
    head[4] = fine
    head[5] = <uint64_t>entries
    lay_view(&view, head, ranges.count4, coarse, fine)
    lay4(&view, ranges.four, ranges.count4)
    coarse = fine = 0
    cut(six, ranges.count6, &view, &coarse, &fine)
    lay_samples(view.first6, <uint64_t*>view.sample6, <uint64_t*>view.top6, coarse)
    lay_samples(view.fine_high, <uint64_t*>view.sample_fine, <uint64_t*>view.top_fine, fine)
    return table


cdef void lay_samples(const uint64_t* keys, uint64_t* sample, uint64_t* top, uint64_t count) noexcept nogil:
    cdef uint64_t i
    for i in range(sampled(count)):
        sample[i] = keys[i * LIST_STEP]
        if i % LIST_STEP == 0:
            top[i // LIST_STEP] = sample[i]


cdef void lay4(ListView* view, const Range4* four, size_t count) noexcept nogil:
    cdef uint32_t* index = <uint32_t*>view.index4
    cdef uint32_t* first = <uint32_t*>view.first4
    cdef uint32_t* last = <uint32_t*>view.last4
    cdef size_t i
    cdef uint32_t bucket = 0
    for i in range(count):
        first[i] = four[i].first
        last[i] = four[i].last
        # index[b]: how many begin before bucket b
        while bucket <= four[i].first >> 16:
            index[bucket] = <uint32_t>i
            bucket += 1
    while bucket <= 65536:
        index[bucket] = <uint32_t>count
        bucket += 1


cdef inline void put_coarse(
    ListView* view, uint64_t* count, uint64_t first, uint64_t last, uint64_t* before
) noexcept nogil:
    """One range of whole /64 networks; one that goes on where the last ended is joined to it."""
    if count[0] and before[0] + 1 == first:
        if view != NULL:
            (<uint64_t*>view.last6)[count[0] - 1] = last
    else:
        if view != NULL:
            (<uint64_t*>view.first6)[count[0]] = first
            (<uint64_t*>view.last6)[count[0]] = last
        count[0] += 1
    before[0] = last


cdef inline void put_fine(ListView* view, uint64_t* count, uint64_t high, uint64_t first, uint64_t last) noexcept nogil:
    if view != NULL:
        (<uint64_t*>view.fine_high)[count[0]] = high
        (<uint64_t*>view.fine_first)[count[0]] = first
        (<uint64_t*>view.fine_last)[count[0]] = last
    count[0] += 1


cdef void cut(const Range6* six, size_t ranges, ListView* view, uint64_t* coarse, uint64_t* fine) noexcept nogil:
    """Cut ascending ranges at /64 and lay them out; with no view only count."""
    cdef uint64_t high, end, before = 0
    cdef bint whole
    cdef size_t i
    for i in range(ranges):
        high = six[i].first_high
        end = six[i].last_high
        if high == end:
            if six[i].first_low == 0 and six[i].last_low == ONES:
                put_coarse(view, coarse, high, high, &before)
            else:
                put_fine(view, fine, high, six[i].first_low, six[i].last_low)
            continue
        if six[i].first_low:
            put_fine(view, fine, high, six[i].first_low, ONES)
            high += 1
        whole = six[i].last_low == ONES
        if whole:
            put_coarse(view, coarse, high, end, &before)
        else:
            if high <= end - 1:
                put_coarse(view, coarse, high, end - 1, &before)
            put_fine(view, fine, end, 0, six[i].last_low)
