# Numbers and dates to text: each function writes at `out` and returns the byte after
# the last one written. No bounds are checked: the caller keeps room for the longest form.

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, strlen


cdef enum:
    MAX_NUMBER = 20               # bytes of the longest uint64


cdef inline const char* pairs() noexcept nogil:
    # "00" to "99": two digits per division.
    return (
        b"00010203040506070809101112131415161718192021222324252627282930313233343536373839"
        b"40414243444546474849505152535455565758596061626364656667686970717273747576777879"
        b"8081828384858687888990919293949596979899"
    )


cdef inline char* put_literal(char* out, const char* text) noexcept nogil:
    # For literals: the compiler knows the length.
    memcpy(out, text, strlen(text))
    return out + strlen(text)


cdef inline char* put_bytes(char* out, const char* text, uint32_t length) noexcept nogil:
    memcpy(out, text, length)
    return out + length


cdef inline char* put_two(char* out, uint32_t number) noexcept nogil:
    # Exactly two digits; number < 100.
    memcpy(out, pairs() + 2 * number, 2)
    return out + 2


cdef inline char* put_three(char* out, uint32_t number) noexcept nogil:
    # Exactly three digits; number < 1000.
    out[0] = <char> (48 + number // 100)
    return put_two(out + 1, number % 100)


cdef inline uint32_t count_digits(uint64_t number) noexcept nogil:
    cdef uint32_t count = 1
    while number >= 10000:
        number //= 10000
        count += 4
    return count + (number >= 10) + (number >= 100) + (number >= 1000)


cdef inline char* put_number(char* out, uint64_t number) noexcept nogil:
    # Written from its last digit: no copy of a length that the compiler cannot know.
    cdef char* end = out + count_digits(number)
    cdef char* at = end
    while number >= 100:
        at -= 2
        memcpy(at, pairs() + 2 * (number % 100), 2)
        number //= 100
    if number >= 10:
        memcpy(out, pairs() + 2 * number, 2)
    else:
        out[0] = <char> (48 + number)
    return end


cdef inline char* put_seconds(char* out, uint64_t nanoseconds) noexcept nogil:
    # Seconds with six decimals, rounded down.
    cdef uint64_t microseconds = nanoseconds // 1000
    cdef uint64_t seconds = 0
    cdef uint32_t rest
    if microseconds >= 1000000:
        seconds = microseconds // 1000000
        microseconds -= seconds * 1000000
    rest = <uint32_t> microseconds
    out = put_number(out, seconds)
    out[0] = b"."
    out = put_three(out + 1, rest // 1000)
    return put_three(out, rest % 1000)


cdef inline void civil_date(int64_t days, int* year, int* month, int* day) noexcept nogil:
    # Days since 1970-01-01 to the Gregorian date (H. Hinnant's algorithm: years begin in March,
    # 400-year eras). `days` not before year 0.
    cdef int64_t era, day_of_era, year_of_era, day_of_year, part
    days += 719468
    era = days // 146097
    day_of_era = days - era * 146097
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    part = (5 * day_of_year + 2) // 153
    day[0] = <int> (day_of_year - (153 * part + 2) // 5 + 1)
    month[0] = <int> (part + 3 if part < 10 else part - 9)
    year[0] = <int> (year_of_era + era * 400 + (1 if month[0] <= 2 else 0))
