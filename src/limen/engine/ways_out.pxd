# Ways out, as data: an egress is a choice among ways, and a way is a chain of parents or a source of our own.

from libc.stdint cimport uint64_t

from limen.engine.source cimport Source
from limen.engine.tls.contexts cimport ClientContext
from limen.engine.types cimport Address
from limen.engine.upstream cimport Endpoint, Upstream


cdef enum HopKind:
    HOP_HTTP = 0
    HOP_SOCKS5 = 1


cdef enum StickyBy:
    STICKY_NOT = 0
    STICKY_CLIENT = 1         # by who the client is
    STICKY_CONNECTION = 2     # one way for all requests of a client's connection


cdef enum:
    FITS_MOST = 256           # narrowed ones that are kept


cdef class Hop:
    # One parent.
    cdef readonly int kind
    cdef readonly bytes host
    cdef readonly int port
    cdef Address literal      # of the host; family 0: it is a name
    cdef readonly ClientContext tls   # None: plain
    cdef bytes authorization  # HTTP: what Proxy-Authorization says; empty: nothing
    cdef bytes user           # SOCKS5; empty: none
    cdef bytes password


cdef class Way:
    cdef readonly list hops   # in the order they are passed; empty: the target is dialled from `source`
    cdef readonly Source source       # of the dial; None: as the system has it
    cdef readonly Endpoint endpoint   # stands for it in balancers and on the board; the first parent's address
    cdef bytes prefix         # of the places where its connections rest
    cdef bint takes_absolute  # plain requests go to the one parent as they are


cdef class Egress:
    cdef readonly bytes name
    cdef readonly Upstream upstream   # chooses
    cdef dict ways            # Endpoint -> Way
    cdef bint fallback        # directly, where no way can be used
    cdef bint resolve_here    # names are resolved here, and the exit is asked for an address
    cdef int sticky           # StickyBy
    cdef object narrow        # (wishes, whether there is a session) -> an Egress, or None; None: it cannot be
    cdef dict fits            # what that has said, by what was asked
    cdef uint64_t sticky_for  # ns a client keeps its way; 0: as long as the ways stay the same

    # That of which an identity's own parameters leave some ways; None: none. Raises what Python raises.
    cdef Egress narrowed(self, tuple choice)
    # Whether none is known to work: all are out, or barred.
    cdef bint is_out(self, uint64_t now) noexcept
