# Taking sealing over from libssl in the middle of a connection. Its own way is to hand the keys over in the handshake,
# of every connection; ours is for large bodies only, which are then spliced, and leaves small exchanges as they are.
# TLS 1.3 alone: its keys follow from one secret (RFC 8446 7.3), which libssl tells in the form of the key log.

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset, strlen, strncmp

from limen.engine.paths cimport hex_digit
from limen.engine.sys cimport MSG_DONTWAIT, MSG_NOSIGNAL, iovec, msghdr, sendmsg, setsockopt, socklen_t
from limen.engine.tls.libssl cimport (
    ERR_clear_error,
    OPENSSL_cleanse,
    OSSL_PARAM,
    OSSL_PARAM_construct_end,
    OSSL_PARAM_construct_octet_string,
    OSSL_PARAM_construct_utf8_string,
)


cdef extern from *:
    """
    #include <linux/tls.h>
    #include <netinet/in.h>
    #include <openssl/core_names.h>
    #include <openssl/kdf.h>
    #include <stddef.h>
    #include <sys/socket.h>
    #ifndef SOL_TLS
    #define SOL_TLS 282
    #endif
    #ifndef TCP_ULP
    #define TCP_ULP 31
    #endif
    /* What the kernel is given for AES-GCM differs in the length of the key alone. */
    #define LIMEN_GIVEN(kind, at) \\
        _Static_assert(offsetof(struct kind, iv) == 4 && offsetof(struct kind, key) == 12 && \\
                       offsetof(struct kind, salt) == (at) && offsetof(struct kind, rec_seq) == (at) + 4 && \\
                       sizeof(struct kind) == (at) + 12, "laid out in another way")
    LIMEN_GIVEN(tls12_crypto_info_aes_gcm_128, 28);
    LIMEN_GIVEN(tls12_crypto_info_aes_gcm_256, 44);
    /* The message is one record of this kind. */
    static void limen_record_type(char *room, struct msghdr *message, unsigned char kind) {
        struct cmsghdr *control;
        message->msg_control = room;
        message->msg_controllen = CMSG_SPACE(sizeof(kind));
        control = CMSG_FIRSTHDR(message);
        control->cmsg_level = SOL_TLS;
        control->cmsg_type = TLS_SET_RECORD_TYPE;
        control->cmsg_len = CMSG_LEN(sizeof(kind));
        *CMSG_DATA(control) = kind;
    }
    """
    ctypedef struct EVP_KDF:
        pass
    ctypedef struct EVP_KDF_CTX:
        pass
    EVP_KDF* EVP_KDF_fetch(void* library, const char* name, const char* properties) nogil
    void EVP_KDF_free(EVP_KDF* kdf) nogil
    EVP_KDF_CTX* EVP_KDF_CTX_new(EVP_KDF* kdf) nogil
    void EVP_KDF_CTX_free(EVP_KDF_CTX* native) nogil
    int EVP_KDF_derive(EVP_KDF_CTX* native, unsigned char* out, size_t size, const OSSL_PARAM* params) nogil
    const char* OSSL_KDF_PARAM_MODE
    const char* OSSL_KDF_PARAM_DIGEST
    const char* OSSL_KDF_PARAM_KEY
    const char* OSSL_KDF_PARAM_INFO

    ctypedef struct tls_crypto_info "struct tls_crypto_info":
        unsigned short version
        unsigned short cipher_type
    const int SOL_TLS, TCP_ULP, TLS_TX, TLS_CIPHER_AES_GCM_128, TLS_CIPHER_AES_GCM_256, TLS_1_3_VERSION, IPPROTO_TCP
    void limen_record_type(char* room, msghdr* message, unsigned char kind) noexcept nogil


cdef enum:
    AES_128_GCM_SHA256 = 0x03001301   # as libssl numbers suites
    AES_256_GCM_SHA384 = 0x03001302
    IV_SIZE = 12
    SALT_SIZE = 4                     # the first bytes of the IV, which the kernel wants apart
    NUMBER_SIZE = 8
    GIVEN_IV = 4                      # where the parts lie in what the kernel is given; the others follow the key
    GIVEN_KEY = 12
    GIVEN_MOST = 56
    RECORD_CONTENT = 23
    RECORD_ALERT = 21
    WARNING = 1
    CLOSE_NOTIFY = 0

cdef const char* LABEL = b"SERVER_TRAFFIC_SECRET_0 "


cdef void note_secret(Outgoing* outgoing, const char* line) noexcept:
    cdef size_t size
    cdef size_t i
    cdef int high
    cdef int low
    if strncmp(line, LABEL, strlen(LABEL)) != 0:
        return
    line += strlen(LABEL)
    while line[0] != 0 and line[0] != 32:  # the client's random
        line += 1
    if line[0] == 0:
        return
    line += 1
    size = strlen(line) // 2
    if size != 32 and size != SECRET_MOST:
        return
    for i in range(size):
        high = hex_digit(<uint8_t>line[2 * i])
        low = hex_digit(<uint8_t>line[2 * i + 1])
        if high < 0 or low < 0:
            return
        outgoing.secret[i] = <uint8_t>(high << 4 | low)
    # libssl tells it when everything before has been sent, and the next record is the first under it
    outgoing.secret_size = <uint8_t>size
    outgoing.records = 0
    outgoing.head_size = 0
    outgoing.left = 0


cdef void count_records(Outgoing* outgoing, const char* data, size_t size) noexcept nogil:
    cdef size_t part
    while size:
        if outgoing.left:
            part = min(size, <size_t>outgoing.left)
            outgoing.left -= <uint32_t>part
            data += part
            size -= part
            continue
        outgoing.head[outgoing.head_size] = <uint8_t>data[0]
        outgoing.head_size += 1
        data += 1
        size -= 1
        if outgoing.head_size == HEAD_SIZE:
            outgoing.head_size = 0
            outgoing.left = <uint32_t>outgoing.head[3] << 8 | outgoing.head[4]
            # a change_cipher_spec, which is there for middleboxes, is not sealed
            if outgoing.head[0] == RECORD_CONTENT:
                outgoing.records += 1


cdef bint expand(const Outgoing* outgoing, const char* label, uint8_t* out, size_t size) noexcept nogil:
    cdef EVP_KDF* kdf
    cdef EVP_KDF_CTX* native = NULL
    cdef OSSL_PARAM params[5]
    cdef uint8_t info[32]
    cdef size_t length = strlen(label)
    cdef int done = 0
    info[0] = 0
    info[1] = <uint8_t>size
    info[2] = <uint8_t>(6 + length)
    memcpy(info + 3, b"tls13 ", 6)
    memcpy(info + 9, label, length)
    info[9 + length] = 0
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MODE, b"EXPAND_ONLY", 0)
    params[1] = OSSL_PARAM_construct_utf8_string(
        OSSL_KDF_PARAM_DIGEST, b"SHA256" if outgoing.secret_size == 32 else b"SHA384", 0
    )
    params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, <void*>outgoing.secret, outgoing.secret_size)
    params[3] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, 10 + length)
    params[4] = OSSL_PARAM_construct_end()
    kdf = EVP_KDF_fetch(NULL, b"HKDF", NULL)
    if kdf != NULL:
        native = EVP_KDF_CTX_new(kdf)
        EVP_KDF_free(kdf)
    if native != NULL:
        done = EVP_KDF_derive(native, out, size, params)
        EVP_KDF_CTX_free(native)
    if done != 1:
        ERR_clear_error()
    return done == 1


cdef bint take_over(const Outgoing* outgoing, int fd, uint32_t suite) noexcept nogil:
    cdef uint8_t given[GIVEN_MOST]
    cdef uint8_t iv[IV_SIZE]
    cdef uint8_t* salt
    cdef tls_crypto_info info
    cdef size_t size
    cdef bint done = False
    cdef int i
    info.version = TLS_1_3_VERSION
    if suite == AES_128_GCM_SHA256 and outgoing.secret_size == 32:
        info.cipher_type = TLS_CIPHER_AES_GCM_128
        size = 16
    elif suite == AES_256_GCM_SHA384 and outgoing.secret_size == SECRET_MOST:
        info.cipher_type = TLS_CIPHER_AES_GCM_256
        size = 32
    else:
        return False
    if outgoing.left or outgoing.head_size:
        return False
    if expand(outgoing, b"key", given + GIVEN_KEY, size) and expand(outgoing, b"iv", iv, IV_SIZE):
        memcpy(given, &info, sizeof(info))
        memcpy(given + GIVEN_IV, iv + SALT_SIZE, IV_SIZE - SALT_SIZE)
        salt = given + GIVEN_KEY + size
        memcpy(salt, iv, SALT_SIZE)
        for i in range(NUMBER_SIZE):
            salt[SALT_SIZE + i] = <uint8_t>(outgoing.records >> (56 - 8 * i))
        size += GIVEN_KEY + SALT_SIZE + NUMBER_SIZE
        # the kernel takes module and keys in two steps; the first alone changes nothing
        setsockopt(fd, IPPROTO_TCP, TCP_ULP, b"tls", 3)
        done = setsockopt(fd, SOL_TLS, TLS_TX, given, <socklen_t>size) == 0
    OPENSSL_cleanse(given, sizeof(given))
    OPENSSL_cleanse(iv, sizeof(iv))
    return done


cdef void send_close_notify(int fd) noexcept nogil:
    cdef msghdr message
    cdef iovec piece
    cdef char room[64]
    cdef uint8_t alert[2]
    alert[0] = WARNING
    alert[1] = CLOSE_NOTIFY
    memset(&message, 0, sizeof(message))
    memset(room, 0, sizeof(room))
    piece.iov_base = alert
    piece.iov_len = sizeof(alert)
    message.msg_iov = &piece
    message.msg_iovlen = 1
    limen_record_type(room, &message, RECORD_ALERT)
    # a peer that has not read so much that no room is left does without
    sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT)
