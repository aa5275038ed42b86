# Moving bytes between two sockets without looking at them.

from libc.stdint cimport uint64_t

from limen.engine.connection cimport Connection
from limen.engine.worker cimport Pipe


cdef enum RelayResult:
    RELAY_DONE = 0            # `remaining` bytes have gone through
    RELAY_SOURCE = 1          # the source has nothing now
    RELAY_SINK = 2            # the sink takes nothing now
    RELAY_EOF = 3             # the source ended; the pipe is empty
    RELAY_SOURCE_BROKEN = 4
    RELAY_SINK_BROKEN = 5
    RELAY_TURN = 6            # enough for one turn: others first


cdef enum:
    UNSEAL_MIN = 1048576      # content at least this long is worth asking the kernel to seal what a connection sends
    SPLICE_MIN = 262144       # content at least this long is spliced; measured, see docs/performance.md
    RELAY_BUDGET = 4194304    # bytes in one turn


# Splice from source to sink through `pipe` until something blocks. *remaining is what the source
# still owes (counted down as it enters the pipe); *moved grows by what the sink took.
cdef int relay(Connection source, Connection sink, Pipe* pipe, uint64_t* remaining, uint64_t* moved) noexcept
