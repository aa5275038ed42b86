# What policy refuses that is no exchange, for the audit log. How many lines come of it is bounded: whoever floods a
# listener is counted in full, and written down some times a second.

from libc.stdint cimport uint64_t

from limen.engine.service cimport Service
from limen.engine.state cimport ExchangeState
from limen.engine.types cimport Address
from limen.engine.worker cimport Worker


cdef enum:
    AUDITED_PER_SECOND = 100      # of a worker


# A connection that was closed before it could ask for anything.
cdef void audit_connection(Worker worker, Service service, const Address* sender, int fault) noexcept
# A datagram that was dropped, to the host that the association's exchange has now; *next (monotonic ns) is when the
# association may be written down again.
cdef void audit_datagram(ExchangeState exchange, int fault, uint64_t* next) noexcept
