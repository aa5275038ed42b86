# What a place means for the order of endpoints is limen.egress.nearness; here it is remembered, so that a choice costs
# one more look into a list. Balancers made here follow that of the upstream, which keeps health and weights.

cimport cython
from libc.stdint cimport uint32_t

from limen.engine.balance cimport Balancer
from limen.engine.places cimport Places


cdef enum:
    ORDERS_MOST = 1024        # orders kept for one upstream
    SEATS_MOST = 262144       # and seats of all their balancers together


@cython.final
cdef class Nearest:
    """The balancers of one upstream by place. `rank(facts)` gives the priority of each endpoint for a client there,
    `make(priorities)` a balancer with these."""

    def __cinit__(self, object rank, object make, int count):
        self.rank = rank
        self.make = make
        self.made = {}
        self.chosen = []
        self.most = max(8, min(ORDERS_MOST, SEATS_MOST // max(count, 1)))

    def __repr__(self) -> str:
        return f"<Nearest of {len(self.made)} orders>"

    @property
    def orders(self) -> int:
        """How many orders are known now."""
        return len(self.made)

    cdef Balancer balancer(self, Places places, uint32_t place, Balancer base):
        if places is None:
            return base
        if self.epoch != places.epoch:
            self.chosen = []
            self.epoch = places.epoch
        if place < <uint32_t>len(self.chosen) and self.chosen[place] is not None:
            return <Balancer>self.chosen[place]
        return self.learn(places, place, base)

    cdef Balancer learn(self, Places places, uint32_t place, Balancer base):
        cdef Balancer found
        try:
            priorities = self.rank(places.facts[place])
            found = self.made.get(priorities)
            if found is None:
                if len(self.made) >= self.most:
                    # rare enough to begin anew: what is in use comes back at once
                    self.made.clear()
                    self.chosen = []
                found = <Balancer?>self.make(priorities)
                found.obey(base)
                self.made[priorities] = found
            if place >= <uint32_t>len(self.chosen):
                self.chosen.extend([None] * (place + 1 - len(self.chosen)))
            self.chosen[place] = found
            return found
        except Exception:
            # without memory, or by a mistake of ours: near and far are equal then
            return base
