# Which way a TLS connection goes that is passed on unopened.

from libc.stdint cimport uint32_t, uint64_t

from limen.engine.keys cimport KeyIndex, KeyRecord
from limen.engine.tls.hello cimport Hello


cdef class PassTable:
    cdef readonly list actions        # by number, in the order of the configuration
    cdef list protocols       # by number: wanted ALPN names as a tuple of bytes, or None
    cdef list fingerprints    # by number: wanted JA4 patterns as a tuple of bytes, or None
    cdef readonly int rest    # the first without any condition, or -1
    cdef readonly bint asks_ja4
    cdef KeyIndex names
    cdef uint64_t seed
    cdef list anywhere        # numbers of those that name nobody, ascending

    # The number of the first that matches, or -1. `ja4` may be None unless the table asks for it.
    cdef int find(self, const Hello* hello, bytes ja4) noexcept
    # The number of the first that takes every hello that names this host, or -1.
    cdef int find_host(self, const char* name, size_t size) noexcept
    cdef int search(self, const char* name, size_t size, const Hello* hello, bytes ja4, int best) noexcept
    cdef int judge(
        self, uint32_t bucket, const char* text, size_t size, const Hello* hello, bytes ja4, int best
    ) noexcept
    cdef bint fits(self, int number, const Hello* hello, bytes ja4) noexcept
    cdef bint speaks(self, int number, const Hello* hello) noexcept
