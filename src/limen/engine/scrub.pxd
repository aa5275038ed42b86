# What is taken off the fields that tell one client from another. Data only; scrubbing.pyx does it.

from libc.stdint cimport uint8_t


cdef enum ScrubOf:
    # What is done to Referer and to cookies.
    SCRUB_NOT = 0
    SCRUB_THIRD = 1           # only where another site's page makes the request
    SCRUB_ORIGIN = 2          # Referer: cut to its origin
    SCRUB_ALL = 3


cdef class Scrub:
    cdef bytes user_agent     # in the place of the client's; empty: none at all; None: as it is
    cdef bytes language       # likewise Accept-Language
    cdef uint8_t referer      # ScrubOf
    cdef uint8_t cookies      # ScrubOf
    cdef bint asks_third      # one of both depends on who makes the request
    cdef bint validators      # ETag, Last-Modified and the conditions on them
    cdef bint hints           # client hints
    cdef bint signal          # Sec-GPC and DNT say what a user wants
