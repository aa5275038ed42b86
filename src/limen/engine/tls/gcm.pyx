# AES-GCM for libssl by intel-ipsec-mb, as a provider inside this process. OpenSSL 3.0 leaves the wide vector
# instructions (VAES, VPCLMULQDQ) unused; with them a record costs a third. Everything else of TLS stays libssl's,
# and so do keys and nonces. Built where the library's header is found, used where it gains something.
# NIST SP 800-38D; records of TLS 1.2: RFC 5288, of TLS 1.3: RFC 8446 section 5.2.

from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset, strcmp
from posix.stdlib cimport posix_memalign

from limen.engine.tls.ipsec_mb cimport (
    IMB_ARCH,
    IMB_ARCH_AVX512,
    IMB_FEATURE_AVX512_SKX,
    IMB_FEATURE_VAES,
    IMB_FEATURE_VPCLMULQDQ,
    IMB_MGR,
    aes_gcm_enc_dec_finalize_t,
    aes_gcm_enc_dec_update_t,
    aes_gcm_init_t,
    aes_gcm_pre_t,
    alloc_mb_mgr,
    free_mb_mgr,
    gcm_context_data,
    gcm_key_data,
    imb_get_version_str,
    init_mb_mgr_auto,
)
from limen.engine.tls.libssl cimport OPENSSL_cleanse, RAND_bytes
from limen.engine.tls.provider cimport (
    CRYPTO_memcmp,
    EVP_CIPH_GCM_MODE,
    EVP_default_properties_is_fips_enabled,
    OSSL_ALGORITHM,
    OSSL_CIPHER_PARAM_AEAD,
    OSSL_CIPHER_PARAM_AEAD_TAG,
    OSSL_CIPHER_PARAM_AEAD_TAGLEN,
    OSSL_CIPHER_PARAM_AEAD_TLS1_AAD,
    OSSL_CIPHER_PARAM_AEAD_TLS1_AAD_PAD,
    OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED,
    OSSL_CIPHER_PARAM_BLOCK_SIZE,
    OSSL_CIPHER_PARAM_CUSTOM_IV,
    OSSL_CIPHER_PARAM_IVLEN,
    OSSL_CIPHER_PARAM_KEYLEN,
    OSSL_CIPHER_PARAM_MODE,
    OSSL_CORE_HANDLE,
    OSSL_DISPATCH,
    OSSL_FUNC_CIPHER_DECRYPT_INIT,
    OSSL_FUNC_CIPHER_DUPCTX,
    OSSL_FUNC_CIPHER_ENCRYPT_INIT,
    OSSL_FUNC_CIPHER_FINAL,
    OSSL_FUNC_CIPHER_FREECTX,
    OSSL_FUNC_CIPHER_GET_CTX_PARAMS,
    OSSL_FUNC_CIPHER_GET_PARAMS,
    OSSL_FUNC_CIPHER_NEWCTX,
    OSSL_FUNC_CIPHER_SET_CTX_PARAMS,
    OSSL_FUNC_CIPHER_UPDATE,
    OSSL_FUNC_PROVIDER_QUERY_OPERATION,
    OSSL_OP_CIPHER,
    OSSL_PARAM,
    OSSL_PARAM_get_octet_string,
    OSSL_PARAM_get_size_t,
    OSSL_PARAM_set_int,
    OSSL_PARAM_set_octet_string,
    OSSL_PARAM_set_size_t,
    OSSL_PARAM_set_uint,
    OSSL_PROVIDER_add_builtin,
    OSSL_PROVIDER_available,
    OSSL_PROVIDER_load,
    OpenSSL_version_num,
    provided,
)


cdef enum:
    IV_SIZE = 12            # the only one that TLS uses
    IV_FIXED = 4            # of TLS 1.2: what the handshake gave; the other 8 bytes go with each record
    TAG_SIZE = 16
    AAD_MOST = 64           # TLS 1.3 has 5 bytes, TLS 1.2 13
    TLS_AAD_SIZE = 13
    USES_VAES = 0x30100000  # OpenSSL from here on has an AES-GCM of its own for these processors

# where an operation stands; a nonce serves one message
cdef enum:
    NO_IV = 0
    IV_GIVEN = 1
    BEGUN = 2


cdef struct Kind:
    size_t key_size
    aes_gcm_pre_t expand
    aes_gcm_init_t begin
    aes_gcm_enc_dec_update_t encrypt
    aes_gcm_enc_dec_update_t decrypt
    aes_gcm_enc_dec_finalize_t sealed
    aes_gcm_enc_dec_finalize_t opened


# libcrypto's handle of one direction of one connection: it asks for it, and gives it back
cdef struct Cipher:
    gcm_key_data key
    gcm_context_data running
    const Kind* kind
    uint64_t records        # sealed under TLS 1.2 with this key
    uint8_t iv[IV_SIZE]
    uint8_t tag[TAG_SIZE]
    uint8_t aad[AAD_MOST]
    uint8_t aad_size
    uint8_t state
    bint keyed
    bint encrypting
    bint tagged             # tag is what was computed, or what is expected
    bint in_record          # aad is of a TLS 1.2 record that comes next, whole


cdef Kind aes128
cdef Kind aes256
cdef Py_ssize_t contexts = 0
cdef OSSL_DISPATCH aes128_functions[12]
cdef OSSL_DISPATCH aes256_functions[12]
cdef OSSL_ALGORITHM ciphers[3]
cdef OSSL_DISPATCH provider_functions[2]


# -- contexts --------------------------------------------------------------------------------------------------------


cdef void* new_cipher(const Kind* kind) noexcept nogil:
    global contexts
    cdef void* memory = NULL
    if posix_memalign(&memory, 64, sizeof(Cipher)) != 0:
        return NULL
    memset(memory, 0, sizeof(Cipher))
    (<Cipher*>memory).kind = kind
    contexts += 1
    return memory


cdef void* new_aes128(void* provider) noexcept nogil:
    return new_cipher(&aes128)


cdef void* new_aes256(void* provider) noexcept nogil:
    return new_cipher(&aes256)


cdef void free_cipher(void* context) noexcept nogil:
    global contexts
    if context == NULL:
        return
    OPENSSL_cleanse(context, sizeof(Cipher))
    free(context)
    contexts -= 1


cdef void* copy_cipher(void* context) noexcept nogil:
    cdef void* memory = new_cipher((<Cipher*>context).kind)
    if memory != NULL:
        memcpy(memory, context, sizeof(Cipher))
    return memory


# -- one message -----------------------------------------------------------------------------------------------------


cdef int start(void* context, const uint8_t* key, size_t key_size, const uint8_t* iv, size_t iv_size,
               const OSSL_PARAM* params, bint encrypting) noexcept nogil:
    cdef Cipher* cipher = <Cipher*>context
    cipher.encrypting = encrypting
    if key != NULL:
        if key_size != cipher.kind.key_size:
            return 0
        cipher.kind.expand(key, &cipher.key)
        cipher.keyed = True
        cipher.records = 0
    if iv != NULL:
        if iv_size != IV_SIZE:
            return 0
        memcpy(cipher.iv, iv, IV_SIZE)
        cipher.state = IV_GIVEN
        cipher.aad_size = 0
        cipher.tagged = False
    return set_context(context, params)


cdef int start_encrypting(void* context, const uint8_t* key, size_t key_size, const uint8_t* iv, size_t iv_size,
                          const OSSL_PARAM* params) noexcept nogil:
    return start(context, key, key_size, iv, iv_size, params, True)


cdef int start_decrypting(void* context, const uint8_t* key, size_t key_size, const uint8_t* iv, size_t iv_size,
                          const OSSL_PARAM* params) noexcept nogil:
    return start(context, key, key_size, iv, iv_size, params, False)


cdef void carry(Cipher* cipher, uint8_t* out, const uint8_t* data, size_t size) noexcept nogil:
    if cipher.state == IV_GIVEN:
        cipher.kind.begin(&cipher.key, &cipher.running, cipher.iv, cipher.aad, cipher.aad_size)
        cipher.state = BEGUN
    if size == 0:
        return
    if cipher.encrypting:
        cipher.kind.encrypt(&cipher.key, &cipher.running, out, data, size)
    else:
        cipher.kind.decrypt(&cipher.key, &cipher.running, out, data, size)


cdef int conclude(Cipher* cipher) noexcept nogil:
    """Makes the tag, or holds it against the expected one; the nonce is spent either way."""
    cdef uint8_t tag[TAG_SIZE]
    cdef int holds = 1
    if cipher.encrypting:
        cipher.kind.sealed(&cipher.key, &cipher.running, cipher.tag, TAG_SIZE)
    else:
        cipher.kind.opened(&cipher.key, &cipher.running, tag, TAG_SIZE)
        holds = cipher.tagged and CRYPTO_memcmp(tag, cipher.tag, TAG_SIZE) == 0
    cipher.tagged = cipher.encrypting
    cipher.state = NO_IV
    cipher.aad_size = 0
    return holds


cdef int update(void* context, uint8_t* out, size_t* written, size_t room, const uint8_t* data,
                size_t size) noexcept nogil:
    """`out` of NULL: additional data, all of which comes first."""
    cdef Cipher* cipher = <Cipher*>context
    written[0] = 0
    if not cipher.keyed:
        return 0
    if cipher.in_record:
        return record(cipher, out, written, data, size)
    if cipher.state == NO_IV:
        return 0
    if out == NULL:
        if cipher.state != IV_GIVEN or size > <size_t>(AAD_MOST - cipher.aad_size):
            return 0
        memcpy(cipher.aad + cipher.aad_size, data, size)
        cipher.aad_size += <uint8_t>size
    else:
        if room < size:
            return 0
        carry(cipher, out, data, size)
    written[0] = size
    return 1


cdef int finish(void* context, uint8_t* out, size_t* written, size_t room) noexcept nogil:
    cdef Cipher* cipher = <Cipher*>context
    written[0] = 0
    if not cipher.keyed or cipher.state == NO_IV:
        return 0
    carry(cipher, NULL, NULL, 0)
    return conclude(cipher)


# -- records of TLS 1.2: explicit nonce, ciphertext and tag in one buffer, in place ------------------------------------


cdef int begin_record(Cipher* cipher, const uint8_t* aad, size_t size) noexcept nogil:
    """libssl counts nonce and tag in the length that it gives; the additional data has that of the content."""
    cdef size_t length
    if size != TLS_AAD_SIZE:
        return 0
    length = (<size_t>aad[TLS_AAD_SIZE - 2] << 8) | aad[TLS_AAD_SIZE - 1]
    if length < IV_SIZE - IV_FIXED:
        return 0
    length -= IV_SIZE - IV_FIXED
    if not cipher.encrypting:
        if length < TAG_SIZE:
            return 0
        length -= TAG_SIZE
    memcpy(cipher.aad, aad, TLS_AAD_SIZE)
    cipher.aad[TLS_AAD_SIZE - 2] = <uint8_t>(length >> 8)
    cipher.aad[TLS_AAD_SIZE - 1] = <uint8_t>(length & 0xff)
    cipher.aad_size = TLS_AAD_SIZE
    cipher.in_record = True
    return 1


cdef int record(Cipher* cipher, uint8_t* out, size_t* written, const uint8_t* data, size_t size) noexcept nogil:
    cdef uint8_t* nonce = cipher.iv + IV_FIXED
    cdef uint8_t* tag
    cdef size_t content
    cdef int i
    cipher.in_record = False
    if out != data or size < IV_SIZE - IV_FIXED + TAG_SIZE:
        return 0
    content = size - (IV_SIZE - IV_FIXED) - TAG_SIZE
    if cipher.encrypting:
        cipher.records += 1
        if cipher.records == 0:  # every nonce of this key has been used
            return 0
        memcpy(out, nonce, IV_SIZE - IV_FIXED)
    else:
        memcpy(nonce, data, IV_SIZE - IV_FIXED)
    out += IV_SIZE - IV_FIXED
    tag = out + content
    if not cipher.encrypting:
        memcpy(cipher.tag, tag, TAG_SIZE)
        cipher.tagged = True
    cipher.state = IV_GIVEN
    carry(cipher, out, out, content)
    if not conclude(cipher):
        OPENSSL_cleanse(out, content)
        return 0
    if not cipher.encrypting:
        written[0] = content
        return 1
    memcpy(tag, cipher.tag, TAG_SIZE)
    for i in range(IV_SIZE - IV_FIXED - 1, -1, -1):
        nonce[i] += 1
        if nonce[i] != 0:
            break
    written[0] = size
    return 1


# -- parameters: two with every record, each looked at once ----------------------------------------------------------


cdef bint named(const OSSL_PARAM* param, const char* name) noexcept nogil:
    return strcmp(param.key, name) == 0


cdef int describe(OSSL_PARAM* params, const Kind* kind) noexcept nogil:
    """What holds for every context; other parameters are left alone."""
    cdef int right = 1
    while params.key != NULL:
        if named(params, OSSL_CIPHER_PARAM_IVLEN):
            right &= OSSL_PARAM_set_size_t(params, IV_SIZE)
        elif named(params, OSSL_CIPHER_PARAM_KEYLEN):
            right &= OSSL_PARAM_set_size_t(params, kind.key_size)
        elif named(params, OSSL_CIPHER_PARAM_BLOCK_SIZE):
            right &= OSSL_PARAM_set_size_t(params, 1)
        elif named(params, OSSL_CIPHER_PARAM_MODE):
            right &= OSSL_PARAM_set_uint(params, <unsigned int>EVP_CIPH_GCM_MODE)
        elif named(params, OSSL_CIPHER_PARAM_AEAD) or named(params, OSSL_CIPHER_PARAM_CUSTOM_IV):
            right &= OSSL_PARAM_set_int(params, 1)
        params += 1
    return right


cdef int describe_aes128(OSSL_PARAM* params) noexcept nogil:
    return describe(params, &aes128)


cdef int describe_aes256(OSSL_PARAM* params) noexcept nogil:
    return describe(params, &aes256)


cdef int get_context(void* context, OSSL_PARAM* params) noexcept nogil:
    cdef Cipher* cipher = <Cipher*>context
    cdef OSSL_PARAM* param = params
    while param.key != NULL:
        if named(param, OSSL_CIPHER_PARAM_AEAD_TAG):
            if not cipher.encrypting or not cipher.tagged:
                return 0
            if not OSSL_PARAM_set_octet_string(param, cipher.tag, TAG_SIZE):
                return 0
        elif named(param, OSSL_CIPHER_PARAM_AEAD_TLS1_AAD_PAD) or named(param, OSSL_CIPHER_PARAM_AEAD_TAGLEN):
            if not OSSL_PARAM_set_size_t(param, TAG_SIZE):
                return 0
        param += 1
    return describe(params, cipher.kind)


cdef int set_context(void* context, const OSSL_PARAM* params) noexcept nogil:
    if params == NULL:
        return 1
    while params.key != NULL:
        if not set_one(<Cipher*>context, params):
            return 0
        params += 1
    return 1


cdef int set_one(Cipher* cipher, const OSSL_PARAM* param) noexcept nogil:
    cdef uint8_t data[TLS_AAD_SIZE + TAG_SIZE]
    cdef void* into = data
    cdef size_t size = 0
    if named(param, OSSL_CIPHER_PARAM_AEAD_TAG):
        # sealing makes its own; a shorter one to be opened is not asked for by TLS, and not taken
        if cipher.encrypting or not OSSL_PARAM_get_octet_string(param, &into, sizeof(data), &size):
            return 0
        if size != TAG_SIZE:
            return 0
        memcpy(cipher.tag, data, TAG_SIZE)
        cipher.tagged = True
        return 1
    if named(param, OSSL_CIPHER_PARAM_AEAD_TLS1_AAD):
        return OSSL_PARAM_get_octet_string(param, &into, sizeof(data), &size) and begin_record(cipher, data, size)
    if named(param, OSSL_CIPHER_PARAM_IVLEN):
        return OSSL_PARAM_get_size_t(param, &size) and size == IV_SIZE
    if named(param, OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED):
        if not OSSL_PARAM_get_octet_string(param, &into, sizeof(data), &size) or size != IV_FIXED:
            return 0
        memcpy(cipher.iv, data, IV_FIXED)
        return not cipher.encrypting or RAND_bytes(cipher.iv + IV_FIXED, IV_SIZE - IV_FIXED) == 1
    return 1


# -- the provider ----------------------------------------------------------------------------------------------------


cdef const OSSL_ALGORITHM* query(void* provider, int operation, int* no_store) noexcept nogil:
    no_store[0] = 0
    return ciphers if operation == OSSL_OP_CIPHER else NULL


cdef int start_provider(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* core, const OSSL_DISPATCH** out,
                        void** context) noexcept nogil:
    out[0] = provider_functions
    context[0] = <void*>handle
    return 1


cdef void enter(OSSL_DISPATCH* table, provided create, provided tell) noexcept:
    cdef int i
    cdef OSSL_DISPATCH entry
    cdef int[10] numbers = [
        OSSL_FUNC_CIPHER_NEWCTX, OSSL_FUNC_CIPHER_GET_PARAMS, OSSL_FUNC_CIPHER_FREECTX, OSSL_FUNC_CIPHER_DUPCTX,
        OSSL_FUNC_CIPHER_ENCRYPT_INIT, OSSL_FUNC_CIPHER_DECRYPT_INIT, OSSL_FUNC_CIPHER_UPDATE,
        OSSL_FUNC_CIPHER_FINAL, OSSL_FUNC_CIPHER_GET_CTX_PARAMS, OSSL_FUNC_CIPHER_SET_CTX_PARAMS,
    ]
    cdef provided[10] functions = [
        create, tell, <provided>free_cipher, <provided>copy_cipher,
        <provided>start_encrypting, <provided>start_decrypting, <provided>update,
        <provided>finish, <provided>get_context, <provided>set_context,
    ]
    for i in range(10):
        entry.function_id = numbers[i]
        entry.function = functions[i]
        table[i] = entry


cdef void lay_out(const IMB_MGR* manager) noexcept:
    """Fills in the tables that libcrypto reads; they stay as long as the process."""
    aes128.key_size = 16
    aes128.expand = manager.gcm128_pre
    aes128.begin = manager.gcm128_init
    aes128.encrypt = manager.gcm128_enc_update
    aes128.decrypt = manager.gcm128_dec_update
    aes128.sealed = manager.gcm128_enc_finalize
    aes128.opened = manager.gcm128_dec_finalize
    aes256.key_size = 32
    aes256.expand = manager.gcm256_pre
    aes256.begin = manager.gcm256_init
    aes256.encrypt = manager.gcm256_enc_update
    aes256.decrypt = manager.gcm256_dec_update
    aes256.sealed = manager.gcm256_enc_finalize
    aes256.opened = manager.gcm256_dec_finalize
    enter(aes128_functions, <provided>new_aes128, <provided>describe_aes128)
    enter(aes256_functions, <provided>new_aes256, <provided>describe_aes256)
    # all names of libcrypto's own, without which the two would not be one cipher to it
    ciphers[0].algorithm_names = b"AES-128-GCM:id-aes128-GCM:2.16.840.1.101.3.4.1.6"
    ciphers[0].property_definition = b"provider=limen"
    ciphers[0].implementation = aes128_functions
    ciphers[1].algorithm_names = b"AES-256-GCM:id-aes256-GCM:2.16.840.1.101.3.4.1.46"
    ciphers[1].property_definition = b"provider=limen"
    ciphers[1].implementation = aes256_functions
    provider_functions[0].function_id = OSSL_FUNC_PROVIDER_QUERY_OPERATION
    provider_functions[0].function = <provided>query


cdef str installed = None


def install(*, bint anyway=False):
    """Gives the ciphers to libcrypto; who made them, or "" where they would gain nothing.

    They are taken by who asks for them by PREFERENCE, and by nobody else in the process. `anyway`: even where
    OpenSSL's own are as fast, for tests. OSError if the provider cannot be loaded.
    """
    global installed
    cdef IMB_MGR* manager
    cdef IMB_ARCH chosen = 0
    cdef uint64_t wanted = IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ | IMB_FEATURE_AVX512_SKX
    if installed is not None:
        return installed
    if OpenSSL_version_num() >= USES_VAES and not anyway:
        return ""
    # a process that may use FIPS modules only, or has providers of its own choice, keeps what it has
    if EVP_default_properties_is_fips_enabled(NULL) or not OSSL_PROVIDER_available(NULL, b"default"):
        return ""
    manager = alloc_mb_mgr(0)
    if manager == NULL:
        raise MemoryError
    init_mb_mgr_auto(manager, &chosen)
    if chosen != IMB_ARCH_AVX512 or (manager.features & wanted) != wanted:
        free_mb_mgr(manager)
        return ""
    lay_out(manager)  # the functions are the library's: the manager itself is not needed any more
    free_mb_mgr(manager)
    # named, because a provider that is loaded by name takes away the one that was loaded for want of any
    if OSSL_PROVIDER_load(NULL, b"default") == NULL:
        raise OSError("libcrypto does not load its own provider")
    if (
        OSSL_PROVIDER_add_builtin(NULL, b"limen", start_provider) != 1
        or OSSL_PROVIDER_load(NULL, b"limen") == NULL
    ):
        raise OSError("libcrypto does not take the ciphers of intel-ipsec-mb")
    installed = f"intel-ipsec-mb {imb_get_version_str().decode()}"
    return installed


def in_use():
    """How many directions of connections have a key here."""
    return contexts


PREFERENCE = b"?provider=limen"
