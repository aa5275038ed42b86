# Choices of a split are plain arithmetic over its weights; who asks, and by what, is steering.pyx.

import math
import os

cimport cython
from libc.stdint cimport int64_t, uint64_t


cdef enum:
    STEPS_MOST = 4096         # of the random beginning


@cython.final
cdef class Split:
    """The shares of a route by weight. A weight of 0 takes nobody new; who has it by the cookie keeps it."""

    def __cinit__(
        self, list shares not None, list weights not None, *, int by=SPLIT_EACH, str name="", Cookie cookie=None
    ):
        cdef int i
        cdef int _i
        cdef int64_t divisor
        if not 1 <= len(shares) <= SPLIT_MOST or len(shares) != len(weights):
            raise ValueError(f"a split has 1 to {SPLIT_MOST} shares, each with a weight")
        if min(weights) < 0 or max(weights) < 1:
            raise ValueError("weights are not negative, and one is positive")
        if cookie is not None and cookie.count != len(shares):
            raise ValueError("the cookie is for another number of shares")
        self.shares = shares
        self.count = <int>len(shares)
        self.by = by
        self.name = name.encode()
        self.cookie = cookie
        divisor = math.gcd(*weights)
        for i in range(self.count):
            self.weights[i] = <int64_t>weights[i] // divisor
            self.total += self.weights[i]
        # workers, and revisions that are reloaded often, must not all begin with the largest share
        for _i in range(int.from_bytes(os.urandom(4), "little") % min(self.total, <int64_t>STEPS_MOST)):
            self.next_turn()

    def __repr__(self) -> str:
        return f"<Split of {self.shares!r}>"

    cdef int next_turn(self) noexcept:
        """Smooth weighted round robin: shares are spread evenly, never in runs."""
        cdef int best = 0
        cdef int i
        for i in range(self.count):
            self.credit[i] += self.weights[i]
            if self.credit[i] > self.credit[best]:
                best = i
        self.credit[best] -= self.total
        return best

    cdef void give_back(self, int share) noexcept:
        cdef int i
        self.credit[share] += self.total
        for i in range(self.count):
            self.credit[i] -= self.weights[i]

    cdef int of_key(self, uint64_t key) noexcept:
        cdef int64_t at = <int64_t>(((key >> 32) * <uint64_t>self.total) >> 32)
        cdef int i
        for i in range(self.count):
            at -= self.weights[i]
            if at < 0:
                return i
        return self.count - 1

    def turn(self) -> int:
        """The number of the share whose turn is next, which it takes."""
        return self.next_turn()

    def share_of(self, unsigned long long key) -> int:
        """The number of the share that a key (64 evenly spread bits) belongs to."""
        return self.of_key(key)
