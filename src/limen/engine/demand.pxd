# Demand: whether clients of a route or listener have to say who they are, and how they are told so. Data only;
# identifying.pyx asks it.

from libc.stdint cimport uint64_t


cdef enum:
    IDENTITY_ASKED = -1       # somebody waits for the answer


cdef class Demand:
    cdef readonly object chain        # Python's: who verifies
    cdef readonly bint required       # False: whoever shows nothing passes as nobody
    cdef tuple binders        # Python's: those in the chain who vouch for a whole connection; None: nobody does
    cdef bint wants_certificate       # some provider looks at the client's certificate
    cdef bint wants_field     # some provider takes credentials in the field
    cdef int field_id         # types.FieldId of the credentials
    cdef int status           # 407, or 401
    cdef uint64_t number      # of all that this process has made
    cdef bytes name           # of the field with the challenges
    cdef list challenges      # its values, in order
    cdef list refusals        # likewise, for a token that was refused (RFC 6750, 3)
