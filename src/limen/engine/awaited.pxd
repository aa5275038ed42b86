# SOCKS BIND: instead of dialling a peer, wait for it.

from limen.engine.dial cimport Dial
from limen.engine.state cimport ExchangeState
from limen.engine.types cimport Address


cdef class Awaited(Dial):
    # Ends as a dial does: with the connection of one of `addresses`, or in a fault.
    cdef ExchangeState exchange

    cdef int open(self) noexcept
    cdef void accept(self) noexcept
    cdef bint is_expected(self, const Address* peer) noexcept


# A new one for the exchange, which is then begun like any dial.
cdef Awaited new_awaited(ExchangeState exchange)
