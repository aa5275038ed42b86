# How ciphers are given to libcrypto (provider(7), provider-cipher(7)), OpenSSL 3.0 or newer. Declarations only.

ctypedef void (*provided)() noexcept nogil


cdef extern from *:
    """
    #include <openssl/core_dispatch.h>
    #include <openssl/core_names.h>
    #include <openssl/crypto.h>
    #include <openssl/evp.h>
    #include <openssl/params.h>
    #include <openssl/provider.h>
    """
    ctypedef struct OSSL_LIB_CTX:
        pass
    ctypedef struct OSSL_PARAM:
        const char* key
    ctypedef struct OSSL_PROVIDER:
        pass
    ctypedef struct OSSL_CORE_HANDLE:
        pass
    ctypedef struct OSSL_DISPATCH:
        int function_id
        provided function
    ctypedef struct OSSL_ALGORITHM:
        const char* algorithm_names
        const char* property_definition
        const OSSL_DISPATCH* implementation
        const char* algorithm_description
    ctypedef int (*OSSL_provider_init_fn)(
        const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* core, const OSSL_DISPATCH** out, void** context
    ) noexcept nogil

    int OSSL_PROVIDER_add_builtin(OSSL_LIB_CTX* library, const char* name, OSSL_provider_init_fn start) nogil
    OSSL_PROVIDER* OSSL_PROVIDER_load(OSSL_LIB_CTX* library, const char* name) nogil
    int OSSL_PROVIDER_available(OSSL_LIB_CTX* library, const char* name) nogil
    int EVP_default_properties_is_fips_enabled(OSSL_LIB_CTX* library) nogil
    unsigned long OpenSSL_version_num() nogil

    int OSSL_PARAM_set_int(OSSL_PARAM* param, int value) nogil
    int OSSL_PARAM_set_uint(OSSL_PARAM* param, unsigned int value) nogil
    int OSSL_PARAM_set_size_t(OSSL_PARAM* param, size_t value) nogil
    int OSSL_PARAM_get_size_t(const OSSL_PARAM* param, size_t* value) nogil
    int OSSL_PARAM_set_octet_string(OSSL_PARAM* param, const void* data, size_t size) nogil
    int OSSL_PARAM_get_octet_string(const OSSL_PARAM* param, void** out, size_t room, size_t* size) nogil
    int CRYPTO_memcmp(const void* a, const void* b, size_t size) nogil

    const int OSSL_OP_CIPHER, EVP_CIPH_GCM_MODE
    const int OSSL_FUNC_PROVIDER_QUERY_OPERATION
    const int OSSL_FUNC_CIPHER_NEWCTX, OSSL_FUNC_CIPHER_FREECTX, OSSL_FUNC_CIPHER_DUPCTX
    const int OSSL_FUNC_CIPHER_ENCRYPT_INIT, OSSL_FUNC_CIPHER_DECRYPT_INIT
    const int OSSL_FUNC_CIPHER_UPDATE, OSSL_FUNC_CIPHER_FINAL
    const int OSSL_FUNC_CIPHER_GET_PARAMS, OSSL_FUNC_CIPHER_GET_CTX_PARAMS, OSSL_FUNC_CIPHER_SET_CTX_PARAMS
    const char* OSSL_CIPHER_PARAM_MODE
    const char* OSSL_CIPHER_PARAM_AEAD
    const char* OSSL_CIPHER_PARAM_CUSTOM_IV
    const char* OSSL_CIPHER_PARAM_KEYLEN
    const char* OSSL_CIPHER_PARAM_BLOCK_SIZE
    const char* OSSL_CIPHER_PARAM_IVLEN
    const char* OSSL_CIPHER_PARAM_AEAD_TAG
    const char* OSSL_CIPHER_PARAM_AEAD_TAGLEN
    const char* OSSL_CIPHER_PARAM_AEAD_TLS1_AAD
    const char* OSSL_CIPHER_PARAM_AEAD_TLS1_AAD_PAD
    const char* OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED
