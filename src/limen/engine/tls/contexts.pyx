# Contexts: settings, certificates by name, resumption. libssl calls back here in a handshake; no
# callback touches Python objects but the context's own lists.

from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc
from libc.string cimport memcmp, memcpy, strlen

from limen.engine.addresses cimport parse_ip
from limen.engine.keys cimport KeyIndex, KeyRecord, find_key, hash_bytes, in_bucket
from limen.engine.reactor cimport Reactor
from limen.engine.sys cimport write
from limen.engine.tls.certificate cimport Certificate, last_error, read_certificates
from limen.engine.tls.kernel cimport Outgoing, note_secret
from limen.engine.tls.libssl cimport (
    BIO,
    BIO_free,
    BIO_new_mem_buf,
    ERR_clear_error,
    OPENSSL_VERSION_STRING,
    OPENSSL_free,
    OPENSSL_malloc,
    OpenSSL_version,
    PEM_read_bio_X509_CRL,
    SHA256,
    SSL,
    SSL_CTX,
    SSL_CTX_add_client_CA,
    SSL_CTX_free,
    SSL_CTX_get_cert_store,
    SSL_CTX_new_ex,
    SSL_CTX_sess_set_new_cb,
    SSL_CTX_set1_groups_list,
    SSL_CTX_set_alpn_protos,
    SSL_CTX_set_alpn_select_cb,
    SSL_CTX_set_cert_cb,
    SSL_CTX_set_keylog_callback,
    SSL_CTX_set_cipher_list,
    SSL_CTX_set_ciphersuites,
    SSL_CTX_set_default_verify_paths,
    SSL_CTX_set_max_proto_version,
    SSL_CTX_set_min_proto_version,
    SSL_CTX_set_num_tickets,
    SSL_CTX_set_mode,
    SSL_CTX_set_options,
    SSL_CTX_set_read_ahead,
    SSL_CTX_set_session_cache_mode,
    SSL_CTX_set_session_id_context,
    SSL_CTX_set_session_ticket_cb,
    SSL_CTX_set_tlsext_status_arg,
    SSL_CTX_set_tlsext_status_cb,
    SSL_CTX_set_timeout,
    SSL_CTX_set_verify,
    SSL_CTX_use_cert_and_key,
    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
    SSL_MODE_RELEASE_BUFFERS,
    SSL_OP_NO_COMPRESSION,
    SSL_OP_NO_RENEGOTIATION,
    SSL_OP_NO_TICKET,
    SSL_SESSION,
    SSL_SESSION_free,
    SSL_SESSION_get0_peer,
    SSL_SESSION_get_protocol_version,
    SSL_SESS_CACHE_CLIENT,
    SSL_SESS_CACHE_NO_INTERNAL,
    SSL_SESS_CACHE_OFF,
    SSL_TICKET_RETURN_IGNORE_RENEW,
    SSL_TICKET_RETURN_USE,
    SSL_TICKET_RETURN_USE_RENEW,
    SSL_TICKET_SUCCESS,
    SSL_TICKET_SUCCESS_RENEW,
    SSL_TLSEXT_ERR_ALERT_FATAL,
    SSL_TLSEXT_ERR_NOACK,
    SSL_TLSEXT_ERR_OK,
    SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
    SSL_VERIFY_NONE,
    SSL_VERIFY_PEER,
    SSL_get0_param,
    SSL_get0_peer_certificate,
    SSL_get_app_data,
    SSL_get_certificate,
    SSL_get_servername,
    SSL_set_alpn_protos,
    SSL_set1_host,
    SSL_set_hostflags,
    SSL_set_session,
    SSL_set_tlsext_host_name,
    SSL_set_tlsext_status_ocsp_resp,
    SSL_use_cert_and_key,
    StackOfX509,
    TLSEXT_NAMETYPE_host_name,
    TLS_client_method,
    TLS_server_method,
    X509,
    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
    X509_CRL,
    X509_CRL_free,
    X509_STORE_add_cert,
    X509_STORE_add_crl,
    X509_STORE_set_flags,
    X509_VERIFY_PARAM_set1_ip_asc,
    X509_V_FLAG_CRL_CHECK,
    X509_V_FLAG_CRL_CHECK_ALL,
    X509_cmp_current_time,
    X509_free,
    X509_get0_notAfter,
    X509_get_X509_PUBKEY,
    i2d_X509_PUBKEY,
    sk_X509_num,
    sk_X509_pop_free,
)
from limen.engine.tls.session cimport Session
from limen.engine.tls.tickets cimport TicketKeys
from limen.engine.types cimport Address

import hashlib
import os


cdef extern from *:
    """
    #include <openssl/x509.h>
    static X509 *limen_stack_at(const STACK_OF(X509) *stack, int i) { return sk_X509_value(stack, i); }
    """
    X509* limen_stack_at(const StackOfX509* stack, int i) noexcept nogil


cdef enum:
    EXACT = 0                 # buckets of names
    WILDCARD = 1
    NAME_MOST = 255
    TLS_1_2 = 0x0303
    RESUMPTIONS_MOST = 2048   # sessions with origins kept per context


cdef bytes NO_NAME = b"-"     # that of no host


# Whose ciphers libssl takes where there is a choice, as a query of properties (property(7)), and who that is.
cdef bytes preferred = b""
cdef str maker = ""
if os.environ.get("LIMEN_IPSEC_MB") != "0":
    try:
        from limen.engine.tls import gcm
    except ImportError as error:  # not built, or its library has gone since: OpenSSL's own serve, and --version tells
        if not isinstance(error, ModuleNotFoundError):
            maker = f"its own AES-GCM, because {error}"
    else:
        maker = gcm.install()
        preferred = gcm.PREFERENCE if maker else b""
cdef const char* preference = preferred


cdef bytes wire_alpn(alpn):
    out = b"".join(bytes([len(name)]) + name.encode("ascii") for name in alpn)
    if any(not 0 < len(name) < 256 for name in alpn):
        raise ValueError("an ALPN name has 1 to 255 bytes")
    return out


cdef SSL_CTX* common(SSL_CTX* native, int minimum, int maximum, str ciphers, str suites, str groups) except NULL:
    """What both sides set. On an error the context is freed."""
    cdef bytes text
    if native == NULL:
        raise MemoryError(last_error())
    # records are read as they come, several with one call; buffers of idle connections are given back
    SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER)
    SSL_CTX_set_read_ahead(native, 1)
    SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION)
    wrong = None
    if SSL_CTX_set_min_proto_version(native, minimum) != 1 or (
        maximum and SSL_CTX_set_max_proto_version(native, maximum) != 1
    ):
        wrong = f"TLS versions 0x{minimum:04x} to 0x{maximum:04x} cannot be had"
    if wrong is None and ciphers:
        text = ciphers.encode()
        if SSL_CTX_set_cipher_list(native, text) != 1:
            wrong = f"ciphers {ciphers!r}: {last_error()}"
    if wrong is None and suites:
        text = suites.encode()
        if SSL_CTX_set_ciphersuites(native, text) != 1:
            wrong = f"suites {suites!r}: {last_error()}"
    if wrong is None and groups:
        text = groups.encode()
        if SSL_CTX_set1_groups_list(native, text) != 1:
            wrong = f"groups {groups!r}: {last_error()}"
    ERR_clear_error()
    if wrong is not None:
        SSL_CTX_free(native)
        raise ValueError(wrong)
    return native


cdef int trust(SSL_CTX* native, bytes ca, bytes crl, bint offer) except -1:
    """Authorities to believe; `offer`: also name them to clients that are asked for a certificate."""
    cdef StackOfX509* stack = read_certificates(ca, NULL)
    cdef X509_CRL* revoked
    cdef BIO* bio
    cdef int i
    cdef int lists = 0
    try:
        for i in range(sk_X509_num(stack)):
            if X509_STORE_add_cert(SSL_CTX_get_cert_store(native), limen_stack_at(stack, i)) != 1:
                raise ValueError(f"authority {i + 1} cannot be used: {last_error()}")
            if offer and SSL_CTX_add_client_CA(native, limen_stack_at(stack, i)) != 1:
                raise MemoryError
    finally:
        sk_X509_pop_free(stack, X509_free)
    if not crl:
        return 0
    bio = BIO_new_mem_buf(<const char*>crl, <int>len(crl))
    while bio != NULL:
        revoked = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)
        if revoked == NULL:
            break
        lists += X509_STORE_add_crl(SSL_CTX_get_cert_store(native), revoked)
        X509_CRL_free(revoked)
    BIO_free(bio)
    ERR_clear_error()
    if lists == 0:
        raise ValueError("no revocation list in PEM form")
    # of authorities in between as well: whoever holds the key of a revoked one can make clients
    X509_STORE_set_flags(SSL_CTX_get_cert_store(native), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL)
    return 0


cdef void on_secret(const SSL* ssl, const char* line) noexcept:
    """Appends a line of the key log in one write, so that workers can share the file; a full disk loses it."""
    cdef Session session = <Session>SSL_get_app_data(ssl)
    cdef char text[1024]
    cdef size_t size = strlen(line)
    if session.outgoing != NULL:
        note_secret(session.outgoing, line)
    if session.key_log < 0 or size >= sizeof(text):
        return
    memcpy(text, line, size)
    text[size] = 10
    write(session.key_log, text, size + 1)


cdef bint has_run_out(SSL_SESSION* session) noexcept:
    """Whether the certificate that the peer has shown when the session began holds no longer."""
    cdef X509* shown = SSL_SESSION_get0_peer(session)
    return shown != NULL and X509_cmp_current_time(X509_get0_notAfter(shown)) <= 0


# Terminate ---------------------------------------------------------------------------------------


cdef int on_certificate(SSL* ssl, void* data) noexcept:
    """Choose by name. 1: go on; 0: end the handshake with an alert."""
    cdef ServerContext context = <ServerContext>data
    cdef Session session = <Session>SSL_get_app_data(ssl)
    cdef const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)
    session.choice = context.choose(name, strlen(name) if name != NULL else 0)
    if session.choice == 0:
        return 1
    try:
        context.dress(ssl, session.choice)
    except Exception:
        # it was found good when it was loaded; the client hears an internal error, its handshake is counted as failed
        ERR_clear_error()
        return 0
    return 1


cdef int on_alpn(
    SSL* ssl, const unsigned char** out, unsigned char* out_size, const unsigned char* offered, unsigned int size,
    void* data
) noexcept:
    """Ours in our order; a client that names protocols, but none of ours, is refused (RFC 7301, 3.2)."""
    cdef ServerContext context = <ServerContext>data
    cdef const unsigned char* own = <const unsigned char*>context.alpn
    cdef size_t length = <size_t>len(context.alpn)
    cdef size_t i = 0
    cdef unsigned int j
    if length == 0:
        return SSL_TLSEXT_ERR_NOACK
    while i < length:
        j = 0
        while j < size and j + 1 + offered[j] <= size:
            if offered[j] == own[i] and memcmp(offered + j + 1, own + i + 1, own[i]) == 0:
                out[0] = offered + j + 1
                out_size[0] = offered[j]
                return SSL_TLSEXT_ERR_OK
            j += 1 + offered[j]
        i += 1 + own[i]
    return SSL_TLSEXT_ERR_ALERT_FATAL


cdef int on_status(SSL* ssl, void* data) noexcept:
    """The client asks whether the certificate still holds: the responder's word, if we have it."""
    cdef ServerContext context = <ServerContext>data
    cdef Session session = <Session>SSL_get_app_data(ssl)
    cdef X509* shown = SSL_get_certificate(ssl)
    cdef Certificate certificate
    cdef unsigned char* copy
    cdef int i
    cdef int choice = session.choice if session.choice > 0 else 0
    for i in context.sets[choice]:
        certificate = <Certificate>context.certificates[i]
        if certificate.leaf != shown or not certificate.response:
            continue
        copy = <unsigned char*>OPENSSL_malloc(len(certificate.response))
        if copy == NULL:
            break
        memcpy(copy, <const char*>certificate.response, len(certificate.response))
        # libssl frees it with the connection
        SSL_set_tlsext_status_ocsp_resp(ssl, copy, len(certificate.response))
        return SSL_TLSEXT_ERR_OK
    return SSL_TLSEXT_ERR_NOACK


cdef int on_redeemed(
    SSL* ssl, SSL_SESSION* session, const unsigned char* name, size_t size, int status, void* data
) noexcept:
    """A client whose certificate has run out since has to show one again: each visit brings a new ticket."""
    if (status != SSL_TICKET_SUCCESS and status != SSL_TICKET_SUCCESS_RENEW) or has_run_out(session):
        return SSL_TICKET_RETURN_IGNORE_RENEW
    return SSL_TICKET_RETURN_USE if status == SSL_TICKET_SUCCESS else SSL_TICKET_RETURN_USE_RENEW


cdef class ServerContext:
    """Everything a listener needs to end TLS: certificates by name, versions, client certificates, tickets."""

    def __init__(
        self, *, certificates, names, default, int minimum=0x0303, int maximum=0x0304, str ciphers="", str suites="",
        str groups="", alpn=("http/1.1",), TicketKeys tickets=None, int ticket_lifetime=43200, bytes client_ca=b"",
        bint client_required=False, bytes crl=b"", int key_log=-1, bint kernel=False,
    ):
        cdef Certificate certificate
        self.certificates = list(certificates)
        self.default = tuple(default)
        for indices in (self.default, *names.values()):
            if not all(0 <= index < len(self.certificates) for index in indices) or (
                self.certificates and not indices
            ):
                raise ValueError(f"no such certificates: {indices}")
        self.alpn = wire_alpn(alpn)
        self.tickets = tickets
        self.sets = list(dict.fromkeys((self.default, *(tuple(indices) for indices in names.values()))))
        self.lay_names(names)
        self.native = common(
            SSL_CTX_new_ex(NULL, preference, TLS_server_method()), minimum, maximum, ciphers, suites, groups
        )
        SSL_CTX_set_session_cache_mode(self.native, SSL_SESS_CACHE_OFF)
        for index in self.default:
            certificate = <Certificate?>self.certificates[index]
            certificate.load()
            if SSL_CTX_use_cert_and_key(self.native, certificate.leaf, certificate.key, certificate.chain, 1) != 1:
                raise ValueError(f"the certificate cannot be used: {last_error()}")
        if self.certificates:
            SSL_CTX_set_cert_cb(self.native, on_certificate, <void*>self)
        SSL_CTX_set_tlsext_status_cb(self.native, on_status)
        SSL_CTX_set_tlsext_status_arg(self.native, <void*>self)
        SSL_CTX_set_alpn_select_cb(self.native, on_alpn, <void*>self)
        self.key_log = key_log
        self.kernel = kernel
        if key_log >= 0 or kernel:
            SSL_CTX_set_keylog_callback(self.native, on_secret)
        if client_ca:
            trust(self.native, client_ca, crl, True)
            SSL_CTX_set_verify(
                self.native, SSL_VERIFY_PEER | (SSL_VERIFY_FAIL_IF_NO_PEER_CERT if client_required else 0), NULL
            )
            SSL_CTX_set_session_ticket_cb(self.native, NULL, on_redeemed, NULL)
        # a ticket from a listener that asks for other client certificates, or for none, is not one of ours
        scope = hashlib.sha256(b"limen\0%d\0" % client_required + client_ca + b"\0" + crl).digest()
        SSL_CTX_set_session_id_context(self.native, <const unsigned char*><const char*>scope, 32)
        SSL_CTX_set_timeout(self.native, ticket_lifetime)
        if tickets is None:
            SSL_CTX_set_options(self.native, SSL_OP_NO_TICKET)
            SSL_CTX_set_num_tickets(self.native, 0)
        else:
            tickets.serve(self.native)

    def __dealloc__(self):
        SSL_CTX_free(self.native)

    def __repr__(self) -> str:
        return f"<ServerContext certificates={len(self.certificates)}>"

    cdef int lay_names(self, names) except -1:
        cdef bytes text
        cdef bytes key
        cdef uint32_t bucket
        self.seed = int.from_bytes(os.urandom(8), "little")
        self.names = KeyIndex.__new__(KeyIndex)
        self.names.begin(len(names), sum(len(name) for name in names), 0)
        numbers = {indices: number for number, indices in enumerate(self.sets)}
        for name, indices in names.items():
            text = name.encode("ascii")
            if not 0 < len(text) <= NAME_MOST or text != text.lower():
                raise ValueError(f"not a name in lower case: {name!r}")
            key = text[1:] if text.startswith(b"*.") else text
            bucket = WILDCARD if text.startswith(b"*.") else EXACT
            self.names.add(
                bucket, key, in_bucket(hash_bytes(self.seed, key, len(key)), bucket), [numbers[tuple(indices)]]
            )
        return 0

    cdef const KeyRecord* find(self, uint32_t bucket, const char* text, size_t size) noexcept:
        return find_key(
            &self.names.table, in_bucket(hash_bytes(self.seed, text, size), bucket), bucket, text, size
        )

    cdef int choose(self, const char* name, size_t size) noexcept:
        cdef const KeyRecord* record = self.look_up(name, size)
        return <int>record.first if record != NULL else 0

    cdef const KeyRecord* look_up(self, const char* name, size_t size) noexcept:
        """An exact name goes before a wildcard."""
        cdef char text[NAME_MOST]
        cdef const KeyRecord* record
        cdef size_t i
        cdef size_t dot = 0
        if not 0 < size <= NAME_MOST:
            return NULL
        for i in range(size):
            text[i] = name[i] | 32 if 65 <= name[i] <= 90 else name[i]
        if text[size - 1] == 46:
            size -= 1
        record = self.find(EXACT, text, size)
        if record != NULL:
            return record
        while dot < size and text[dot] != 46:
            dot += 1
        return self.find(WILDCARD, text + dot, size - dot) if 0 < dot < size else NULL

    cdef void settle(self, Session session) noexcept:
        cdef const char* name
        if session.choice < 0:
            name = SSL_get_servername(session.ssl, TLSEXT_NAMETYPE_host_name)
            session.choice = self.choose(name, strlen(name) if name != NULL else 0)

    cdef int dress(self, SSL* ssl, int choice) except -1:
        """Give the connection the certificates of a name: all kinds of key, libssl takes what the client can."""
        cdef Certificate certificate
        cdef int i
        for i in self.sets[choice]:
            certificate = <Certificate>self.certificates[i]
            certificate.load()
            if SSL_use_cert_and_key(ssl, certificate.leaf, certificate.key, certificate.chain, 1) != 1:
                raise ValueError(last_error())
        return 0

    cdef Session accept(self, Reactor reactor, int fd, Session lower=None, Certificate leaf=None):
        """A session for an accepted descriptor, inside `lower` if there is one.

        None without memory, or if `leaf` cannot be used.
        """
        cdef Session session = Session.__new__(Session)
        if session.begin(self.native, self, reactor, fd, lower, True) < 0:
            return None
        session.key_log = self.key_log
        if self.kernel and lower is None:
            session.outgoing = <Outgoing*>calloc(1, sizeof(Outgoing))
            if session.outgoing == NULL:
                return None
        if leaf is not None:
            try:
                leaf.load()
            except ValueError:
                return None
            if SSL_use_cert_and_key(session.ssl, leaf.leaf, leaf.key, leaf.chain, 1) != 1:
                ERR_clear_error()
                return None
        return session


# Re-encrypt --------------------------------------------------------------------------------------


cdef class Resumption:
    """A session of an origin that can be taken up again."""

    cdef SSL_SESSION* session # owned

    def __dealloc__(self):
        SSL_SESSION_free(self.session)


cdef int on_new_session(SSL* ssl, SSL_SESSION* found) noexcept:
    """1: the reference is kept here."""
    cdef Session session = <Session>SSL_get_app_data(ssl)
    cdef Resumption kept
    if session is None or session.resumption is None or session.asked:
        # resumed, an origin would not ask for the client's certificate again, and look like one that wants none
        return 0
    try:
        kept = Resumption.__new__(Resumption)
        session.resumption.pop(session.resumption_key, None)
        session.resumption[session.resumption_key] = kept
        if len(session.resumption) > RESUMPTIONS_MOST:
            # bridges see as many origins as their clients visit: the one unused for longest goes
            del session.resumption[next(iter(session.resumption))]
    except MemoryError:
        return 0
    kept.session = found
    return 1


cdef int on_asked(SSL* ssl, void* data) noexcept:
    """The origin wants a certificate of the client, who has none to show."""
    cdef Session session = <Session>SSL_get_app_data(ssl)
    session.asked = True
    return 1


cdef class ClientContext:
    """How connections to an upstream's endpoints are sealed, and whom they believe."""

    def __init__(
        self, *, bint verify=True, bytes ca=b"", str server_name="", alpn=("http/1.1",), Certificate certificate=None,
        pins=(), int minimum=0x0303, str ciphers="", bint judged=False, int key_log=-1,
    ):
        cdef bytes wire = wire_alpn(alpn)
        self.verify = verify or judged
        self.judged = judged
        self.server_name = server_name.encode("ascii")
        self.pins = [bytes(pin) for pin in pins]
        if any(len(pin) != 32 for pin in self.pins):
            raise ValueError("a pin is a SHA-256: 32 bytes")
        self.sessions = {}
        self.native = common(SSL_CTX_new_ex(NULL, preference, TLS_client_method()), minimum, 0, ciphers, "", "")
        if ca:
            trust(self.native, ca, b"", False)
        elif self.verify and SSL_CTX_set_default_verify_paths(self.native) != 1:
            raise ValueError(f"the system's authorities cannot be read: {last_error()}")
        # without SSL_VERIFY_PEER libssl verifies as well, and only keeps what came out
        SSL_CTX_set_verify(self.native, SSL_VERIFY_PEER if verify and not judged else SSL_VERIFY_NONE, NULL)
        if judged:
            SSL_CTX_set_cert_cb(self.native, on_asked, NULL)
        if wire and SSL_CTX_set_alpn_protos(self.native, <const unsigned char*><const char*>wire, len(wire)) != 0:
            raise MemoryError
        if certificate is not None:
            certificate.load()
            if SSL_CTX_use_cert_and_key(self.native, certificate.leaf, certificate.key, certificate.chain, 1) != 1:
                raise ValueError(f"the certificate cannot be used: {last_error()}")
        SSL_CTX_set_session_cache_mode(self.native, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL)
        SSL_CTX_sess_set_new_cb(self.native, on_new_session)
        self.key_log = key_log
        if key_log >= 0:
            SSL_CTX_set_keylog_callback(self.native, on_secret)

    def __dealloc__(self):
        SSL_CTX_free(self.native)

    def __repr__(self) -> str:
        return f"<ClientContext verify={self.verify} server_name={self.server_name.decode()!r} pins={len(self.pins)}>"

    cdef Session connect(self, Reactor reactor, int fd, Session lower, bytes host, bytes key, bint opaque):
        """A session to an endpoint at `host`, in `lower` if that is one; resumed if `key` has one. None: no memory."""
        cdef Session session = Session.__new__(Session)
        cdef Resumption kept
        cdef Address address
        cdef bytes name = self.server_name or host
        if lower is not None:
            # another hop on the way to the same endpoint: whoever can take up a session is believed to be its server
            key = b"%b %d" % (key, lower.level + 1)
        if session.begin(self.native, self, reactor, fd, lower, False) < 0:
            return None
        session.name = name
        session.key_log = self.key_log
        if opaque:
            # whatever goes through is not ours to name
            SSL_set_alpn_protos(session.ssl, NULL, 0)
        session.resumption = self.sessions
        session.resumption_key = key
        if parse_ip(name, len(name), &address) == 0:
            # an address is no server name (RFC 6066, 3), but the certificate has to name it
            if self.verify:
                X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session.ssl), name)
        else:
            SSL_set_tlsext_host_name(session.ssl, name)
            if self.verify:
                # no common name either (RFC 9525, 6.3)
                SSL_set_hostflags(
                    session.ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT
                )
                # libssl takes nothing for any name, and a dot in front for all names below: no certificate is for those
                if SSL_set1_host(session.ssl, name if name and not name.startswith(b".") else NO_NAME) != 1:
                    return None
        kept = self.sessions.get(key)
        if kept is not None and self.verify and has_run_out(kept.session):
            # whoever takes it up shows no certificate
            del self.sessions[key]
        elif kept is not None:
            SSL_set_session(session.ssl, kept.session)
            if SSL_SESSION_get_protocol_version(kept.session) > TLS_1_2:
                # used once: two connections with one ticket could be linked by who listens (RFC 8446, C.4), and there
                # are new ones each time; before TLS 1.3 an origin need not send another
                del self.sessions[key]
        return session

    cdef bint is_pinned(self, Session session) noexcept:
        cdef X509* leaf
        cdef unsigned char* der = NULL
        cdef unsigned char digest[32]
        cdef bytes pin
        cdef int size
        if not self.pins:
            return True
        leaf = SSL_get0_peer_certificate(session.ssl)
        if leaf == NULL:
            return False
        size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der)
        if size <= 0:
            ERR_clear_error()
            return False
        SHA256(der, <size_t>size, digest)
        OPENSSL_free(der)
        for pin in self.pins:
            if memcmp(<const char*>pin, digest, 32) == 0:
                return True
        return False


def library():
    version = OpenSSL_version(OPENSSL_VERSION_STRING).decode("ascii", "replace")
    if not maker:
        return version
    return f"{version}, {maker}"
