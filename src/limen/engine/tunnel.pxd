# Two connections joined: CONNECT, Upgrade, stream listeners.

from libc.stdint cimport uint64_t

from limen.engine.connection cimport Connection
from limen.engine.meter cimport Meter
from limen.engine.stream cimport Party, Stream
from limen.engine.upstream cimport Endpoint
from limen.engine.worker cimport Pipe, Worker


cdef struct Lane:
    Pipe* pipe                # owned while bytes are in it or bulk is moving
    uint64_t moved
    bint eof                  # the source has ended
    bint shut                 # and that was passed on


cdef class Tunnel(Party):
    cdef Worker worker
    cdef Connection client
    cdef Connection origin
    cdef Party owner          # told at the end by on_moved() for each side, then on_fault(None, fault)
    cdef Lane up              # client to origin
    cdef Lane down
    cdef uint64_t idle        # ns
    cdef uint64_t half
    cdef uint64_t ends        # monotonic ns: life is over
    cdef uint64_t last        # of the last byte
    cdef bint over
    cdef Meter meter          # the owner's; None: nothing is measured

    cdef void begin(self, Connection client, Connection origin, uint64_t idle, uint64_t half, uint64_t life) noexcept
    # When its life is over, in monotonic ns.
    cdef void bound_life(self, uint64_t ends) noexcept
    cdef void pump(self, Connection source, Connection sink, Lane* lane) noexcept
    cdef bint pump_copy(self, Connection source, Connection sink, Lane* lane) noexcept
    cdef bint pump_splice(self, Connection source, Connection sink, Lane* lane) noexcept
    cdef void pass_end(self, Connection sink, Lane* lane) noexcept
    # Bytes that may be read now, at most `most`; 0: the meter rings when there are some, or the tunnel is over.
    cdef uint64_t allowed(self, Lane* lane, uint64_t most) noexcept
    cdef void drop_pipe(self, Lane* lane) noexcept
    cdef void end(self, int fault) noexcept
