# Holds its party and is held by it: cancel() ends both.

cimport cython
from libc.stdint cimport uint64_t

from limen.engine.reactor cimport Handler, Reactor
from limen.engine.stream cimport Party


cdef Alarm new_alarm(Reactor reactor, Party party):
    cdef Alarm alarm = Alarm.__new__(Alarm)
    alarm.reactor = reactor
    alarm.party = party
    return alarm


@cython.final
@cython.no_gc
cdef class Alarm(Handler):
    cdef void ring_at(self, uint64_t when) noexcept:
        if when == 0:
            self.reactor.disarm(self)
        else:
            self.reactor.arm(self, when)

    cdef void cancel(self) noexcept:
        self.reactor.disarm(self)
        self.party = None

    cdef void on_timer(self) noexcept:
        # held here: the party lets go of its alarm when it ends
        cdef Party party = self.party
        if party is not None:
            party.on_alarm()
