# libssl reads from the socket itself, through a BIO of ours that knows when the socket is empty and
# saves the call that would say so. What it writes is collected in the reactor's `sealed` buffer: it
# never blocks, so no half-written record is ever waited for, and several records go out in one call.
#
# TLS inside TLS: a session above another reads and writes through a BIO of the other kind, which calls that session
# as the connection calls the topmost. `ready` goes down with each read and comes up again: it means that any session
# below, or the socket, may have more. Only reading ever waits. A ticket or a key update of a session below is dealt
# with as it is read past, and what has to be answered lands in `sealed` like everything else.

cimport cython
from libc.stdint cimport uint32_t
from libc.stdlib cimport free
from libc.string cimport memcpy, strlen

from limen.engine.reactor cimport RECORD_SIZE, SEALED_SIZE, Reactor
from limen.engine.sys cimport EAGAIN, EINTR, limen_errno, recv
from limen.engine.tls.kernel cimport Outgoing, count_records, send_close_notify, take_over
from limen.engine.tls.libssl cimport (
    BIO,
    BIO_CTRL_FLUSH,
    BIO_CTRL_POP,
    BIO_CTRL_PUSH,
    BIO_METHOD,
    BIO_TYPE_SOURCE_SINK,
    ERR_GET_REASON,
    ERR_clear_error,
    ERR_peek_last_error,
    OPENSSL_cleanse,
    OPENSSL_free,
    SSL_CIPHER_get_id,
    SSL_get_current_cipher,
    SSL_AD_REASON_OFFSET,
    SSL_CTX,
    SSL_ERROR_WANT_READ,
    SSL_ERROR_ZERO_RETURN,
    SSL_do_handshake,
    SSL_free,
    SSL_get0_alpn_selected,
    SSL_get0_peer_certificate,
    SSL_get_error,
    SSL_get_servername,
    SSL_get_shutdown,
    SSL_get_verify_result,
    SSL_has_pending,
    SSL_new,
    SSL_read,
    SSL_SENT_SHUTDOWN,
    SSL_session_reused,
    SSL_set_accept_state,
    SSL_set_app_data,
    SSL_set_bio,
    SSL_set_connect_state,
    SSL_set_shutdown,
    SSL_shutdown,
    SSL_write,
    TLSEXT_NAMETYPE_host_name,
    X509,
    X509_verify_cert_error_string,
    i2d_X509,
    BIO_clear_retry_flags,
    BIO_get_data,
    BIO_get_new_index,
    BIO_meth_new,
    BIO_meth_set_ctrl,
    BIO_meth_set_read,
    BIO_meth_set_write,
    BIO_new,
    BIO_set_data,
    BIO_set_init,
    BIO_set_retry_read,
)


cdef enum:
    RECORD_HANDSHAKE = 22     # first byte of a client's first record
    RECORD_OVERHEAD = 96      # bytes that sealing adds to a record, at most: CBC with SHA-384 has 85


cdef int take_early(Session session, char* out, int size) noexcept:
    cdef uint32_t done = min(<uint32_t>size, session.early_end - session.early_start)
    memcpy(out, session.early + session.early_start, done)
    session.early_start += done
    if session.early_start == session.early_end:
        free(session.early)
        session.early = NULL
    session.begun = True
    return <int>done


cdef int wire_read(BIO* bio, char* out, int size) noexcept:
    # the session owns the BIO: it is alive while it is read from
    cdef Session session = <Session>BIO_get_data(bio)
    cdef ssize_t done
    BIO_clear_retry_flags(bio)
    if session.early != NULL:
        return take_early(session, out, size)
    if not session.ready:
        BIO_set_retry_read(bio)
        return -1
    while True:
        done = recv(session.fd, out, <size_t>size, 0)
        if done >= 0 or limen_errno() != EINTR:
            break
    if done > 0:
        if not session.begun:
            session.begun = True
            session.plain = out[0] != RECORD_HANDSHAKE
            if session.plain:
                session.first_size = <uint32_t>min(done, <ssize_t>sizeof(session.first))
                memcpy(session.first, out, session.first_size)
        # a short read emptied the socket; an end that was there already brings no new edge
        session.ready = done == size or session.hung
        return <int>done
    session.ready = False
    if done == 0:
        session.ended = True
        return 0
    if limen_errno() == EAGAIN:
        BIO_set_retry_read(bio)
    return -1


cdef int wire_write(BIO* bio, const char* data, int size) noexcept:
    cdef Session session = <Session>BIO_get_data(bio)
    cdef Reactor reactor = session.reactor
    BIO_clear_retry_flags(bio)
    if session.kernel:
        # an answer to a key update, or an alert, in a number of records that libssl has no idea of
        session.overtaken = True
        return size
    if <size_t>size > SEALED_SIZE - reactor.sealed_used:
        # cannot be: whoever writes makes room for a record first, and no handshake flight is that long
        return -1
    memcpy(reactor.sealed + reactor.sealed_used, data, <size_t>size)
    reactor.sealed_used += <size_t>size
    if session.outgoing != NULL and session.outgoing.secret_size:
        count_records(session.outgoing, data, <size_t>size)
    return size


cdef int nested_read(BIO* bio, char* out, int size) noexcept:
    cdef Session session = <Session>BIO_get_data(bio)
    cdef Session lower = session.lower
    cdef ssize_t done
    BIO_clear_retry_flags(bio)
    if session.early != NULL:
        return take_early(session, out, size)
    if not session.ready:
        BIO_set_retry_read(bio)
        return -1
    lower.ready = True
    lower.hung = session.hung
    done = lower.read(out, <size_t>size)
    if done > 0:
        session.begun = True
        session.ready = lower.ready or lower.has_more()
        return <int>done
    # all below is read to its end: a part of a record may lie there, the rest of it brings an edge
    session.ready = False
    if done == 0:
        session.ended = True
        return 0
    if done == -1:
        BIO_set_retry_read(bio)
    else:
        # what failed was not ours: it may be an alert, and that is not one of our peer's
        ERR_clear_error()
    return -1


cdef int nested_write(BIO* bio, const char* data, int size) noexcept:
    cdef Session session = <Session>BIO_get_data(bio)
    BIO_clear_retry_flags(bio)
    # not write(), which would clear the error that an alert on its way out is about
    return size if SSL_write(session.lower.ssl, data, size) == size else -1


cdef int alert_told() noexcept:
    """The alert that the last failure was about, as a number of RFC 8446, 6; -1: about something else."""
    cdef int reason = ERR_GET_REASON(ERR_peek_last_error())
    return reason - SSL_AD_REASON_OFFSET if SSL_AD_REASON_OFFSET <= reason < SSL_AD_REASON_OFFSET + 256 else -1


cdef long wire_ctrl(BIO* bio, int command, long number, void* pointer) noexcept:
    return command == BIO_CTRL_FLUSH or command == BIO_CTRL_PUSH or command == BIO_CTRL_POP


cdef BIO_METHOD* new_method(
    int (*read)(BIO*, char*, int) noexcept, int (*write)(BIO*, const char*, int) noexcept
) except NULL:
    cdef BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "limen")
    if method == NULL:
        raise MemoryError
    BIO_meth_set_read(method, read)
    BIO_meth_set_write(method, write)
    BIO_meth_set_ctrl(method, wire_ctrl)
    return method


# owned by the process: never freed
cdef BIO_METHOD* WIRE = new_method(wire_read, wire_write)
cdef BIO_METHOD* NESTED = new_method(nested_read, nested_write)


@cython.final
@cython.no_gc
cdef class Session:
    def __dealloc__(self):
        if self.ssl != NULL:
            if self.established and not self.server:
                # else libssl takes every end without close_notify for a reason to give up the session (RFC 2246,
                # 7.2.1, which RFC 4346 took back)
                SSL_set_shutdown(self.ssl, SSL_SENT_SHUTDOWN)
            SSL_free(self.ssl)
        free(self.early)
        self.forget_outgoing()

    def __repr__(self) -> str:
        return f"<Session server={self.server} established={self.established} resumed={self.resumed}>"

    cdef int begin(
        self, SSL_CTX* native, object context, Reactor reactor, int fd, Session lower, bint server
    ) noexcept:
        """0, or -1 without memory."""
        cdef BIO* bio
        self.context = context
        self.reactor = reactor
        self.fd = fd
        self.lower = lower
        self.most = RECORD_SIZE
        if lower is not None:
            self.level = lower.level + 1
            self.most = lower.most - RECORD_OVERHEAD
        self.server = server
        self.ready = True
        self.key_log = -1
        self.choice = -1
        self.alert = -1
        self.ssl = SSL_new(native)
        if self.ssl == NULL:
            ERR_clear_error()
            return -1
        bio = BIO_new(WIRE if lower is None else NESTED)
        if bio == NULL:
            ERR_clear_error()
            return -1
        BIO_set_data(bio, <void*>self)
        BIO_set_init(bio, 1)
        SSL_set_bio(self.ssl, bio, bio)
        SSL_set_app_data(self.ssl, <void*>self)
        if server:
            SSL_set_accept_state(self.ssl)
        else:
            SSL_set_connect_state(self.ssl)
        return 0

    cdef int handshake(self) noexcept:
        cdef int result
        ERR_clear_error()
        result = SSL_do_handshake(self.ssl)
        if result == 1:
            self.established = True
            self.resumed = SSL_session_reused(self.ssl) == 1
            self.verdict = SSL_get_verify_result(self.ssl)
            return 1
        if SSL_get_error(self.ssl, result) == SSL_ERROR_WANT_READ and not self.ended:
            return 0
        self.verdict = SSL_get_verify_result(self.ssl)
        self.alert = alert_told()
        return -1

    cdef ssize_t read(self, char* data, size_t room) noexcept:
        cdef int done
        cdef int error
        ERR_clear_error()
        done = SSL_read(self.ssl, data, <int>min(room, <size_t>0x40000000))
        if done > 0:
            return done
        error = SSL_get_error(self.ssl, done)
        if error == SSL_ERROR_WANT_READ:
            return -1
        if error == SSL_ERROR_ZERO_RETURN:
            return 0
        self.alert = alert_told()
        # an end without close_notify: harmless from a client, who has framed what it sent; from an origin it may
        # be somebody cutting the answer short
        return 0 if self.server and self.ended else -2

    cdef bint has_more(self) noexcept:
        return SSL_has_pending(self.ssl) == 1

    cdef int write(self, const char* data, int size) noexcept:
        ERR_clear_error()
        return 0 if SSL_write(self.ssl, data, size) == size else -1

    cdef const char* server_name(self, size_t* size) noexcept:
        cdef const char* name
        if self.ssl == NULL:
            size[0] = <size_t>len(self.name)
            return self.name
        name = SSL_get_servername(self.ssl, TLSEXT_NAMETYPE_host_name)
        size[0] = strlen(name) if name != NULL else 0
        return name

    cdef const char* protocol(self, size_t* size) noexcept:
        cdef const unsigned char* name = NULL
        cdef unsigned int length = 0
        SSL_get0_alpn_selected(self.ssl, &name, &length)
        size[0] = length
        return <const char*>name

    cdef str reason(self):
        return X509_verify_cert_error_string(self.verdict).decode("ascii", "replace")

    cdef bytes peer_der(self):
        cdef X509* leaf = SSL_get0_peer_certificate(self.ssl)
        cdef unsigned char* der = NULL
        cdef int size
        if leaf == NULL:
            return b""
        size = i2d_X509(leaf, &der)
        if size <= 0:
            ERR_clear_error()
            return b""
        try:
            return <bytes>(<char*>der)[:size]
        finally:
            OPENSSL_free(der)

    cdef bint unseal(self) noexcept:
        if self.outgoing == NULL or not self.established:
            return False
        self.kernel = take_over(
            self.outgoing, self.fd, <uint32_t>SSL_CIPHER_get_id(SSL_get_current_cipher(self.ssl))
        )
        self.forget_outgoing()
        return self.kernel

    cdef void forget_outgoing(self) noexcept:
        if self.outgoing != NULL:
            OPENSSL_cleanse(self.outgoing, sizeof(Outgoing))
            free(self.outgoing)
            self.outgoing = NULL

    cdef void close_notify(self) noexcept:
        cdef int told = SSL_get_shutdown(self.ssl)
        if self.kernel and not told & SSL_SENT_SHUTDOWN:
            SSL_set_shutdown(self.ssl, told | SSL_SENT_SHUTDOWN)
            send_close_notify(self.fd)
        elif self.established and not told & SSL_SENT_SHUTDOWN:
            # a second SSL_shutdown would wait for the peer's
            ERR_clear_error()
            SSL_shutdown(self.ssl)
        if self.lower is not None:
            self.lower.close_notify()
