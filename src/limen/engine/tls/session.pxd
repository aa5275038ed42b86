# One TLS connection: libssl between a socket, or another Session, and a Connection.

from libc.stdint cimport uint32_t

from limen.engine.reactor cimport Reactor
from limen.engine.tls.kernel cimport Outgoing
from limen.engine.tls.libssl cimport SSL, SSL_CTX


cdef class Session:
    cdef SSL* ssl             # owned
    cdef Reactor reactor      # whose `sealed` takes what goes out
    cdef int key_log          # borrowed from the context: descriptor that secrets are written to; -1: none
    cdef object context       # what `ssl` was made from: its callbacks point into it
    cdef int fd               # borrowed from the connection
    cdef Session lower        # whose content our records are; None: they go over the socket
    cdef int level            # how many are below
    cdef uint32_t most        # bytes of content in a record that fits into one record of each session below
    cdef bint server
    cdef bint ready           # the socket may have bytes: an edge came that was not read to its end; or a session below
    cdef bint hung            # no further edge will come
    cdef bint ended           # the peer's end was read from the socket
    cdef bint begun           # any byte has come
    cdef bint plain           # and the first was not of a TLS record
    cdef bint established
    cdef bint resumed
    cdef int choice           # server: which set of certificates of the context's names was chosen
    cdef long verdict         # client: X509_V_* of the origin's certificate
    cdef bytes name           # client: whom the peer's certificate has to name; without libssl: whom its hello does
    cdef object resumption    # client: where its sessions are kept; None: nowhere
    cdef bytes resumption_key
    cdef bint asked           # client: the origin wants a certificate
    cdef int alert            # what the peer ended the connection with (RFC 8446, 6); -1: none
    cdef char* early          # owned; bytes that were read before libssl was there, NULL when it has had them
    cdef uint32_t early_start
    cdef uint32_t early_end
    cdef uint32_t chatter     # bytes answered to what brought no content, in a row
    cdef char first[16]       # what came first, if it was plain
    cdef uint32_t first_size
    cdef Outgoing* outgoing   # owned; server: for the kernel to take over sealing; NULL: it may not, or has
    cdef bint kernel          # it has: libssl seals nothing more
    cdef bint overtaken       # and would have had to: the session is of no use any more
    cdef bytes ja4            # server: fingerprint of the client's hello, if something asks for it
    cdef object facts         # server: what facts_of() has read

    cdef int begin(
        self, SSL_CTX* native, object context, Reactor reactor, int fd, Session lower, bint server
    ) noexcept
    # 1 done, 0 waits for the peer, -1 failed. What has to go out lies in reactor.sealed, in each case.
    cdef int handshake(self) noexcept
    # > 0 bytes, 0 the peer's proper end, -1 nothing now, -2 failed.
    cdef ssize_t read(self, char* data, size_t room) noexcept
    # Whether read() may give more without the socket.
    cdef bint has_more(self) noexcept
    # Seal at most one record into reactor.sealed; 0, or -1 when the session is of no use any more.
    cdef int write(self, const char* data, int size) noexcept
    # The name that the client asked for, the protocol agreed on: borrowed from libssl, size 0 for none.
    cdef const char* server_name(self, size_t* size) noexcept
    cdef const char* protocol(self, size_t* size) noexcept
    # Why the peer's certificate is not believed.
    cdef str reason(self)
    # The peer's certificate in DER form, or nothing.
    cdef bytes peer_der(self)
    # Let the kernel seal what is sent from now on; False: it does not. What was sealed has to be sent before.
    cdef bint unseal(self) noexcept
    cdef void forget_outgoing(self) noexcept
    # Seal the end of what we send, once, in the sessions below as well.
    cdef void close_notify(self) noexcept


cdef inline bint in_clear(Session tls) noexcept:
    """Whether what is written to the socket goes as it is: there is no TLS, or the kernel seals."""
    return tls is None or tls.kernel
