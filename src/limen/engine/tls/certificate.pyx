# Certificates stay text until somebody asks for them: of ten thousand names most are never asked for
# in the life of a worker, and a parsed chain is four times as large as its text.

from limen.engine.tls.libssl cimport (
    BIO,
    EVP_PKEY,
    X509,
    BIO_free,
    BIO_new_mem_buf,
    ERR_clear_error,
    ERR_peek_last_error,
    ERR_reason_error_string,
    EVP_PKEY_free,
    PEM_read_bio_PrivateKey,
    PEM_read_bio_X509,
    StackOfX509,
    X509_check_private_key,
    X509_free,
    sk_X509_new_null,
    sk_X509_pop_free,
    sk_X509_push,
)


cdef int no_password(char* out, int room, int writing, void* data) noexcept:
    # without it libcrypto would ask on the terminal
    return -1


cdef str last_error():
    """libcrypto's own words for what went wrong last."""
    cdef const char* reason = ERR_reason_error_string(ERR_peek_last_error())
    text = reason.decode("ascii", "replace") if reason != NULL else "unknown reason"
    ERR_clear_error()
    return text


cdef StackOfX509* read_certificates(bytes text, X509** first) except NULL:
    """All certificates of a PEM text; the first one apart if `first` is given."""
    cdef BIO* bio = BIO_new_mem_buf(<const char*>text, <int>len(text))
    cdef StackOfX509* stack = sk_X509_new_null()
    cdef X509* cert
    cdef int count = 0
    if bio == NULL or stack == NULL:
        BIO_free(bio)
        sk_X509_pop_free(stack, X509_free)
        raise MemoryError
    ERR_clear_error()
    while True:
        cert = PEM_read_bio_X509(bio, NULL, <void*>no_password, NULL)
        if cert == NULL:
            break
        count += 1
        if first != NULL and count == 1:
            first[0] = cert
        elif sk_X509_push(stack, cert) == 0:
            X509_free(cert)
            break
    BIO_free(bio)
    if count == 0:
        sk_X509_pop_free(stack, X509_free)
        raise ValueError(f"no certificate in PEM form: {last_error()}")
    # the end of the text is an error to libcrypto
    ERR_clear_error()
    return stack


cdef class Certificate:
    """One chain, leaf first, and the leaf's private key."""

    def __init__(self, bytes chain not None, bytes key not None):
        self.chain_text = chain
        self.key_text = key
        self.response = b""

    def __dealloc__(self):
        X509_free(self.leaf)
        EVP_PKEY_free(self.key)
        if self.chain != NULL:
            sk_X509_pop_free(self.chain, X509_free)

    def __repr__(self) -> str:
        return f"<Certificate parsed={self.leaf != NULL}>"

    def parse(self) -> None:
        """Parse now what is otherwise parsed on first use; ValueError says what is wrong."""
        self.load()

    def staple(self, bytes response not None) -> None:
        """From now on clients that ask get this response of the OCSP responder (DER); empty: none."""
        self.response = response

    cdef int load(self) except -1:
        cdef X509* leaf = NULL
        cdef EVP_PKEY* key
        cdef StackOfX509* chain
        cdef BIO* bio
        if self.leaf != NULL:
            return 0
        chain = read_certificates(self.chain_text, &leaf)
        bio = BIO_new_mem_buf(<const char*>self.key_text, <int>len(self.key_text))
        ERR_clear_error()
        key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) if bio != NULL else NULL
        BIO_free(bio)
        if key == NULL or X509_check_private_key(leaf, key) != 1:
            wrong = "the key is not the certificate's" if key != NULL else f"no private key in PEM form: {last_error()}"
            ERR_clear_error()
            EVP_PKEY_free(key)
            X509_free(leaf)
            sk_X509_pop_free(chain, X509_free)
            raise ValueError(wrong)
        self.leaf = leaf
        self.key = key
        self.chain = chain
        return 0
