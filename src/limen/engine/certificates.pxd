# Conditions on the certificate that a client has shown. Knows texts, no library of TLS.

from libc.stdint cimport uint32_t


cdef struct CertificateView:
    # Every pointer is borrowed from the connection's facts.
    const char* subject       # RFC 4514
    const char* names         # alternative names, each with a line feed behind it
    const char* fingerprint   # SHA-256, 64 hexadecimal digits in lower case
    uint32_t subject_length
    uint32_t names_length


cdef class CertificateMatch:
    cdef bint presented       # False: the client has shown none
    cdef tuple subjects       # patterns as bytes; empty: any
    cdef tuple names
    cdef tuple fingerprints

    # `view` is NULL if the client has shown none.
    cdef bint holds(self, const CertificateView* view) noexcept
