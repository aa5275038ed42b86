# What connections of one listener, or to one upstream, have in common.

from libc.stdint cimport uint32_t, uint64_t

from limen.engine.keys cimport KeyIndex, KeyRecord
from limen.engine.reactor cimport Reactor
from limen.engine.tls.certificate cimport Certificate
from limen.engine.tls.libssl cimport SSL, SSL_CTX
from limen.engine.tls.session cimport Session
from limen.engine.tls.tickets cimport TicketKeys


cdef class ServerContext:
    cdef SSL_CTX* native         # owned
    cdef list certificates
    cdef KeyIndex names       # bucket 0: exact; 1: what follows the first label of a wildcard
    cdef uint64_t seed
    cdef tuple default        # indices of certificates
    cdef list sets            # of indices that names have in common; 0 is the default
    cdef bytes alpn           # in wire form
    cdef int key_log          # borrowed descriptor; -1: none
    cdef bint kernel          # it may seal large bodies
    cdef TicketKeys tickets

    # With `leaf`, that is what is shown.
    cdef Session accept(self, Reactor reactor, int fd, Session lower=*, Certificate leaf=*)
    cdef const KeyRecord* find(self, uint32_t bucket, const char* text, size_t size) noexcept
    cdef int lay_names(self, names) except -1
    # Which set of certificates covers this name, or 0.
    cdef int choose(self, const char* name, size_t size) noexcept
    # After the handshake: a resumed one has not asked for certificates.
    cdef void settle(self, Session session) noexcept
    cdef int dress(self, SSL* ssl, int choice) except -1
    # The set with this name; NULL if there is none, and `choose` gives the default.
    cdef const KeyRecord* look_up(self, const char* name, size_t size) noexcept


cdef class ClientContext:
    cdef SSL_CTX* native         # owned
    cdef bint verify
    cdef bint judged          # whoever uses a session looks at its verdict: a bad one does not end the handshake
    cdef bytes server_name    # instead of the endpoint's; empty: the endpoint's
    cdef list pins            # SHA-256 of SubjectPublicKeyInfo; empty: any
    cdef dict sessions        # endpoint -> Resumption
    cdef int key_log          # borrowed descriptor; -1: none

    # A session to `host` (a name or an address); `opaque`: no protocol is offered. None without memory.
    cdef Session connect(self, Reactor reactor, int fd, Session lower, bytes host, bytes key, bint opaque)
    # After the handshake: whether the origin is who it has to be, beyond what libssl has checked.
    cdef bint is_pinned(self, Session session) noexcept
