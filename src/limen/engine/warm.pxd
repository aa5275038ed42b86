# Connections opened ahead, so that the first exchanges after a start, a reload or an endpoint's return need not dial.

from limen.engine.reactor cimport Handler
from limen.engine.state cimport ExchangeState
from limen.engine.stream cimport Stream
from limen.engine.upstream cimport Endpoint, Upstream
from limen.engine.worker cimport Worker


cdef class Warmer(Handler):
    # Looks after one upstream, four times a second as long as it is not stopped.
    cdef Worker worker
    cdef readonly Upstream upstream
    cdef readonly bint over

    cdef void look(self) noexcept
    cdef void open_some(self, Endpoint endpoint) noexcept


cdef class Opening(ExchangeState):
    # One connection on its way to the pool: an exchange's way out, without an exchange.
    cdef int begin(self, Warmer warmer, Endpoint endpoint) noexcept
    cdef void rest(self, Stream origin) noexcept
    cdef void end(self) noexcept
