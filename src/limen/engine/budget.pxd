# How often and how soon something is tried again: numbers only, so that they can be tested without a clock.

from libc.stdint cimport uint64_t


# Whether one more retry fits `retrying` of them among `live` exchanges.
cdef bint fits_budget(long retrying, long live, double share, long least) noexcept nogil
# Full jitter (Brooker 2015): a pause of 0 to min(most, base * 2^(retry - 1)), by a random `draw` of 64 bits.
cdef uint64_t jittered(uint64_t draw, int retry, uint64_t base, uint64_t most) noexcept nogil
# 90 % to 100 % of a bound, so that what began together does not end together.
cdef uint64_t spread(uint64_t draw, uint64_t bound) noexcept nogil
# The next of a row of random numbers (xorshift64*); `state` is never 0.
cdef uint64_t draw_next(uint64_t* state) noexcept nogil
