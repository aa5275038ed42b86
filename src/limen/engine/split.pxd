# One route, several upstreams: which share of its exchanges goes where.

from libc.stdint cimport int64_t, uint64_t

from limen.engine.cookies cimport Cookie


cdef enum:
    SPLIT_MOST = 64           # shares of a route
    SPLIT_EACH = -1           # `by`: nothing is kept together


cdef class Split:
    cdef readonly list shares # Actions, one per upstream
    cdef readonly int count
    cdef readonly int by      # affinity.KeyBy, or SPLIT_EACH
    cdef bytes name           # of the field, cookie or parameter
    cdef readonly Cookie cookie       # None: none is set
    cdef int64_t weights[64]
    cdef int64_t credit[64]   # of each share: what it has not had of the exchanges so far
    cdef int64_t total

    # The next in turn: over as many exchanges as the sum of the weights each has exactly its own.
    cdef int next_turn(self) noexcept
    # As if next_turn() had not been asked; `share` is what it said.
    cdef void give_back(self, int share) noexcept
    # Always the same for a key.
    cdef int of_key(self, uint64_t key) noexcept
