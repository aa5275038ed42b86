from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc


cdef enum:
    # Places per endpoint: what bounds the unevenness, and what moves without need when one goes. The table of more
    # than 262 endpoints is no larger: 2 MiB.
    PLACES_EACH = 2000
    FREE = 0xffffffff


cdef uint32_t[4] SIZES = [65537, 131101, 262147, 524309]


cdef uint32_t maglev_size(int count) noexcept nogil:
    cdef int i
    for i in range(3):
        if SIZES[i] >= <uint32_t>count * PLACES_EACH:
            return SIZES[i]
    return SIZES[3]


cdef inline uint64_t stirred(uint64_t x) noexcept nogil:
    # the finaliser of SplitMix64 (Steele, Lea, Flood 2014)
    x ^= x >> 30
    x *= 0xbf58476d1ce4e5b9ULL
    x ^= x >> 27
    x *= 0x94d049bb133111ebULL
    return x ^ (x >> 31)


cdef uint64_t mixed(const char* data, size_t size, uint64_t seed) noexcept nogil:
    # FNV-1a, stirred: keys are short, and the tables take the upper bits
    cdef uint64_t hash = 14695981039346656037ULL ^ seed
    cdef size_t i
    for i in range(size):
        hash = (hash ^ <uint8_t>data[i]) * 1099511628211ULL
    return stirred(hash)


cdef int maglev_fill(
    uint32_t* table, uint32_t size, int count, const uint64_t* names, const double* weights
) noexcept nogil:
    """Each endpoint walks its own permutation of the places and takes the next free one in its turn; one of half the
    greatest weight has every second turn."""
    cdef uint32_t* offset = <uint32_t*>malloc(<size_t>count * sizeof(uint32_t))
    cdef uint32_t* skip = <uint32_t*>malloc(<size_t>count * sizeof(uint32_t))
    cdef double* credit = <double*>malloc(<size_t>count * sizeof(double))
    cdef double most = 0
    cdef uint32_t filled = 0
    cdef uint32_t at
    cdef uint32_t p
    cdef int i
    if offset == NULL or skip == NULL or credit == NULL or count == 0:
        free(offset)
        free(skip)
        free(credit)
        return -1
    for i in range(count):
        offset[i] = <uint32_t>(stirred(names[i]) % size)
        skip[i] = <uint32_t>(stirred(names[i] + 0x9e3779b97f4a7c15ULL) % (size - 1) + 1)
        credit[i] = 0
        most = max(most, weights[i])
    for p in range(size):
        table[p] = FREE
    while filled < size:
        for i in range(count):
            credit[i] += weights[i] / most
            if credit[i] < 1.0 or filled == size:
                continue
            credit[i] -= 1.0
            at = offset[i]
            while table[at] != FREE:
                at = at + skip[i] if at < size - skip[i] else at - (size - skip[i])
            table[at] = <uint32_t>i
            offset[i] = at + skip[i] if at < size - skip[i] else at - (size - skip[i])
            filled += 1
    free(offset)
    free(skip)
    free(credit)
    return 0
