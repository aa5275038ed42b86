# Where connections of a way out come from: an address of our own (or one drawn from a prefix), an interface, a mark.

from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef class Source:
    cdef uint8_t four[4]
    cdef uint8_t six[16]
    cdef int four_bits        # of the prefix that is fixed; 32: one address; -1: none of this family
    cdef int six_bits
    cdef bytes device         # empty: any
    cdef uint32_t mark        # 0: none
    cdef uint64_t random

    # Put it in force for a socket of this family (AF_*) before it connects: 0, or an errno. ESRCH: it has addresses,
    # but none of this family.
    cdef int apply(self, int fd, int family) noexcept
