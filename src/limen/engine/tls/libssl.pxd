# What the engine uses of libssl and libcrypto, OpenSSL 3.0 or newer. Declarations only.

from libc.stdint cimport uint32_t, uint64_t


cdef extern from *:
    """
    #include <openssl/bio.h>
    #include <openssl/core_names.h>
    #include <openssl/crypto.h>
    #include <openssl/err.h>
    #include <openssl/evp.h>
    #include <openssl/params.h>
    #include <openssl/pem.h>
    #include <openssl/rand.h>
    #include <openssl/ssl.h>
    #include <openssl/x509_vfy.h>
    #include <openssl/x509v3.h>
    #if OPENSSL_VERSION_NUMBER < 0x30000000L
    #error "limen needs OpenSSL 3.0 or newer"
    #endif
    """
    ctypedef struct SSL_CTX:
        pass
    ctypedef struct SSL:
        pass
    ctypedef struct SSL_CIPHER:
        pass
    ctypedef struct SSL_METHOD:
        pass
    ctypedef struct SSL_SESSION:
        pass
    ctypedef struct BIO:
        pass
    ctypedef struct BIO_METHOD:
        pass
    ctypedef struct X509:
        pass
    ctypedef struct X509_CRL:
        pass
    ctypedef struct X509_PUBKEY:
        pass
    ctypedef struct X509_STORE:
        pass
    ctypedef struct X509_VERIFY_PARAM:
        pass
    ctypedef struct X509_NAME:
        pass
    ctypedef struct EVP_PKEY:
        pass
    ctypedef struct EVP_MD:
        pass
    ctypedef struct EVP_CIPHER:
        pass
    ctypedef struct EVP_CIPHER_CTX:
        pass
    ctypedef struct EVP_MAC_CTX:
        pass
    ctypedef struct OSSL_PARAM:
        pass
    ctypedef struct StackOfX509 "STACK_OF(X509)":
        pass
    ctypedef struct StackOfName "STACK_OF(X509_NAME)":
        pass

    # contexts
    const SSL_METHOD* TLS_server_method() nogil
    const SSL_METHOD* TLS_client_method() nogil
    SSL_CTX* SSL_CTX_new_ex(void* library, const char* properties, const SSL_METHOD* method) nogil
    void SSL_CTX_free(SSL_CTX* native) nogil
    long SSL_CTX_set_mode(SSL_CTX* native, long mode) nogil
    uint64_t SSL_CTX_set_options(SSL_CTX* native, uint64_t options) nogil
    int SSL_CTX_set_min_proto_version(SSL_CTX* native, int version) nogil
    int SSL_CTX_set_max_proto_version(SSL_CTX* native, int version) nogil
    int SSL_CTX_set_cipher_list(SSL_CTX* native, const char* text) nogil
    int SSL_CTX_set_ciphersuites(SSL_CTX* native, const char* text) nogil
    int SSL_CTX_set1_groups_list(SSL_CTX* native, const char* text) nogil
    long SSL_CTX_set_session_cache_mode(SSL_CTX* native, long mode) nogil
    int SSL_CTX_set_num_tickets(SSL_CTX* native, size_t count) nogil
    long SSL_CTX_set_timeout(SSL_CTX* native, long seconds) nogil
    int SSL_CTX_set_session_id_context(SSL_CTX* native, const unsigned char* data, unsigned int size) nogil
    void SSL_CTX_set_read_ahead(SSL_CTX* native, int yes) nogil
    void SSL_CTX_set_default_read_buffer_len(SSL_CTX* native, size_t size) nogil
    int SSL_CTX_set_ex_data(SSL_CTX* native, int index, void* data) nogil
    void* SSL_CTX_get_ex_data(const SSL_CTX* native, int index) nogil
    void SSL_CTX_set_keylog_callback(SSL_CTX* native, void (*callback)(const SSL*, const char*) noexcept) nogil
    void SSL_CTX_set_cert_cb(SSL_CTX* native, int (*callback)(SSL*, void*) noexcept, void* data) nogil
    ctypedef int (*select_alpn)(
        SSL*, const unsigned char**, unsigned char*, const unsigned char*, unsigned int, void*
    ) noexcept
    void SSL_CTX_set_alpn_select_cb(SSL_CTX* native, select_alpn callback, void* data) nogil
    int SSL_CTX_set_alpn_protos(SSL_CTX* native, const unsigned char* data, unsigned int size) nogil
    int SSL_set_alpn_protos(SSL* ssl, const unsigned char* data, unsigned int size) nogil
    ctypedef int (*ticket_key)(
        SSL*, unsigned char*, unsigned char*, EVP_CIPHER_CTX*, EVP_MAC_CTX*, int
    ) noexcept
    int SSL_CTX_set_tlsext_ticket_key_evp_cb(SSL_CTX* native, ticket_key callback) nogil
    ctypedef int (*ticket_made)(SSL*, void*) noexcept
    ctypedef int (*ticket_read)(SSL*, SSL_SESSION*, const unsigned char*, size_t, int, void*) noexcept
    int SSL_CTX_set_session_ticket_cb(SSL_CTX* native, ticket_made made, ticket_read read, void* data) nogil
    const int SSL_TICKET_SUCCESS, SSL_TICKET_SUCCESS_RENEW
    const int SSL_TICKET_RETURN_IGNORE_RENEW, SSL_TICKET_RETURN_USE, SSL_TICKET_RETURN_USE_RENEW
    ctypedef int (*verified)(int, void*) noexcept
    ctypedef int (*status_wanted)(SSL*, void*) noexcept
    long SSL_CTX_set_tlsext_status_cb(SSL_CTX* native, status_wanted callback) nogil
    long SSL_CTX_set_tlsext_status_arg(SSL_CTX* native, void* data) nogil
    void SSL_CTX_set_verify(SSL_CTX* native, int mode, void* callback) nogil
    void SSL_CTX_set_verify_depth(SSL_CTX* native, int depth) nogil
    int SSL_CTX_set_default_verify_paths(SSL_CTX* native) nogil
    X509_STORE* SSL_CTX_get_cert_store(const SSL_CTX* native) nogil
    void SSL_CTX_set_client_CA_list(SSL_CTX* native, StackOfName* names) nogil
    int SSL_CTX_add_client_CA(SSL_CTX* native, X509* cert) nogil
    int SSL_CTX_use_cert_and_key(SSL_CTX* native, X509* leaf, EVP_PKEY* key, StackOfX509* chain, int replace) nogil
    void SSL_CTX_sess_set_new_cb(SSL_CTX* native, int (*callback)(SSL*, SSL_SESSION*) noexcept) nogil

    # connections
    SSL* SSL_new(SSL_CTX* native) nogil
    void SSL_free(SSL* ssl) nogil
    void SSL_set_bio(SSL* ssl, BIO* read, BIO* write) nogil
    void SSL_set_accept_state(SSL* ssl) nogil
    void SSL_set_connect_state(SSL* ssl) nogil
    int SSL_do_handshake(SSL* ssl) nogil
    int SSL_read(SSL* ssl, void* data, int size) nogil
    int SSL_write(SSL* ssl, const void* data, int size) nogil
    int SSL_get_shutdown(const SSL* ssl) nogil
    int SSL_shutdown(SSL* ssl) nogil
    int SSL_SESSION_get_protocol_version(const SSL_SESSION* session) nogil
    X509* SSL_SESSION_get0_peer(SSL_SESSION* session) nogil
    void SSL_set_shutdown(SSL* ssl, int state) nogil
    int SSL_get_error(const SSL* ssl, int result) nogil
    int SSL_has_pending(const SSL* ssl) nogil
    int SSL_is_init_finished(const SSL* ssl) nogil
    int SSL_set_ex_data(SSL* ssl, int index, void* data) nogil
    void* SSL_get_ex_data(const SSL* ssl, int index) nogil
    int SSL_set_app_data(SSL* ssl, void* data) nogil
    void* SSL_get_app_data(const SSL* ssl) nogil
    SSL_CTX* SSL_get_SSL_CTX(const SSL* ssl) nogil
    const char* SSL_get_servername(const SSL* ssl, int kind) nogil
    long SSL_set_tlsext_host_name(SSL* ssl, const char* name) nogil
    int SSL_set1_host(SSL* ssl, const char* name) nogil
    void SSL_set_hostflags(SSL* ssl, unsigned int flags) nogil
    X509_VERIFY_PARAM* SSL_get0_param(SSL* ssl) nogil
    int SSL_use_cert_and_key(SSL* ssl, X509* leaf, EVP_PKEY* key, StackOfX509* chain, int replace) nogil
    X509* SSL_get_certificate(const SSL* ssl) nogil
    long SSL_set_tlsext_status_ocsp_resp(SSL* ssl, unsigned char* response, long size) nogil
    int SSL_set_session(SSL* ssl, SSL_SESSION* session) nogil
    int SSL_session_reused(const SSL* ssl) nogil
    int SSL_version(const SSL* ssl) nogil
    const SSL_CIPHER* SSL_get_current_cipher(const SSL* ssl) nogil
    uint32_t SSL_CIPHER_get_id(const SSL_CIPHER* cipher) nogil
    const char* SSL_get_cipher_name(const SSL* ssl) nogil
    void SSL_get0_alpn_selected(const SSL* ssl, const unsigned char** data, unsigned int* size) nogil
    long SSL_get_verify_result(const SSL* ssl) nogil
    X509* SSL_get0_peer_certificate(const SSL* ssl) nogil
    void SSL_SESSION_free(SSL_SESSION* session) nogil
    int SSL_SESSION_is_resumable(const SSL_SESSION* session) nogil

    const long SSL_MODE_RELEASE_BUFFERS, SSL_MODE_ENABLE_PARTIAL_WRITE, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
    const uint64_t SSL_OP_NO_RENEGOTIATION, SSL_OP_NO_COMPRESSION
    const uint64_t SSL_OP_IGNORE_UNEXPECTED_EOF, SSL_OP_NO_TICKET
    const int SSL_ERROR_NONE, SSL_ERROR_SSL, SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE
    const int SSL_ERROR_SYSCALL, SSL_ERROR_ZERO_RETURN
    const int SSL_SENT_SHUTDOWN
    const long SSL_SESS_CACHE_OFF, SSL_SESS_CACHE_CLIENT, SSL_SESS_CACHE_NO_INTERNAL
    const int SSL_VERIFY_NONE, SSL_VERIFY_PEER, SSL_VERIFY_FAIL_IF_NO_PEER_CERT
    const int TLSEXT_NAMETYPE_host_name, SSL_TLSEXT_ERR_OK, SSL_TLSEXT_ERR_NOACK, SSL_TLSEXT_ERR_ALERT_FATAL
    const int SSL_R_CERTIFICATE_VERIFY_FAILED, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST
    const int SSL_AD_REASON_OFFSET

    # errors
    void ERR_clear_error() nogil
    unsigned long ERR_peek_error() nogil
    unsigned long ERR_peek_last_error() nogil
    int ERR_GET_LIB(unsigned long code) nogil
    int ERR_GET_REASON(unsigned long code) nogil
    void ERR_error_string_n(unsigned long code, char* out, size_t room) nogil
    const char* ERR_reason_error_string(unsigned long code) nogil
    const int ERR_LIB_SSL

    # our own BIO
    BIO_METHOD* BIO_meth_new(int kind, const char* name) nogil
    int BIO_get_new_index() nogil
    int BIO_meth_set_write(BIO_METHOD* method, int (*write)(BIO*, const char*, int) noexcept) nogil
    int BIO_meth_set_read(BIO_METHOD* method, int (*read)(BIO*, char*, int) noexcept) nogil
    int BIO_meth_set_ctrl(BIO_METHOD* method, long (*ctrl)(BIO*, int, long, void*) noexcept) nogil
    BIO* BIO_new(const BIO_METHOD* method) nogil
    BIO* BIO_new_mem_buf(const void* data, int size) nogil
    int BIO_free(BIO* bio) nogil
    void BIO_set_data(BIO* bio, void* data) nogil
    void* BIO_get_data(BIO* bio) nogil
    void BIO_set_init(BIO* bio, int yes) nogil
    void BIO_clear_retry_flags(BIO* bio) nogil
    void BIO_set_retry_read(BIO* bio) nogil
    const int BIO_TYPE_SOURCE_SINK, BIO_CTRL_FLUSH, BIO_CTRL_PUSH, BIO_CTRL_POP

    # certificates and keys
    X509* PEM_read_bio_X509(BIO* bio, X509** x, void* callback, void* data) nogil
    X509_CRL* PEM_read_bio_X509_CRL(BIO* bio, X509_CRL** x, void* callback, void* data) nogil
    EVP_PKEY* PEM_read_bio_PrivateKey(BIO* bio, EVP_PKEY** x, int (*password)(char*, int, int, void*) noexcept,
                                      void* data) nogil
    int X509_check_private_key(const X509* leaf, const EVP_PKEY* key) nogil
    void X509_free(X509* cert) nogil
    void X509_CRL_free(X509_CRL* crl) nogil
    void EVP_PKEY_free(EVP_PKEY* key) nogil
    StackOfX509* sk_X509_new_null() nogil
    int sk_X509_push(StackOfX509* stack, X509* cert) nogil
    int sk_X509_num(const StackOfX509* stack) nogil
    void sk_X509_pop_free(StackOfX509* stack, void (*free)(X509*)) nogil
    int X509_STORE_add_cert(X509_STORE* store, X509* cert) nogil
    int X509_STORE_add_crl(X509_STORE* store, X509_CRL* crl) nogil
    int X509_STORE_set_flags(X509_STORE* store, unsigned long flags) nogil
    X509_PUBKEY* X509_get_X509_PUBKEY(const X509* cert) nogil
    ctypedef struct ASN1_TIME:
        pass
    const ASN1_TIME* X509_get0_notAfter(const X509* cert) nogil
    # 0 for a time that cannot be read
    int X509_cmp_current_time(const ASN1_TIME* time) nogil
    int i2d_X509_PUBKEY(const X509_PUBKEY* key, unsigned char** out) nogil
    int i2d_X509(const X509* cert, unsigned char** out) nogil
    X509* d2i_X509(X509** cert, const unsigned char** data, long size) nogil
    int OPENSSL_VERSION_STRING
    const char* OpenSSL_version(int kind) nogil
    void* OPENSSL_malloc(size_t size) nogil
    void OPENSSL_free(void* data) nogil
    void OPENSSL_cleanse(void* data, size_t size) nogil
    const char* X509_verify_cert_error_string(long code) nogil
    int X509_VERIFY_PARAM_set1_ip_asc(X509_VERIFY_PARAM* param, const char* ip) nogil
    const unsigned long X509_V_FLAG_CRL_CHECK, X509_V_FLAG_CRL_CHECK_ALL
    const unsigned int X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS
    const long X509_V_OK

    # tickets
    int RAND_bytes(unsigned char* out, int size) nogil
    const EVP_CIPHER* EVP_aes_256_cbc() nogil
    int EVP_EncryptInit_ex(EVP_CIPHER_CTX* native, const EVP_CIPHER* cipher, void* engine, const unsigned char* key,
                           const unsigned char* iv) nogil
    int EVP_DecryptInit_ex(EVP_CIPHER_CTX* native, const EVP_CIPHER* cipher, void* engine, const unsigned char* key,
                           const unsigned char* iv) nogil
    int EVP_MAC_CTX_set_params(EVP_MAC_CTX* native, const OSSL_PARAM* params) nogil
    OSSL_PARAM OSSL_PARAM_construct_octet_string(const char* key, void* data, size_t size) nogil
    OSSL_PARAM OSSL_PARAM_construct_utf8_string(const char* key, char* data, size_t size) nogil
    OSSL_PARAM OSSL_PARAM_construct_end() nogil
    const char* OSSL_MAC_PARAM_KEY
    const char* OSSL_MAC_PARAM_DIGEST
    unsigned char* SHA256(const unsigned char* data, size_t size, unsigned char* out) nogil
