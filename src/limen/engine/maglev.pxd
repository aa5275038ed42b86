# Maglev's table (Eisenbud et al. 2016): where each hash goes, evenly, and almost unmoved when endpoints come or go.

from libc.stdint cimport uint32_t, uint64_t


# Places of a table for `count` endpoints: a prime.
cdef uint32_t maglev_size(int count) noexcept nogil
# Fill `table` with 0 to count - 1; `names` are their hashes, `weights` their parts. 0, or -1 without memory.
cdef int maglev_fill(
    uint32_t* table, uint32_t size, int count, const uint64_t* names, const double* weights
) noexcept nogil

# A hash of bytes, the same in every process and version: tables and keys depend on it.
cdef uint64_t mixed(const char* data, size_t size, uint64_t seed) noexcept nogil
