# Keys of session tickets (RFC 5077, section 4; RFC 8446, 4.6.1).

from limen.engine.tls.libssl cimport SSL_CTX


cdef enum:
    TICKET_KEYS = 8           # kept at a time: the first encrypts, all decrypt


cdef struct TicketKey:
    unsigned char name[16]
    unsigned char mac[32]     # HMAC-SHA-256
    unsigned char cipher[32]  # AES-256-CBC


cdef class TicketKeys:
    cdef TicketKey keys[8]
    cdef readonly int count

    # Have tickets of this context made and read with these keys, which must outlive it.
    cdef int serve(self, SSL_CTX* native) except -1
