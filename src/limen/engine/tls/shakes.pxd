# Handshakes that have something to do, a few per turn.

from limen.engine.connection cimport Connection
from limen.engine.reactor cimport Handler


cdef enum:
    SHAKES_MOST = 1024        # handshakes with clients under way, per worker; more are refused


cdef class Shakes(Handler):
    cdef void* head           # borrowed Connections (kept alive by an INCREF while queued)
    cdef void* tail
    cdef long under_way       # with clients

    # Have connection.on_shake() called soon. Once more while it waits does nothing.
    cdef void enter(self, Connection connection) noexcept
