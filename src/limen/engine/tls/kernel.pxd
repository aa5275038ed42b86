# kTLS: the kernel seals what a connection sends, from a moment that we choose.

from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef enum:
    SECRET_MOST = 48          # of SHA-384
    HEAD_SIZE = 5           # of a record


# What has to be known to go on where libssl is.
cdef struct Outgoing:
    uint8_t secret[SECRET_MOST]
    uint8_t secret_size       # 0: not known
    uint8_t head_size       # bytes of `head` that have passed
    uint8_t head[HEAD_SIZE]
    uint32_t left             # bytes of a record that are still to pass
    uint64_t records          # sealed under the secret, and passed or begun to pass


# A line of the key log: keeps the secret under which a server of TLS 1.3 seals content.
cdef void note_secret(Outgoing* outgoing, const char* line) noexcept
# Sealed bytes pass to the socket, in pieces of any size.
cdef void count_records(Outgoing* outgoing, const char* data, size_t size) noexcept nogil
# HKDF-Expand-Label of the secret, with no context (RFC 8446, 7.1).
cdef bint expand(const Outgoing* outgoing, const char* label, uint8_t* out, size_t size) noexcept nogil
# Let the kernel seal what is sent from now on; False: it does not, and nothing has changed. `suite` as libssl numbers
# it.
cdef bint take_over(const Outgoing* outgoing, int fd, uint32_t suite) noexcept nogil
# Through the kernel: close_notify, if there is room for it.
cdef void send_close_notify(int fd) noexcept nogil
