# Foreign text in log records: escaping, and what may be written of a URL.
#
# Text in records comes from outside. In JSON, valid UTF-8 is kept, `"` and `\` get a backslash,
# and as \u00xx (\u20xx) are written: control characters of ASCII and Latin-1, line and paragraph
# separators, writing-direction overrides, and each byte that is not valid UTF-8 (as if it were
# Latin-1). In the other formats every byte that is not printable ASCII, and `"` and `\`, is
# written as \xhh. So no record can hold a line break or close a string of its own.
#
# A unit is the input that is escaped, or kept, as one. Nothing here checks for room: JSON text needs at
# most 6 bytes per byte, the other formats 4.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy

from limen.engine.text cimport put_bytes


cdef inline bint has_special(uint64_t word) noexcept nogil:
    # Any of eight bytes < 0x20, > 0x7e, `"` or `\`? May say yes for a neighbour of one, never no.
    cdef uint64_t ones = 0x0101010101010101ULL
    cdef uint64_t quote = word ^ (ones * 0x22)
    cdef uint64_t backslash = word ^ (ones * 0x5C)
    cdef uint64_t found = word | (word + ones) | ((word - ones * 0x20) & ~word)
    found |= ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash)
    return found & (ones << 7) != 0


cdef inline bint is_plain(uint8_t byte) noexcept nogil:
    return 0x20 <= byte <= 0x7E and byte != 0x22 and byte != 0x5C


cdef inline uint32_t utf8_unit(const uint8_t* text, uint32_t left, uint32_t* point) noexcept nogil:
    # Length of the well-formed UTF-8 sequence (Unicode table 3-7) that begins here, or 0.
    cdef uint32_t first = text[0], count, index, value
    if 0xC2 <= first <= 0xDF:
        count = 2
        value = first & 0x1F
    elif 0xE0 <= first <= 0xEF:
        count = 3
        value = first & 0x0F
    elif 0xF0 <= first <= 0xF4:
        count = 4
        value = first & 0x07
    else:
        return 0
    if left < count:
        return 0
    for index in range(1, count):
        if text[index] & 0xC0 != 0x80:
            return 0
        value = (value << 6) | (text[index] & 0x3F)
    if count == 3 and (value < 0x800 or 0xD800 <= value <= 0xDFFF):
        return 0
    if count == 4 and (value < 0x10000 or value > 0x10FFFF):
        return 0
    point[0] = value
    return count


cdef inline char* put_unicode(char* out, uint32_t point) noexcept nogil:
    cdef const char* digits = b"0123456789abcdef"
    memcpy(out, b"\\u", 2)
    out[2] = digits[(point >> 12) & 15]
    out[3] = digits[(point >> 8) & 15]
    out[4] = digits[(point >> 4) & 15]
    out[5] = digits[point & 15]
    return out + 6


cdef inline char* json_unit(char* out, const uint8_t* text, uint32_t left, uint32_t* taken) noexcept nogil:
    # One unit of JSON text: at most 6 bytes out per byte in.
    cdef uint32_t point = text[0], count
    taken[0] = 1
    if is_plain(text[0]):
        out[0] = <char> text[0]
        return out + 1
    if point == 0x22 or point == 0x5C:
        out[0] = 0x5C
        out[1] = <char> point
        return out + 2
    if point < 0x80:
        return put_unicode(out, point)
    count = utf8_unit(text, left, &point)
    if count == 0:
        return put_unicode(out, text[0])
    taken[0] = count
    if point < 0xA0 or 0x2028 <= point <= 0x202E or 0x2066 <= point <= 0x2069:
        return put_unicode(out, point)
    return put_bytes(out, <const char*> text, count)


cdef inline char* common_unit(char* out, const uint8_t* text, uint32_t* taken) noexcept nogil:
    # One byte of Common or Combined text: at most 4 bytes out per byte in.
    cdef const char* digits = b"0123456789abcdef"
    taken[0] = 1
    if is_plain(text[0]):
        out[0] = <char> text[0]
        return out + 1
    memcpy(out, b"\\x", 2)
    out[2] = digits[text[0] >> 4]
    out[3] = digits[text[0] & 15]
    return out + 4


cdef inline char* put_special(char* out, const uint8_t* at, const uint8_t* end, bint json) noexcept nogil:
    # The rest of a text in which something needs escaping.
    cdef uint64_t word
    cdef uint32_t taken
    while at < end:
        if end - at >= 8:
            memcpy(&word, at, 8)
            if not has_special(word):
                memcpy(out, &word, 8)
                out += 8
                at += 8
                continue
        out = json_unit(out, at, <uint32_t> (end - at), &taken) if json else common_unit(out, at, &taken)
        at += taken
    return out


cdef inline char* put_text(char* out, const char* text, uint32_t length, bint json) noexcept nogil:
    # Eight bytes at a time while nothing needs escaping; the last eight (or twice four) overlap what
    # is copied already, which saves a loop over single bytes.
    cdef const uint8_t* at = <const uint8_t*> text
    cdef const uint8_t* end = at + length
    cdef uint64_t word
    cdef uint32_t first, last
    while end - at >= 8:
        memcpy(&word, at, 8)
        if has_special(word):
            return put_special(out, at, end, json)
        memcpy(out, &word, 8)
        out += 8
        at += 8
    if at == end:
        return out
    if length >= 8:
        memcpy(&word, end - 8, 8)
        if has_special(word):
            return put_special(out, at, end, json)
        out += end - at
        memcpy(out - 8, &word, 8)
        return out
    if length >= 4:
        memcpy(&first, at, 4)
        memcpy(&last, end - 4, 4)
        if not has_special(<uint64_t> first << 32 | last):
            memcpy(out, &first, 4)
            memcpy(out + length - 4, &last, 4)
            return out + length
        return put_special(out, at, end, json)
    while at < end and is_plain(at[0]):
        out[0] = <char> at[0]
        out += 1
        at += 1
    return put_special(out, at, end, json) if at < end else out


# URLs: what may be written of them.

cdef inline uint32_t without_query(const char* url, uint32_t length) noexcept nogil:
    # A fragment has no place here, but holds tokens where somebody sends one.
    cdef const char* found = <const char*> memchr(url, b"?", length)
    if found != NULL:
        length = <uint32_t> (found - url)
    found = <const char*> memchr(url, b"#", length)
    return length if found == NULL else <uint32_t> (found - url)


cdef inline uint32_t userinfo(const char* url, uint32_t length, uint32_t* begin) noexcept nogil:
    # Where the userinfo of a URL (or authority) ends, behind its "@"; it begins at `begin`. 0: none.
    # Targets that a codec refused are logged too, so this cannot trust that there is none.
    cdef uint32_t at, start = 0, end = 0
    if url[0] == b"/":
        return 0
    for at in range(length):
        if url[at] == b":" and at + 2 < length and url[at + 1] == b"/" and url[at + 2] == b"/":
            start = at + 3
            break
        if url[at] == b"/" or url[at] == b"?" or url[at] == b"#" or url[at] == b"@":
            break
    for at in range(start, length):
        if url[at] == b"/" or url[at] == b"?" or url[at] == b"#" or url[at] == 0x5C:
            break
        if url[at] == b"@":
            end = at + 1
    begin[0] = start
    return end


cdef inline char* put_url(char* out, const char* url, uint32_t length, bint json) noexcept nogil:
    cdef uint32_t begin = 0, end
    if length and memchr(url, b"@", length) != NULL:
        end = userinfo(url, length, &begin)
        if end:
            out = put_text(out, url, begin, json)
            return put_text(out, url + end, length - end, json)
    return put_text(out, url, length, json)
