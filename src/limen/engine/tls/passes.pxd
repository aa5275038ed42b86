# Which way a TLS connection goes that is passed on unopened.

from libc.stdint cimport uint32_t, uint64_t

from limen.engine.keys cimport KeyIndex, KeyRecord
from limen.engine.tls.hello cimport Hello


cdef class PassTable:
    cdef readonly list actions        # by number, in the order of the configuration
    cdef list protocols       # by number: wanted ALPN names as a tuple of bytes, or None
    cdef KeyIndex names
    cdef uint64_t seed
    cdef list anywhere        # numbers of those that name nobody, ascending

    # The number of the first that matches, or -1.
    cdef int find(self, const Hello* hello) noexcept
    cdef int judge(self, uint32_t bucket, const char* text, size_t size, const Hello* hello, int best) noexcept
    cdef bint speaks(self, int number, const Hello* hello) noexcept
