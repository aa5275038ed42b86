# Connections that the kernel has led here although they were meant for somebody else (Linux: redirect, TPROXY).

from libc.stdint cimport uint32_t

from limen.engine.accepted cimport Accepted
from limen.engine.state cimport ExchangeState
from limen.engine.upstream cimport Endpoint


# Ask where the client was going, into its `original`; False if nobody knows.
cdef bint find_original(Accepted client) noexcept
# The text `host:port` of the target (socks.SOCKS_TARGET_MOST bytes) with the name that TLS asks for, or the address if
# it asks for none: its length, or -FAULT_TARGET.
cdef int lay_original(Accepted client, const char* name, uint32_t size, char* out) noexcept
# exchange.host of a plain request: what Host says, for rules; the port is the one that was dialled. A fault, or none.
cdef int find_host(ExchangeState exchange) noexcept
# Where to dial: never a name.
cdef Endpoint original_endpoint(ExchangeState exchange)
