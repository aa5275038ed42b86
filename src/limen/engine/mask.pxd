# What is rewritten of Location and Set-Cookie. Data only; masking.pyx does it.

cdef class Mask:
    cdef list hosts           # lower-case names of origins, with port or without, besides those of endpoints
    cdef list upstreams       # of the route: their endpoints' names
    cdef bytes strip          # prefixes of the route's rewriting, to be undone; without a slash at the end
    cdef bytes add
    cdef bint location
    cdef bint cookies
    cdef bytes domain         # Domain of cookies instead of any; empty: only those of `hosts` go
