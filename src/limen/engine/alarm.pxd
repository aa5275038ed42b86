# A timer for a party that has no descriptor of its own.

from libc.stdint cimport uint64_t

from limen.engine.reactor cimport Handler, Reactor
from limen.engine.stream cimport Party


cdef class Alarm(Handler):
    cdef Party party          # None: it rings for nobody any more

    # Ring once at `when` (monotonic ns), instead of any time before; 0: not at all.
    cdef void ring_at(self, uint64_t when) noexcept
    cdef void cancel(self) noexcept


cdef Alarm new_alarm(Reactor reactor, Party party)
