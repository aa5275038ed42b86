# A socket with its backlog of unsent bytes: the transport under every protocol.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from limen.engine.stream cimport Stream
from limen.engine.tls.session cimport Session
from limen.engine.types cimport Address


cdef class Connection(Stream):
    cdef char* backlog        # owned; bytes the kernel did not take yet; NULL when there are none
    cdef uint32_t backlog_start
    cdef uint32_t backlog_end
    cdef uint32_t backlog_room
    cdef bint writable        # the kernel took everything so far
    cdef bint readable        # an edge came that was not read to its end
    cdef bint broken          # sending failed: only closing is left
    cdef bint eof             # the peer will send no more
    cdef Session tls          # what goes over the socket is sealed; None: it goes as it is
    cdef bint shaking         # TLS: the handshake is not over
    cdef bint shake_queued
    cdef void* shake_next     # borrowed: the next in Shakes
    cdef Address peer
    cdef uint64_t sent        # bytes handed to the kernel
    cdef uint64_t received

    # Append bytes to what the next flush sends. They must stay valid until reactor.flush().
    cdef void put(self, const char* data, size_t size) noexcept
    # Push the backlog; True when nothing is left of it.
    cdef bint drain_backlog(self) noexcept
    # recv() with the usual cases folded: > 0 bytes, 0 end of stream, -1 nothing now, -2 failed.
    cdef ssize_t receive(self, char* data, size_t room) noexcept
    # The kernel took less than it was given: the peer is slow.
    cdef void on_stuck(self) noexcept
    # A step of the handshake.
    cdef void on_shake(self) noexcept
    cdef int shake(self) noexcept
    # TLS: seal what is gathered; push what is sealed; say that no more will come.
    cdef void seal_gathered(self) noexcept
    cdef void seal(self, const char* data, size_t size) noexcept
    cdef void send_sealed(self) noexcept
    cdef ssize_t receive_sealed(self, char* data, size_t room) noexcept
    cdef void say_end(self) noexcept
    # Whether what is put from now on goes as it is: without TLS, or because the kernel has taken over sealing. Asked
    # when nothing is gathered and nothing waits.
    cdef bint unseal(self) noexcept
    # It has just done so.
    cdef void on_unsealed(self) noexcept
    cdef int keep_unsent(self, const char* data, size_t size) noexcept
