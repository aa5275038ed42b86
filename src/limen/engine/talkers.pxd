# Which clients and targets have most of what passes. Only workers that are asked to keep count have one.

from libc.stdint cimport uint64_t

from limen.engine.conceal cimport Concealment
from limen.engine.state cimport ExchangeState
from limen.engine.summary cimport Summary


cdef class Talkers:
    cdef readonly Summary clients      # identities ("u" and a name) and addresses ("a" and one; of IPv6 the /64)
    cdef readonly Summary targets      # hosts; of what names none the route
    cdef Concealment how          # what may be told of them

    # Count an exchange that is over, or with `ended` False what passed of one that goes on; it has carried `total`
    # bytes until now, and only what was not counted before counts.
    cdef void count(self, ExchangeState exchange, uint64_t total, bint ended) noexcept
