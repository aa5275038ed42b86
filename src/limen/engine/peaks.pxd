# How long endpoints take to answer, as all workers together have measured it: a decayed peak and when it was measured,
# in one word of shared memory, so that nobody sees one without the other. 0: nothing was measured.

from libc.stdint cimport int32_t, uint32_t, uint64_t


cdef enum:
    PEAK_SHIFT = 18           # ages count in units of 2^18 ns, a quarter of a millisecond; they wrap after 13 days


cdef extern from * nogil:
    """
    #include <stdint.h>
    #include <string.h>
    static inline uint64_t limen_peak_word(double ns, uint32_t at) {
        float rounded = (float)ns;
        uint32_t bits;
        memcpy(&bits, &rounded, 4);
        return (uint64_t)at << 32 | bits;
    }
    static inline double limen_peak_time(uint64_t word) {
        uint32_t bits = (uint32_t)word;
        float ns;
        memcpy(&ns, &bits, 4);
        return ns;
    }
    static inline uint64_t limen_peak_now(const uint64_t *place) { return __atomic_load_n(place, __ATOMIC_RELAXED); }
    static inline int limen_peak_swap(uint64_t *place, uint64_t *before, uint64_t fresh) {
        return __atomic_compare_exchange_n(place, before, fresh, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
    """
    # The word for a time of so many ns (rounded to 24 bits), measured at peak_clock().
    uint64_t peak_word "limen_peak_word"(double ns, uint32_t at) noexcept
    double peak_time "limen_peak_time"(uint64_t word) noexcept
    uint64_t peak_now "limen_peak_now"(const uint64_t* place) noexcept
    # Whether it was *before, and is `fresh` now; *before gets what it is otherwise.
    bint peak_swap "limen_peak_swap"(uint64_t* place, uint64_t* before, uint64_t fresh) noexcept


cdef inline uint32_t peak_clock(uint64_t now) noexcept nogil:
    return <uint32_t>(now >> PEAK_SHIFT)


# ns since the word's time was measured; never less than 0, other workers' clocks being read at other moments.
cdef inline double peak_age(uint64_t word, uint64_t now) noexcept nogil:
    cdef int32_t units = <int32_t>(peak_clock(now) - <uint32_t>(word >> 32))
    return <double>units * <double>(1 << PEAK_SHIFT) if units > 0 else 0.0
