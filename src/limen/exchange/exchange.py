"""What a hook receives: the exchange, its request and its response.

Everything is read from the engine when first looked at. Edits are checked at once and handed over together
when the hooks of a phase have ended without an error: a hook that fails has changed nothing.
"""
# ruff: noqa: SLF001 - an exchange and its messages are one thing in three classes; their hidden names are hidden from hooks

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from limen.errors import LimenError
from limen.exchange.encryption import ClientTls, TlsFacts
from limen.exchange.fields import Fields
from limen.exchange.identity import Named
from limen.terms import Phase

_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
_TARGET = re.compile(r"(?:/|https?://[A-Za-z0-9._:\[\]-]+(?=[/?]|\Z))[!-\"$-~]*")
_QUERY = re.compile(r"[!-\"$-~]*")
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")

MAX_TARGET = 32 * 1024


class BodyUndeclared(LimenError):
    """A hook asked for content without `@limen.hook(..., body=BYTES)`."""


class Handle(Protocol):
    """What the engine offers for one exchange. Texts of heads are Latin-1, as the bytes came.

    A handle whose exchange has ended ignores what it is told; its reads raise LookupError.
    """

    def client(self) -> tuple[str, int]:
        """Address and port of the client, after PROXY protocol and trusted forwarded fields."""

    def tls(self) -> TlsFacts | None:
        """What is known of the client's TLS; None without."""

    def place(self) -> tuple[str, str, int, str] | None:
        """Country, continent, AS number and region of the client (empty or 0: unknown); None where nothing is known."""

    def identity(self) -> tuple[str, tuple[str, ...]] | None:
        """Name and groups of who the exchange is for; None if that is not known."""

    def names(self) -> tuple[str, str]:
        """Names of the listener and of the route ("" before there is one)."""

    def target(self) -> tuple[str, int] | None:
        """Host and port the exchange goes to; None when an upstream is chosen instead."""

    def request_head(self) -> tuple[str, str, str, str, list[tuple[str, str]]]:
        """Method, target, authority (host[:port]), version ("1.1") and fields of the request."""

    def response_head(self) -> tuple[int, str, list[tuple[str, str]]]:
        """Status, version and fields of the response; called in phases that have one."""

    async def read_body(self, limit: int) -> bytes:
        """The whole decoded-framing content of the phase's message. BodyTooLarge above `limit` bytes, BodyTruncated.
        It is sent on as usual unless replaced; a second call gives the same bytes.
        """

    def replace_request(self, method: str, target: str, authority: str, fields: list[tuple[str, str]] | None) -> None:
        """Use this head instead; `fields` None: unchanged. Hop-by-hop and framing fields stay the engine's."""

    def replace_response(self, status: int, fields: list[tuple[str, str]] | None) -> None:
        """Use this head instead; likewise."""

    def set_target(self, host: str, port: int) -> None:
        """Go there. The engine applies its rules for targets to it as to any other."""

    def set_body(self, body: bytes) -> None:
        """Send this content instead of the message's own, with a new length."""

    def reply(self, status: int, fields: list[tuple[str, str]], body: bytes) -> None:
        """Answer so, instead of going on (request) or instead of the origin's response (response)."""


class _Message:
    """What a request and a response have in common: fields and content."""

    def __init__(self, handle: Handle, fields: list[tuple[str, str]]) -> None:
        self._handle = handle
        self._limit = 0
        self._content: bytes | None = None
        self._replacement: bytes | None = None
        self.fields = Fields(fields)

    async def read(self) -> bytes:
        """The whole content, as it is sent (a Content-Encoding is not undone).

        Only for hooks that declared a bound. Raises BodyTooLarge above it, BodyUndeclared without one,
        BodyTruncated when the origin breaks off.
        """
        if self._replacement is not None:
            return self._replacement
        if self._content is None:
            if not self._limit:
                raise BodyUndeclared("declare the content's bound: @limen.hook(..., body=BYTES)")
            self._content = await self._handle.read_body(self._limit)
        return self._content

    @property
    def body(self) -> bytes:
        """The content, which a plain function with a declared bound finds read already. Assign bytes to replace it;
        Content-Length follows, other fields that describe it (Content-Encoding, ETag, digests) are the hook's to mend.
        """
        if self._replacement is not None:
            return self._replacement
        if self._content is None:
            raise BodyUndeclared("not read: await read(), or declare it: @limen.hook(..., body=BYTES)")
        return self._content

    @body.setter
    def body(self, content: bytes) -> None:
        self._replacement = _content(content)

    def _allow(self, limit: int) -> None:
        self._limit = limit


@dataclass(frozen=True, slots=True)
class Place:
    """Where a client is; None for what is not known."""

    country: str | None
    """Two letters, as in ISO 3166: `DE`."""
    continent: str | None
    """Two letters: AF, AN, AS, EU, NA, OC, SA."""
    asn: int | None
    """Number of the autonomous system that its address belongs to."""
    region: str | None
    """A name of the configuration's own."""


class Request(_Message):
    """The request of an exchange. May be edited in the phase `request`; later edits go nowhere."""

    def __init__(self, handle: Handle) -> None:
        self._method, self._target, self._host, self.version, fields = handle.request_head()
        self._original = (self._method, self._target, self._host)
        super().__init__(handle, fields)

    @property
    def method(self) -> str:
        """The method, case-sensitive. CONNECT can be neither set nor changed."""
        return self._method

    @method.setter
    def method(self, method: str) -> None:
        if not _METHOD.fullmatch(method):
            raise ValueError(f"{method!r} is not a method")
        if "CONNECT" in (method, self._method) and method != self._method:
            raise ValueError("a request cannot be turned into CONNECT, nor CONNECT into another")
        self._method = method

    @property
    def target(self) -> str:
        """The request-target as it came: /path?query, http://host/path?query, host:port (CONNECT) or *."""
        return self._target

    @target.setter
    def target(self, target: str) -> None:
        if self._method == "CONNECT":
            raise ValueError("the target of CONNECT is changed by exchange.target")
        if not (_TARGET.fullmatch(target) or (target == "*" and self._method == "OPTIONS")):
            raise ValueError(f"{target!r} is not a target: write /path?query in percent-encoded ASCII")
        if len(target) > MAX_TARGET:
            raise ValueError(f"a target of {len(target)} bytes is over {MAX_TARGET}")
        self._target = target

    @property
    def path(self) -> str:
        """The target's path as it came, percent-encoded; "/" for a URL without one, "" for CONNECT, "*" for *."""
        return self._split()[1]

    @path.setter
    def path(self, path: str) -> None:
        if not path.startswith("/") or "?" in path:
            raise ValueError(f"{path!r} is not a path: it begins with / and has no query")
        origin, _, query = self._split()
        self.target = origin + path + ("" if query is None else "?" + query)

    @property
    def query(self) -> str:
        """The target's query, without "?" and as it came; "" if there is none."""
        return self._split()[2] or ""

    @query.setter
    def query(self, query: str) -> None:
        if not _QUERY.fullmatch(query):
            raise ValueError(f"{query!r} is not a query: write it in percent-encoded ASCII")
        origin, path, _ = self._split()
        self.target = origin + path + ("?" + query if query else "")

    @property
    def host(self) -> str:
        """Host and port as the client wrote them: of the target, otherwise of the field Host."""
        return self._host

    @host.setter
    def host(self, host: str) -> None:
        if not _HOST.fullmatch(host):
            raise ValueError(f"{host!r} is not a host with an optional port")
        self._host = host

    def _split(self) -> tuple[str, str, str | None]:
        """Scheme with authority, path, query."""
        target = self._target
        if self._method == "CONNECT":
            return target, "", None
        origin = ""
        if not target.startswith("/") and "://" in target:
            end = next((at for at in range(target.index("://") + 3, len(target)) if target[at] in "/?"), len(target))
            origin, target = target[:end], target[end:]
        path, mark, query = target.partition("?")
        return origin, path or "/", query if mark else None

    def _apply(self) -> None:
        now = (self._method, self._target, self._host)
        if now != self._original or self.fields.changed:
            self._handle.replace_request(*now, self.fields.items() if self.fields.changed else None)
            self._original = now
            self.fields = Fields(self.fields.items())
        if self._replacement is not None:
            self._handle.set_body(self._replacement)
            self._content, self._replacement = self._replacement, None


class Response(_Message):
    """The response of an exchange, in the phase `response`, where it may be edited."""

    def __init__(self, handle: Handle) -> None:
        self._status, self.version, fields = handle.response_head()
        self._original = self._status
        super().__init__(handle, fields)

    @property
    def status(self) -> int:
        """The status, 200 to 599."""
        return self._status

    @status.setter
    def status(self, status: int) -> None:
        self._status = _status(status)

    def _apply(self) -> None:
        if self._status != self._original or self.fields.changed:
            self._handle.replace_response(self._status, self.fields.items() if self.fields.changed else None)
            self._original = self._status
            self.fields = Fields(self.fields.items())
        if self._replacement is not None:
            self._handle.set_body(self._replacement)
            self._content, self._replacement = self._replacement, None


class Exchange:
    """One request and its responses on their way through Limen.

    A hook sees the same object in all phases of an exchange; `state` is its own space in it.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._phase = Phase.REQUEST
        self._request: Request | None = None
        self._response: Response | None = None
        self._target: tuple[str, int] | None = None
        self._tls: ClientTls | None = None
        self._reply: tuple[int, list[tuple[str, str]], bytes] | None = None
        #: Whatever hooks want to remember until the exchange ends.
        self.state: dict[str, Any] = {}

    @property
    def phase(self) -> Phase:
        """The phase in which the hook runs."""
        return self._phase

    @property
    def request(self) -> Request:
        """The request."""
        if self._request is None:
            self._request = Request(self._handle)
        return self._request

    @property
    def response(self) -> Response:
        """The response; AttributeError before there is one."""
        if self._phase is not Phase.RESPONSE:
            raise AttributeError(f"there is no response in the phase {self._phase}")
        if self._response is None:
            self._response = Response(self._handle)
        return self._response

    @property
    def client(self) -> tuple[str, int]:
        """Address and port of the client."""
        return self._handle.client()

    @property
    def place(self) -> Place | None:
        """Where the client is, as `places` of the configuration tell it; None where they know nothing of it."""
        facts = self._handle.place()
        if facts is None or not any(facts):
            return None
        country, continent, asn, region = facts
        return Place(country or None, continent or None, asn or None, region or None)

    @property
    def tls(self) -> ClientTls | None:
        """The client's TLS as far as it ends here: version, cipher, names, certificate; None on a plain connection."""
        if self._tls is None:
            facts = self._handle.tls()
            self._tls = ClientTls.of(facts) if facts is not None else None
        return self._tls

    @property
    def identity(self) -> Named | None:
        """Who it is for: name and groups; None where nobody was asked, or nobody said."""
        found = self._handle.identity()
        return Named(*found) if found is not None else None

    @property
    def listener(self) -> str:
        """Name of the listener it came in by."""
        return self._handle.names()[0]

    @property
    def route(self) -> str:
        """Name of the route; "" on a forward listener."""
        return self._handle.names()[1]

    @property
    def target(self) -> tuple[str, int] | None:
        """Host and port it goes to; None where an upstream chooses the endpoint. In the phase `request` it may be
        set; private and special addresses are refused as for any other target.
        """
        return self._target or self._handle.target()

    @target.setter
    def target(self, target: tuple[str, int]) -> None:
        if self._phase is not Phase.REQUEST:
            raise ValueError(f"the target is fixed in the phase {self._phase}")
        host, port = target
        host = host.removeprefix("[").removesuffix("]")
        if not _NAME.fullmatch(host):
            raise ValueError(f"{host!r} is neither a name nor an address")
        if type(port) is not int or not 0 < port < 65536:
            raise ValueError(f"{port!r} is not a port between 1 and 65535")
        self._target = (host, port)

    def reply(
        self,
        status: int,
        body: bytes | str = b"",
        fields: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    ) -> None:
        """Answer the client so; later hooks do not run, and nothing (more) comes from the origin.

        A `str` body is sent as UTF-8, with a Content-Type of text/plain unless `fields` has one.
        """
        checked = Fields.checked(fields)
        if isinstance(body, str):
            body = body.encode()
            if "content-type" not in checked:
                checked.add("Content-Type", "text/plain; charset=utf-8")
        self._reply = (_status(status), checked.items(), _content(body))

    @property
    def replied(self) -> bool:
        """Whether a hook has answered."""
        return self._reply is not None

    def __repr__(self) -> str:
        request = f"{self.request.method} {self.request.path}"  # without the query: it is for logs
        return f"<Exchange {request} in {self._phase}{', replied' if self.replied else ''}>"

    # For the chain that runs the hooks, not for hooks.

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._reply = None

    def _message(self) -> _Message:
        return self.response if self._phase is Phase.RESPONSE else self.request

    def _apply(self) -> None:
        """Hand the phase's edits over to the engine."""
        if self._reply is not None:
            self._handle.reply(*self._reply)
            return
        if self._phase is Phase.RESPONSE:
            if self._response is not None:
                self._response._apply()
            return
        if self._request is not None:
            self._request._apply()
        if self._target is not None:
            self._handle.set_target(*self._target)
            self._target = None


def _status(status: object) -> int:
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise ValueError(f"{status!r} is not a final status, 200 to 599")
    return int(status)


def _content(content: bytes) -> bytes:
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise TypeError(f"content must be bytes, not {type(content).__name__}")
    return bytes(content)
