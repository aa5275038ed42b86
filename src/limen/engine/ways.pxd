# What a client speaks before its first exchange, told by the first bytes: SOCKS, or what a transparent listener gets.

from libc.stdint cimport uint8_t

from limen.engine.accepted cimport Accepted
from limen.engine.demand cimport Demand
from limen.engine.identifying cimport Claim
from limen.engine.identity cimport Identity
from limen.engine.service cimport Service
from limen.engine.stream cimport OutHead, Party
from limen.engine.types cimport Address


cdef enum WayIn:
    # Service.ways is a set of (1 << WayIn).
    WAY_HTTP = 0
    WAY_ORIGINAL = 1          # a transparent listener's TLS: the client speaks to its target, and hears nothing from us
    WAY_SOCKS4 = 4
    WAY_SOCKS5 = 5


cdef enum Transparent:
    TRANSPARENT_NOT = 0
    TRANSPARENT_REDIRECT = 1  # nftables' redirect: the kernel is asked where the client was going
    TRANSPARENT_TPROXY = 2    # the socket's own address is where the client was going


cdef enum:
    WAY_GO_ON = -2            # take_way(): these bytes are HTTP


cdef enum WayStage:
    WAY_GREETING = 0          # SOCKS 5: which methods the client offers
    WAY_PAIR = 1              # its user name and password are due
    WAY_PARKED = 2            # somebody verifies them
    WAY_REQUEST = 3
    WAY_ASKED = 4             # there is an exchange
    WAY_ANSWERED = 5          # the last reply has gone


cdef class Way(Party):
    # Held by its client until TLS is bridged inside.
    cdef Accepted client      # an Http1Client; None: it has begun, or is gone
    cdef uint8_t kind         # WayIn
    cdef uint8_t stage        # WayStage
    cdef uint8_t command      # socks.SocksCommand
    cdef Address bound        # that the next reply names
    cdef Demand demand        # that the user name was shown for; None: none was
    cdef Identity identity    # whose user name that is
    cdef Claim claim          # as long as somebody verifies it

    # A head for the client, as far as it concerns somebody who waits for a SOCKS reply.
    cdef void reply(self, Accepted client, const OutHead* head) noexcept
    # A reply that is not the last one: of BIND, with `bound`.
    cdef void tell(self, Accepted client) noexcept
    # The client has gone.
    cdef void leave(self) noexcept
    cdef void lay(self, Accepted client, int first, int second) noexcept
    cdef void send(self, Accepted client, int code) noexcept


# What is demanded of everybody who comes to a listener; None: nothing.
cdef Demand demand_of(Service service)
# Bytes of a client that has not begun an exchange: as Http1Client.take_head(), or WAY_GO_ON.
cdef int take_way(Accepted client, const char* data, size_t size) noexcept
