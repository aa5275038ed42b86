# libssl asks here for the key of each ticket. Rotating replaces what the callback finds; the context,
# and with it every connection, stays as it is.

from libc.string cimport memcmp, memcpy, memset

from limen.engine.tls.libssl cimport (
    EVP_CIPHER_CTX,
    EVP_MAC_CTX,
    OSSL_MAC_PARAM_DIGEST,
    OSSL_MAC_PARAM_KEY,
    OSSL_PARAM,
    SSL,
    SSL_CTX,
    EVP_aes_256_cbc,
    EVP_DecryptInit_ex,
    EVP_EncryptInit_ex,
    EVP_MAC_CTX_set_params,
    OSSL_PARAM_construct_end,
    OSSL_PARAM_construct_octet_string,
    OSSL_PARAM_construct_utf8_string,
    RAND_bytes,
    SSL_CTX_get_ex_data,
    SSL_CTX_set_ex_data,
    SSL_CTX_set_tlsext_ticket_key_evp_cb,
    SSL_get_SSL_CTX,
)


cdef extern from *:
    """
    static int limen_ticket_index = -1;
    static int limen_ticket_slot(void) {
        if (limen_ticket_index < 0)
            limen_ticket_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
        return limen_ticket_index;
    }
    """
    int limen_ticket_slot() noexcept nogil


cdef int use_key(const TicketKey* key, EVP_MAC_CTX* mac) noexcept:
    cdef OSSL_PARAM params[3]
    params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, <void*>key.mac, sizeof(key.mac))
    params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, b"SHA256", 0)
    params[2] = OSSL_PARAM_construct_end()
    return EVP_MAC_CTX_set_params(mac, params)


cdef int on_ticket(
    SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int encrypt
) noexcept:
    """1: go on, 0: no ticket (a full handshake then), 2: read, but give a new one, -1: give up."""
    cdef void* found = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), limen_ticket_slot())
    cdef TicketKeys keys
    cdef const TicketKey* key
    cdef int i
    if found == NULL:
        return 0
    keys = <TicketKeys>found
    if keys.count == 0:
        return 0
    if encrypt:
        key = &keys.keys[0]
        if RAND_bytes(iv, 16) != 1:
            return -1
        memcpy(name, key.name, 16)
        if EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv) != 1 or use_key(key, mac) != 1:
            return -1
        return 1
    for i in range(keys.count):
        key = &keys.keys[i]
        if memcmp(name, key.name, 16) != 0:
            continue
        if use_key(key, mac) != 1 or EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv) != 1:
            return -1
        return 1 if i == 0 else 2
    return 0


cdef class TicketKeys:
    """Keys of session tickets, shared by all server contexts of a worker and, by value, by all workers."""

    def __repr__(self) -> str:
        return f"<TicketKeys count={self.count}>"

    def __dealloc__(self):
        memset(self.keys, 0, sizeof(self.keys))

    def replace(self, keys) -> None:
        """From now on these: 80 bytes each (16 name, 32 HMAC, 32 AES-256), the first encrypts. ValueError."""
        cdef bytes key
        cdef int i
        taken = [bytes(key) for key in keys]
        if len(taken) > TICKET_KEYS or any(len(key) != sizeof(TicketKey) for key in taken):
            raise ValueError(f"at most {TICKET_KEYS} ticket keys of {sizeof(TicketKey)} bytes each")
        for i, key in enumerate(taken):
            memcpy(&self.keys[i], <const char*>key, sizeof(TicketKey))
        self.count = len(taken)

    cdef int serve(self, SSL_CTX* native) except -1:
        if limen_ticket_slot() < 0 or SSL_CTX_set_ex_data(native, limen_ticket_slot(), <void*>self) != 1:
            raise MemoryError
        SSL_CTX_set_tlsext_ticket_key_evp_cb(native, on_ticket)
        return 0
