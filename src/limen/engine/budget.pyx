# Pure functions of budget and back-off.

from libc.stdint cimport int64_t, uint64_t


cdef enum:
    DOUBLINGS = 20            # beyond any `most` that can be configured


cdef int64_t most_of(int64_t live, double share, int64_t least) noexcept nogil:
    return max(<int64_t>(share * <double>live), least)


cdef uint64_t jittered(uint64_t draw, int retry, uint64_t base, uint64_t most) noexcept nogil:
    cdef uint64_t bound = min(base << min(max(retry - 1, 0), <int>DOUBLINGS), most)
    return <uint64_t>(<double>(draw >> 11) / 9007199254740992.0 * <double>bound)


cdef uint64_t spread(uint64_t draw, uint64_t bound) noexcept nogil:
    return bound - <uint64_t>(<double>(draw >> 11) / 9007199254740992.0 * <double>bound / 10.0)


cdef uint64_t draw_next(uint64_t* state) noexcept nogil:
    # Vigna 2016
    cdef uint64_t x = state[0]
    x ^= x >> 12
    x ^= x << 25
    x ^= x >> 27
    state[0] = x
    return x * <uint64_t>2685821657736338717ULL
