"""What a forward listener opens TLS with."""

from collections.abc import Sequence
from typing import Protocol, Self

from limen.engine.identity import Identity
from limen.engine.look import Look
from limen.engine.tls.contexts import ClientContext, ServerContext

class _Gate(Protocol):
    """Who decides on bridging. Verdicts: 0 pass, 1 look, 2 bridge, 3 refuse, 4 refuse because names disagree.

    What a method raises is told, and the connection refused.
    """

    def connect(self, client: str, host: str, port: int, identity: Identity | None, /) -> int:
        """At CONNECT: pass, look or refuse."""

    def hello(
        self,
        client: str,
        host: str,
        port: int,
        name: str,
        protocols: Sequence[str],
        message: bytes | None,
        identity: Identity | None,
        /,
    ) -> int:
        """At the client hello: pass, bridge or refuse. `message` is the handshake message; None: this is no TLS."""

    def certificate(
        self, look: Look, client: str, host: str, port: int, name: str, der: bytes, verdict: int, asked: bool, /
    ) -> None:
        """At the origin's certificate: has to call `look.conclude()`, now or later.

        `der` is empty if the handshake failed; `verdict` is libcrypto's X509_V_* code; `asked`: the origin wants a
        certificate of the client.
        """

    def rejected(self, client: str, name: str, alert: int, /) -> None:
        """A client has ended the handshake with its leaf by this alert (RFC 8446, 6)."""

class Bridge:
    """`client` must be judged; `handshake_timeout` in seconds bounds the handshake with the origin."""

    def __new__(
        cls,
        gate: _Gate,
        *,
        server: ServerContext,
        client: ClientContext,
        handshake_timeout: float = 10.0,
        same_host: bool = True,
    ) -> Self: ...
    @property
    def gate(self) -> _Gate: ...

class Bridged:
    """Where a connection goes whose TLS was bridged; made by the engine."""
