# What a client says first (RFC 8446, 4.1.2), read without answering it.

from libc.stdint cimport uint8_t, uint16_t, uint32_t


cdef enum:
    HELLO_MOST = 65536        # bytes of a hello, over all its records: post-quantum key shares take 2 KiB


cdef struct Hello:
    # Offsets count from `message`.
    const char* message       # borrowed: the reassembled handshake message, or the input itself
    uint32_t size
    uint32_t name             # server_name; length 0 if there is none
    uint32_t name_length
    uint32_t alpn             # protocol names, each behind a byte of length
    uint32_t alpn_length
    uint32_t ciphers          # two bytes each
    uint32_t ciphers_length
    uint32_t extensions       # type, length, data
    uint32_t extensions_length
    uint16_t version          # of the message itself; supported_versions says more


# The message alone, without records: 1, or -1. Offsets count from `message`, which the caller sets.
cdef int read_message(const char* message, uint32_t size, Hello* out) noexcept nogil
# 1 whole; 0 more has to come; -1 no client hello. `scratch` (HELLO_MOST bytes) is used if it spans records.
cdef int read_hello(const char* data, size_t size, char* scratch, Hello* out) noexcept nogil
