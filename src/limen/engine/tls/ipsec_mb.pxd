# What the engine uses of intel-ipsec-mb (BSD licence): AES-GCM of one message at a time. Declarations only.

from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef extern from * nogil:
    """
    #define NO_COMPAT_IMB_API_053  /* its old names clash with OpenSSL's */
    #include <intel-ipsec-mb.h>
    """
    # round keys and powers of the hash key; wants 64 bytes of alignment
    ctypedef struct gcm_key_data "struct gcm_key_data":
        pass
    # what is under way between init and finalize
    ctypedef struct gcm_context_data "struct gcm_context_data":
        pass

    ctypedef void (*aes_gcm_pre_t)(const void* key, gcm_key_data* out) noexcept nogil
    ctypedef void (*aes_gcm_init_t)(
        const gcm_key_data* key, gcm_context_data* running, const uint8_t* iv, const uint8_t* aad, uint64_t size
    ) noexcept nogil
    ctypedef void (*aes_gcm_enc_dec_update_t)(
        const gcm_key_data* key, gcm_context_data* running, uint8_t* out, const uint8_t* data, uint64_t size
    ) noexcept nogil
    ctypedef void (*aes_gcm_enc_dec_finalize_t)(
        const gcm_key_data* key, gcm_context_data* running, uint8_t* tag, uint64_t size
    ) noexcept nogil

    # a table of functions for the processor at hand; its GCM functions keep no state in it
    ctypedef struct IMB_MGR:
        uint64_t features
        uint32_t used_arch
        aes_gcm_pre_t gcm128_pre
        aes_gcm_pre_t gcm256_pre
        aes_gcm_init_t gcm128_init
        aes_gcm_init_t gcm256_init
        aes_gcm_enc_dec_update_t gcm128_enc_update
        aes_gcm_enc_dec_update_t gcm256_enc_update
        aes_gcm_enc_dec_update_t gcm128_dec_update
        aes_gcm_enc_dec_update_t gcm256_dec_update
        aes_gcm_enc_dec_finalize_t gcm128_enc_finalize
        aes_gcm_enc_dec_finalize_t gcm256_enc_finalize
        aes_gcm_enc_dec_finalize_t gcm128_dec_finalize
        aes_gcm_enc_dec_finalize_t gcm256_dec_finalize
    ctypedef int IMB_ARCH

    IMB_MGR* alloc_mb_mgr(uint64_t flags)
    void free_mb_mgr(IMB_MGR* manager)
    void init_mb_mgr_auto(IMB_MGR* manager, IMB_ARCH* chosen)
    const char* imb_get_version_str()
    const uint64_t IMB_FEATURE_VAES, IMB_FEATURE_VPCLMULQDQ, IMB_FEATURE_AVX512_SKX
    const IMB_ARCH IMB_ARCH_AVX512
