# Paths and patterns: the form of a path that is matched, and globs over paths and hosts.
from libc.stdint cimport uint8_t


cdef inline int hex_digit(uint8_t c) noexcept nogil:
    """The value of a hexadecimal digit in either case, or -1."""
    if 48 <= c <= 57:
        return c - 48
    c |= 32
    if 97 <= c <= 102:
        return c - 87
    return -1


# Normalise for matching: decode percent-encoded unreserved characters, write the hex digits of other
# escapes in upper case, remove dot segments (also encoded ones) without ever leaving "/". "//" stays.
# Returns 0 if the path is normal as it is (nothing was written: use the original), the length written
# to `out`, or -1: malformed escape, no leading "/", or longer than `room`. "" and "*" count as normal.
cdef int normalize_path(const char* path, size_t n, char* out, size_t room) noexcept nogil

# Whether the whole path matches: `*` any run without "/", `**` any run, `?` one character but "/".
# Time is O(path x pattern x (1 + separators in the pattern)).
cdef bint glob_match(const char* pattern, size_t pattern_length, const char* text, size_t length) noexcept nogil

# The same for host names: "." separates.
cdef bint host_glob_match(const char* pattern, size_t pattern_length, const char* text, size_t length) noexcept nogil
