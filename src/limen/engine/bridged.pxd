# Bridging: what a forward listener opens TLS with, and where a connection goes that was opened.

from libc.stdint cimport uint16_t, uint64_t

from limen.engine.addresses cimport TargetHost
from limen.engine.identity cimport Identity
from limen.engine.tls.contexts cimport ClientContext, ServerContext
from limen.engine.tls.hello cimport Hello
from limen.engine.types cimport Address
from limen.engine.upstream cimport Endpoint
from limen.engine.worker cimport Worker


cdef enum BridgeVerdict:
    # What the gate answers at each point; as limen.policy.bridging.Action.
    BRIDGE_PASS = 0           # an opaque tunnel
    BRIDGE_LOOK = 1           # at CONNECT: wait for the client hello
    BRIDGE_OPEN = 2           # end the client's TLS, speak our own with the origin
    BRIDGE_REFUSE = 3
    BRIDGE_FRONTING = 4       # refused: the names disagree


cdef class Bridge:
    # Of a service. The gate is Python: it decides once per CONNECT, not per request.
    cdef readonly object gate
    cdef ServerContext server # its certificate is set for each connection: the leaf
    cdef ClientContext client # judged: the gate hears what is wrong with the origin's certificate
    cdef uint64_t handshake_timeout   # ns, with the origin
    cdef long long number     # of all that this process has made: whose connections are whose
    cdef bint same_host       # Host has to agree with the name in the hello

    # `identity`: who asks; None: nobody said.
    cdef int at_connect(
        self, Worker worker, const Address* client, const TargetHost* host, Identity identity
    ) noexcept
    cdef int at_hello(
        self, Worker worker, const Address* client, const TargetHost* host, const Hello* hello, Identity identity
    ) noexcept
    cdef int at_certificate(
        self, Worker worker, object look, const Address* client, const TargetHost* host, bytes name, bytes der,
        long verdict, bint asked
    ) noexcept
    cdef void tell_rejected(self, Worker worker, const Address* client, bytes name, int alert) noexcept


cdef class Bridged:
    # Of a connection: every request that comes by it goes here.
    cdef Bridge bridge
    cdef TargetHost host      # CONNECT's
    cdef bytes name           # whom the client's hello named, or CONNECT: the origin is verified as this
    cdef Endpoint endpoint
    cdef int fault            # every request is answered with it; 0: none
    cdef Identity identity    # who asked for the connection; None: nobody said


# Where bridged requests to a host go, shared by all who go there under this name; None without memory.
cdef Bridged new_bridged(Worker worker, Bridge bridge, const TargetHost* host, bytes name)
