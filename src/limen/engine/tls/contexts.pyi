"""What connections of one listener, or to one upstream, have in common."""

from collections.abc import Mapping, Sequence
from typing import Self

from limen.engine.tls.certificate import Certificate
from limen.engine.tls.tickets import TicketKeys

class ServerContext:
    """Everything a listener needs to end TLS. Names are in lower case, exact or `*.` and a name.

    `names` maps them to indices into `certificates`, RSA and ECDSA side by side; `default` has those for clients that
    name nobody known. `ticket_lifetime` in seconds. `key_log`: descriptor that secrets are appended to, open as long as
    the context is in use. `kernel`: it may seal large bodies, where it can. ValueError says what cannot be used.
    """

    def __new__(
        cls,
        *,
        certificates: Sequence[Certificate],
        names: Mapping[str, Sequence[int]],
        default: Sequence[int],
        minimum: int = 0x0303,
        maximum: int = 0x0304,
        ciphers: str = "",
        suites: str = "",
        groups: str = "",
        alpn: Sequence[str] = ("http/1.1",),
        tickets: TicketKeys | None = None,
        ticket_lifetime: int = 43200,
        client_ca: bytes = b"",
        client_required: bool = False,
        crl: bytes = b"",
        key_log: int = -1,
        kernel: bool = False,
    ) -> Self: ...

class ClientContext:
    """How connections to an upstream's endpoints are sealed, and whom they believe.

    `ca` in PEM form, empty for the system's store; `server_name` instead of the endpoint's; `pins` are SHA-256 of
    SubjectPublicKeyInfo. `judged`: a certificate that does not hold ends no handshake, its user judges it. ValueError
    says what cannot be used.
    """

    def __new__(
        cls,
        *,
        verify: bool = True,
        ca: bytes = b"",
        server_name: str = "",
        alpn: Sequence[str] = ("http/1.1",),
        certificate: Certificate | None = None,
        pins: Sequence[bytes] = (),
        minimum: int = 0x0303,
        ciphers: str = "",
        judged: bool = False,
        key_log: int = -1,
    ) -> Self: ...

class Resumption:
    """A session of an origin that can be taken up again; made by the engine."""

def library() -> str:
    """The version of OpenSSL that this process speaks TLS with: not always the one it was built against."""
