# Endpoints in the order of their nearness to a client: a balancer for each order that occurs, made when it first does.

from libc.stdint cimport uint32_t

from limen.engine.balance cimport Balancer
from limen.engine.places cimport Places


cdef class Nearest:
    cdef object rank          # callable(facts or None) -> tuple of priorities, one per endpoint
    cdef object make          # callable(priorities) -> Balancer
    cdef dict made            # priorities -> Balancer
    cdef list chosen          # Balancers by number of place; None: not asked for yet
    cdef uint32_t epoch       # of the places that `chosen` is for
    cdef Py_ssize_t most      # orders kept at a time

    # The balancer for clients of this place; `base` when there is no memory for one.
    cdef Balancer balancer(self, Places places, uint32_t place, Balancer base)
    cdef Balancer learn(self, Places places, uint32_t place, Balancer base)
