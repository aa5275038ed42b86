# What crosses to Python here does so once per CONNECT, as plain values. A gate that raises refuses.

from libc.stdint cimport uint64_t

from limen.engine.addresses cimport TargetHost, client_text
from limen.engine.tls.contexts cimport ClientContext, ServerContext
from limen.engine.tls.hello cimport Hello
from limen.engine.types cimport Address
from limen.engine.upstream cimport Endpoint, new_target
from limen.engine.worker cimport Worker

import itertools


_numbers = itertools.count()


cdef str host_text(const TargetHost* host):
    return host.name[:host.name_length].decode("ascii")


cdef list protocols_of(const Hello* hello):
    cdef const char* names = hello.message + hello.alpn
    cdef size_t at = 0
    cdef size_t length
    found = []
    while at < hello.alpn_length:
        length = <unsigned char>names[at]
        found.append(names[at + 1:at + 1 + length].decode("latin-1"))
        at += 1 + length
    return found


cdef class Bridge:
    """What a forward listener opens TLS with."""

    def __init__(
        self, gate not None, *, ServerContext server not None, ClientContext client not None,
        double handshake_timeout=10.0, bint same_host=True,
    ):
        if not client.judged:
            raise ValueError("the client context has to be judged: the gate looks at the origin's certificate")
        self.number = next(_numbers)
        self.gate = gate
        self.server = server
        self.client = client
        self.handshake_timeout = <uint64_t>(handshake_timeout * 1e9)
        self.same_host = same_host

    def __repr__(self) -> str:
        return f"<Bridge gate={self.gate!r}>"

    cdef int at_connect(
        self, Worker worker, const Address* client, const TargetHost* host, Identity identity
    ) noexcept:
        try:
            return self.gate.connect(client_text(client), host_text(host), host.port, identity)
        except Exception as error:
            worker.tell(40, f"bridge: CONNECT could not be judged: {error!r}")
            return BRIDGE_REFUSE

    cdef int at_hello(
        self, Worker worker, const Address* client, const TargetHost* host, const Hello* hello, Identity identity
    ) noexcept:
        """`hello` NULL: what the client says is no TLS."""
        try:
            if hello == NULL:
                return self.gate.hello(client_text(client), host_text(host), host.port, "", (), None, identity)
            return self.gate.hello(
                client_text(client), host_text(host), host.port,
                hello.message[hello.name:hello.name + hello.name_length].decode("ascii").lower().rstrip("."),
                protocols_of(hello), hello.message[:hello.size], identity,
            )
        except Exception as error:
            worker.tell(40, f"bridge: client hello could not be judged: {error!r}")
            return BRIDGE_REFUSE

    cdef int at_certificate(
        self, Worker worker, object look, const Address* client, const TargetHost* host, bytes name, bytes der,
        long verdict, bint asked
    ) noexcept:
        """0, or -1 if the gate will not conclude."""
        worker.wake = True
        try:
            self.gate.certificate(
                look, client_text(client), host_text(host), host.port, name.decode("ascii"), der, verdict, asked
            )
            return 0
        except Exception as error:
            worker.tell(40, f"bridge: origin's certificate could not be judged: {error!r}")
            return -1

    cdef void tell_rejected(self, Worker worker, const Address* client, bytes name, int alert) noexcept:
        try:
            self.gate.rejected(client_text(client), name.decode("ascii"), alert)
        except Exception as error:
            worker.tell(40, f"bridge: a rejected leaf could not be noted: {error!r}")


cdef class Bridged:
    def __repr__(self) -> str:
        return f"<Bridged {self.endpoint!r} name={self.name!r} fault={self.fault}>"


cdef Bridged new_bridged(Worker worker, Bridge bridge, const TargetHost* host, bytes name):
    cdef Bridged bridged
    # what one bridge has verified is not verified for another, which may believe others
    cdef bytes place = b"bridge %d %b %b:%d" % (bridge.number, name, host.name[:host.name_length], host.port)
    cdef Endpoint endpoint = worker.direct.get(place)
    try:
        if endpoint is None:
            endpoint = new_target(worker, host, place)
        bridged = Bridged.__new__(Bridged)
    except (MemoryError, ValueError) as error:
        worker.tell(40, f"target {place!r}: {error!r}")
        return None
    bridged.bridge = bridge
    bridged.host = host[0]
    bridged.name = name
    bridged.endpoint = endpoint
    return bridged
