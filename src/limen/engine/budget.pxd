# How often and how soon something is tried again: numbers only, so that they can be tested without a clock.

from libc.stdint cimport int64_t, uint64_t


# How many may be tried twice among `live` exchanges: a share of them, but at least `least`.
cdef int64_t most_of(int64_t live, double share, int64_t least) noexcept nogil
# Full jitter (Brooker 2015): a pause of 0 to min(most, base * 2^(retry - 1)), by a random `draw` of 64 bits.
cdef uint64_t jittered(uint64_t draw, int retry, uint64_t base, uint64_t most) noexcept nogil
# 90 % to 100 % of a bound, so that what began together does not end together.
cdef uint64_t spread(uint64_t draw, uint64_t bound) noexcept nogil
# The next of a row of random numbers (xorshift64*); `state` is never 0.
cdef uint64_t draw_next(uint64_t* state) noexcept nogil
