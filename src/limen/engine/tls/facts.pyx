# Subjects and issuers as RFC 4514 writes them. An alternative name with a control character in it is
# left out: whoever compares or logs it would take it for another.

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset, strlen

from limen.engine.addresses cimport format_ip
from limen.engine.tls.libssl cimport (
    ERR_clear_error,
    OPENSSL_free,
    SHA256,
    SSL_get0_peer_certificate,
    SSL_get_cipher_name,
    SSL_version,
    X509,
    X509_free,
    d2i_X509,
    i2d_X509,
)
from limen.engine.tls.session cimport Session
from limen.engine.types cimport Address

import base64

cdef extern from *:
    """
    #include <openssl/bn.h>
    #include <openssl/x509.h>
    #include <openssl/x509v3.h>
    /* The text of a name; *out belongs to the BIO. */
    static long limen_name_text(BIO *bio, const X509 *x, int issuer, char **out) {
        X509_NAME *name = issuer ? X509_get_issuer_name(x) : X509_get_subject_name(x);
        if (bio == NULL || X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0)
            return 0;
        return BIO_get_mem_data(bio, out);
    }
    static char *limen_serial(const X509 *x) {
        BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
        char *text = number != NULL ? BN_bn2hex(number) : NULL;
        BN_free(number);
        return text;
    }
    static GENERAL_NAMES *limen_names(const X509 *x) {
        return X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    }
    static int limen_names_count(const GENERAL_NAMES *names) {
        return names != NULL ? sk_GENERAL_NAME_num(names) : 0;
    }
    static int limen_names_at(const GENERAL_NAMES *names, int i, const unsigned char **data) {
        int kind;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &kind);
        if (kind != GEN_DNS && kind != GEN_EMAIL && kind != GEN_URI && kind != GEN_IPADD)
            return -1;
        *data = ASN1_STRING_get0_data(value);
        return ASN1_STRING_length(value) << 4 | kind;
    }
    """
    ctypedef struct MemoryBio "BIO":
        pass
    ctypedef struct MemoryMethod "BIO_METHOD":
        pass
    ctypedef struct GeneralNames "GENERAL_NAMES":
        pass
    const MemoryMethod* BIO_s_mem() nogil
    MemoryBio* BIO_new(const MemoryMethod* method) nogil
    int BIO_free(MemoryBio* bio) nogil
    void GENERAL_NAMES_free(GeneralNames* names) nogil
    long limen_name_text(MemoryBio* bio, const X509* x, int issuer, char** out) noexcept nogil
    char* limen_serial(const X509* x) noexcept nogil
    GeneralNames* limen_names(const X509* x) noexcept nogil
    int limen_names_count(const GeneralNames* names) noexcept nogil
    int limen_names_at(const GeneralNames* names, int i, const unsigned char** data) noexcept nogil
    const int GEN_DNS, GEN_IPADD


cdef bytes name_text(X509* x, bint issuer):
    cdef MemoryBio* bio = BIO_new(BIO_s_mem())
    cdef char* text = NULL
    cdef long size = limen_name_text(bio, x, issuer, &text)
    try:
        return text[:size] if size > 0 else b""
    finally:
        BIO_free(bio)


cdef bytes serial_text(X509* x):
    cdef char* text = limen_serial(x)
    if text == NULL:
        return b""
    try:
        return (<bytes>text).lower()
    finally:
        OPENSSL_free(text)


cdef bytes ip_text(const unsigned char* raw, int size):
    cdef Address address
    cdef char out[64]
    memset(&address, 0, sizeof(address))
    if size != 4 and size != 16:
        return b""
    if size == 4:
        address.family = 4
        address.ip[10] = address.ip[11] = 255
        memcpy(&address.ip[12], raw, 4)
    else:
        address.family = 6
        memcpy(&address.ip[0], raw, 16)
    return out[:format_ip(&address, out)]


cdef bytes names_text(X509* x):
    cdef GeneralNames* names = limen_names(x)
    cdef const unsigned char* data = NULL
    cdef int found
    cdef int i
    cdef bytes text
    cdef list texts = []
    try:
        for i in range(limen_names_count(names)):
            found = limen_names_at(names, i, &data)
            if found < 0:
                continue
            if found & 15 == GEN_IPADD:
                text = ip_text(data, found >> 4)
            else:
                text = (<const char*>data)[:found >> 4]
                if found & 15 == GEN_DNS:
                    text = text.lower()
            if text and not any(byte < 32 or byte == 127 for byte in text):
                texts.append(text + b"\n")
    finally:
        GENERAL_NAMES_free(names)
    return b"".join(texts)


cdef bytes der_of(X509* x):
    cdef unsigned char* der = NULL
    cdef int size = i2d_X509(x, &der)
    if size <= 0:
        return b""
    try:
        return (<char*>der)[:size]
    finally:
        OPENSSL_free(der)


cdef bytes hexadecimal(const uint8_t* digest):
    return (<const char*>digest)[:32].hex().encode()


cdef class Facts:
    cdef const CertificateView* shown(self) noexcept:
        return &self.view if self.presented else NULL

    cdef bytes field(self):
        if self.told is None and self.presented:
            self.told = b":" + base64.b64encode(self.certificate) + b":"
        return self.told

    def __repr__(self) -> str:
        return f"<Facts {self.version.decode()} {self.cipher.decode()} subject={self.subject!r}>"


cdef Facts new_facts(X509* x):
    """Of a connection of which nothing is known but the client's certificate, or NULL."""
    cdef Facts facts = Facts.__new__(Facts)
    cdef uint8_t digest[32]
    facts.version = facts.cipher = facts.server_name = facts.protocol = b""
    facts.subject = facts.issuer = facts.serial = facts.fingerprint = facts.names = facts.certificate = b""
    if x != NULL:
        facts.certificate = der_of(x)
        SHA256(<const unsigned char*><const char*>facts.certificate, <size_t>len(facts.certificate), digest)
        facts.fingerprint = hexadecimal(digest)
        facts.subject = name_text(x, False)
        facts.issuer = name_text(x, True)
        facts.serial = serial_text(x)
        facts.names = names_text(x)
        facts.presented = True
    facts.view.subject = facts.subject
    facts.view.subject_length = <uint32_t>len(facts.subject)
    facts.view.names = facts.names
    facts.view.names_length = <uint32_t>len(facts.names)
    facts.view.fingerprint = facts.fingerprint
    return facts


cdef Facts read(Session session):
    cdef Facts facts = new_facts(SSL_get0_peer_certificate(session.ssl))
    cdef int version = SSL_version(session.ssl)
    cdef const char* cipher = SSL_get_cipher_name(session.ssl)
    cdef const char* text
    cdef size_t size = 0
    facts.version = b"TLSv1.3" if version == 0x0304 else b"TLSv1.2" if version == 0x0303 else b"TLS"
    facts.cipher = cipher[:strlen(cipher)]
    text = session.server_name(&size)
    facts.server_name = text[:size] if size else b""
    text = session.protocol(&size)
    facts.protocol = text[:size] if size else b""
    facts.resumed = session.resumed
    return facts


cdef Facts facts_of_certificate(bytes der):
    cdef const unsigned char* data = der
    cdef X509* x = d2i_X509(NULL, &data, <long>len(der)) if der else NULL
    try:
        if der and (x == NULL or data != <const unsigned char*>der + len(der)):
            ERR_clear_error()
            raise ValueError("not a certificate in DER")
        return new_facts(x)
    finally:
        X509_free(x)


cdef Facts facts_of(Session session):
    if session.facts is None:
        try:
            session.facts = read(session)
        except Exception:
            # no memory for it: to whoever asks, the client has shown nothing
            return None
        finally:
            ERR_clear_error()
    return <Facts>session.facts
