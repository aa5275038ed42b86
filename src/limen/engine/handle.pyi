"""What hooks see and do, in terms of the parked exchange: the engine's limen.exchange.Handle."""

from collections.abc import Callable
from typing import Self

from limen.engine.exchange import Exchange

class ExchangeHandle:
    """One parked exchange. After its end everything written is ignored, and reads raise LookupError.

    Texts of heads are Latin-1, as the bytes came.
    """

    def __new__(cls, exchange: Exchange) -> Self: ...
    @property
    def is_response(self) -> bool:
        """Whether it is parked with a response."""

    @property
    def hooks(self) -> list[object]:
        """What the action has for the phase it is parked in."""

    @property
    def state(self) -> object:
        """What keep_state() kept, or None."""

    def keep_state(self, state: object) -> None:
        """Keep an object with the exchange; its ended() is called when the exchange ends."""

    def client(self) -> tuple[str, int]:
        """Address and port of the client, after PROXY protocol and trusted forwarded fields."""

    def tls(
        self,
    ) -> tuple[str, str, str, str, bool, str, tuple[str, str, str, str, list[str], bytes] | None] | None:
        """Version, cipher, server name, protocol, resumed, JA4 and certificate (subject, issuer, serial, fingerprint,
        alternative names, DER) of the client's TLS; None without.
        """

    def place(self) -> tuple[str, str, int, str] | None:
        """Country, continent, AS number and region of the client (empty or 0: unknown); None where nothing is known."""

    def identity(self) -> tuple[str, tuple[str, ...]] | None:
        """Name and groups of who the exchange is for; None if that is not known."""

    def names(self) -> tuple[str, str]:
        """Names of the listener and of the route ("" on a forward listener)."""

    def target(self) -> tuple[str, int] | None:
        """Host and port the exchange goes to; None when an upstream is chosen instead."""

    def request_head(self) -> tuple[str, str, str, str, list[tuple[str, str]]]:
        """Method, target, authority (host[:port]), version ("1.1") and fields of the request."""

    def response_head(self) -> tuple[int, str, list[tuple[str, str]]]:
        """Status, version and fields of the response it is parked with."""

    async def read_body(self, limit: int) -> bytes:
        """The whole content of the phase's message. BodyTooLarge above `limit` bytes."""

    def collect(self, limit: int, waiter: Callable[[bytes | None], object]) -> None:
        """Have `waiter` called with the whole content, or None if it is longer than `limit` or breaks off."""

    def replace_request(self, method: str, target: str, authority: str, fields: list[tuple[str, str]] | None) -> None:
        """Another head for the request; `fields` None: as they are. ValueError if no client could send it."""

    def replace_response(self, status: int, fields: list[tuple[str, str]] | None) -> None:
        """Another head for the response; `fields` None: as they are. ValueError if no origin could send it."""

    def set_target(self, host: str, port: int) -> None:
        """Send the exchange there instead. ValueError if `host` is neither a name nor an address."""

    def set_body(self, body: bytes) -> None:
        """Other content for the phase's message."""

    def reply(self, status: int, fields: list[tuple[str, str]], body: bytes) -> None:
        """Answer the client so; nothing (more) comes from the origin. Ends the exchange."""

    def conclude(self, fault: int) -> None:
        """The hooks have ended: go on (0), or answer with this fault."""

    def let_go(self) -> None:
        """Drop the exchange: it has ended."""
