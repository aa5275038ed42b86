# The JA4 fingerprint of a TLS client (FoxIO): what kind of software says such a hello.

from limen.engine.tls.hello cimport Hello


cdef enum:
    JA4_SIZE = 36

# Writes JA4_SIZE characters; -1 without memory.
cdef int write_ja4(const Hello* hello, char* out) noexcept nogil
