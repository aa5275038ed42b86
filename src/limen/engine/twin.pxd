# A second attempt beside an exchange's own, with an endpoint and a connection to itself: a hedge or a mirror's copy.

from limen.engine.state cimport ExchangeState
from limen.engine.stream cimport Stream


cdef class Twin(ExchangeState):
    # The state is that of the exchange up to its way out; what it borrows from there lives as long as `exchange`.
    cdef ExchangeState exchange

    cdef int resemble(self, ExchangeState exchange) noexcept
    # Enter an endpoint and reach it; -1 when all are full (nothing has begun then).
    cdef int set_out(self) noexcept
    cdef void dialled(self, int outcome) noexcept
    cdef void use_origin(self, Stream origin) noexcept
    cdef void push_kept(self) noexcept
    # Something to add to worker.out before the head goes out; -1 when there is no room.
    cdef int mark(self) noexcept
    # The attempt has ended by itself: once, with a fault.
    cdef void failed(self, int fault) noexcept
    # Let go of everything; nothing is heard of it any more.
    cdef void end(self) noexcept
