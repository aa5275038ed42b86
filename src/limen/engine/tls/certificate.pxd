# A certificate chain with its key.

from limen.engine.tls.libssl cimport EVP_PKEY, X509, StackOfX509


cdef class Certificate:
    cdef bytes chain_text
    cdef bytes key_text
    cdef bytes response       # of the OCSP responder, to be stapled; empty: none
    cdef X509* leaf           # owned; NULL until load()
    cdef EVP_PKEY* key        # owned
    cdef StackOfX509* chain   # owned; without the leaf

    # Parse once; ValueError says what is wrong.
    cdef int load(self) except -1


# The certificates of a PEM text, owned by the caller; ValueError when there is none.
cdef StackOfX509* read_certificates(bytes text, X509** first) except NULL
cdef str last_error()
