"""Paths and patterns: the form of a path that is matched, and globs over paths and hosts."""

from libc.stdint cimport uint8_t
from libc.string cimport memchr, memcmp


cdef inline bint is_unreserved(uint8_t c) noexcept nogil:
    """RFC 3986, 2.3."""
    return (97 <= (c | 32) <= 122 or 48 <= c <= 57 or c == c"-" or c == c"." or c == c"_" or c == c"~")


cdef inline bint is_normal(const char* path, size_t n) noexcept nogil:
    """No escape and no dot segment; `path` begins with "/"."""
    cdef const char* dot = path
    cdef const char* end = path + n
    if memchr(path, c"%", n) != NULL:
        return False
    while True:
        dot = <const char*>memchr(dot, c".", <size_t>(end - dot))
        if dot == NULL:
            return True
        if (dot - 1)[0] == c"/":           # there is a byte before it: the path begins with "/"
            if dot + 1 == end or dot[1] == c"/":
                return False
            if dot[1] == c"." and (dot + 2 == end or dot[2] == c"/"):
                return False
        dot += 1


cdef inline size_t close_segment(char* out, size_t start, size_t end) noexcept nogil:
    """Where the output ends once the segment out[start:end] is whole; out[start - 1] is "/"."""
    if end - start == 1 and out[start] == c".":
        return start
    if end - start == 2 and out[start] == c"." and out[start + 1] == c".":
        if start == 1:
            return 1                  # ".." at the root stays there (RFC 3986, 5.2.4)
        start -= 1
        while out[start - 1] != c"/":
            start -= 1
        return start
    return end


cdef int normalize_path(const char* path, size_t n, char* out, size_t room) noexcept nogil:
    cdef size_t i = 1, end = 1, start = 1, closed
    cdef int high, low
    cdef uint8_t c
    if n == 0 or (n == 1 and path[0] == c"*"):
        return 0
    if path[0] != c"/" or n > 0x7FFFFFFF:
        return -1
    if is_normal(path, n):
        return 0
    if room == 0:
        return -1
    out[0] = c"/"
    while i < n:
        c = <uint8_t>path[i]
        if c == c"/":
            closed = close_segment(out, start, end)
            i += 1
            if closed != end:         # a dot segment went with its "/"
                end = start = closed
                continue
            if end == room:
                return -1
            out[end] = c"/"
            end += 1
            start = end
            continue
        if c == c"%":
            if n - i < 3:
                return -1
            high = hex_digit(<uint8_t>path[i + 1])
            low = hex_digit(<uint8_t>path[i + 2])
            if high < 0 or low < 0:
                return -1
            i += 3
            c = <uint8_t>(high * 16 + low)
            if not is_unreserved(c):
                if room - end < 3:
                    return -1
                out[end] = c"%"
                out[end + 1] = <char>(high + (48 if high < 10 else 55))
                out[end + 2] = <char>(low + (48 if low < 10 else 55))
                end += 3
                continue
        else:
            i += 1
        if end == room:
            return -1
        out[end] = <char>c
        end += 1
    end = close_segment(out, start, end)
    if end == n and memcmp(out, path, n) == 0:
        return 0
    return <int>end


# Why keeping only the last star of each kind is right: within a stretch without "**" the leftmost match of
# each piece leaves most to what follows, and a "*" cannot leave its segment. A stretch that fails at a piece
# after a "*" fails from every later start in the same segment too, since each piece is then found no earlier
# and must be found in the same segment; hence the jump over the rest of the segment.
cdef inline bint separated_glob(const char* pattern, size_t m, const char* text, size_t n,
                                char separator) noexcept nogil:
    cdef size_t i = 0, j = 0          # in text, in pattern
    cdef size_t star = 0, star_text = 0, deep = 0, deep_text = 0
    cdef bint has_star = False, has_deep = False
    while True:
        if j < m and pattern[j] == c"*":
            j += 1
            if j < m and pattern[j] == c"*":
                while j < m and pattern[j] == c"*":
                    j += 1
                if j == m:
                    return True
                has_deep = True
                has_star = False
                deep = j
                deep_text = i
            else:
                has_star = True
                star = j
                star_text = i
            continue
        if i == n:
            return j == m             # a piece that ran out of text here does so from every later start
        if j < m and (pattern[j] == text[i] or (pattern[j] == c"?" and text[i] != separator)):
            i += 1
            j += 1
            continue
        if has_star and star_text < n and text[star_text] != separator:
            star_text += 1
            i = star_text
            j = star
        elif has_deep:
            if has_star:
                while deep_text < n and text[deep_text] != separator:
                    deep_text += 1
            if deep_text >= n:
                return False
            deep_text += 1
            has_star = False
            i = deep_text
            j = deep
        else:
            return False


cdef bint glob_match(const char* pattern, size_t pattern_length, const char* text, size_t length) noexcept nogil:
    return separated_glob(pattern, pattern_length, text, length, c"/")


cdef bint host_glob_match(const char* pattern, size_t pattern_length, const char* text, size_t length) noexcept nogil:
    return separated_glob(pattern, pattern_length, text, length, c".")
