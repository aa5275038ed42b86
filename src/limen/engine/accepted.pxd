# What every accepted connection has, whatever it speaks: its listener's service, its place in the
# worker's counts, the PROXY protocol header that may come first.

from libc.stdint cimport uint64_t

from limen.engine.service cimport Service
from limen.engine.upstream cimport Pooled
from limen.engine.types cimport Address
from limen.engine.worker cimport Worker


cdef class Accepted(Pooled):
    cdef Worker worker
    cdef Listener listener
    cdef Service service
    cdef Address sender       # who is connected; behind a PROXY protocol header who that says
    cdef bint counted         # in worker.clients
    cdef bint preface_due     # a PROXY protocol header has to come first
    cdef bint ending          # its listener is going: it ends with its exchange, or soon when there is none
    cdef void* next           # borrowed neighbours in listener.first
    cdef void* prev

    cdef int enter(self, int fd, Listener listener, const Address* sender) noexcept
    # Bytes of a PROXY protocol header at `data`: > 0 taken, 0 not whole, -1 refused (the connection is aborted).
    cdef int take_preface(self, const char* data, size_t size) noexcept
    cdef void leave(self) noexcept
    # Called once the connection stands.
    cdef void begin(self) noexcept
    # The listener goes: end with the exchange, or after a grace in which a request may still come.
    cdef void drain(self) noexcept
    cdef bint count_client(self) noexcept
    cdef void uncount_client(self) noexcept


cdef class Listener:
    cdef readonly str key
    cdef Service service      # in force for connections and exchanges that begin now
    cdef Worker worker
    cdef object socket        # Acceptor handler, or None once closed
    cdef void* first          # borrowed list of its connections
    cdef readonly long connections

    cdef void refused(self) noexcept
