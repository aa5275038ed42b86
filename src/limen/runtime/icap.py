"""Asking ICAP services: connections that are kept, and the hooks through which exchanges pass on their way.

A service lives as long as its configuration is the same, across reloads, with its connections and what it said of
itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar

from limen.errors import BodyTooLarge
from limen.exchange import icap
from limen.exchange.hooks import Hook
from limen.exchange.icap import AdaptationFailed, Answer, Head, Terms
from limen.terms import Phase

if TYPE_CHECKING:
    from limen.config.models.icap import Icap, IcapService
    from limen.exchange.exchange import Exchange, Request, Response

_logger = logging.getLogger("limen.icap")
# What a service says of itself holds at most this long, seconds; a service that is changed is noticed then.
_LONGEST_TERMS = 300.0
# A kept connection is not used again after this time, seconds: services close theirs after a minute or so.
_LONGEST_IDLE = 30.0
# Ended by the service's own time limit, and by the engine's for slow content; this is only a bound, seconds.
_LONGEST_RUN = 86_400.0
# One line of the log per service and kind of trouble in this time, seconds.
_LOG_INTERVAL = 1.0
# Content is sent in pieces of this size, bytes.
_PIECE = 64 * 1024
# Fields of a connection, and of framing: the service must not believe in them, nor may it change them.
_OURS = frozenset(
    ("connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "upgrade", "transfer-encoding",
     "content-length", "trailer", "expect")
)  # fmt: skip

T = TypeVar("T")
Method = Literal["REQMOD", "RESPMOD"]
Adapted = tuple[dict[str, Head], bytes | None]
"""Heads by section, and the content; None where there is none."""


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.since = time.monotonic()
        self.used = False

    def is_fresh(self) -> bool:
        """Whether it can be tried again."""
        idle = time.monotonic() - self.since
        return idle < _LONGEST_IDLE and not self.reader.at_eof() and not self.writer.is_closing()

    def close(self) -> None:
        self.writer.close()


class _Lost(Exception):
    """A kept connection was closed by the service before it answered: another one is tried."""


class IcapClient:
    """One service, as this worker asks it."""

    def __init__(self, name: str, service: IcapService) -> None:
        self.name = name
        self.service = service
        self._slots = asyncio.Semaphore(service.connections)
        self._idle: list[_Connection] = []
        self._terms: Terms | None = None
        self._terms_end = 0.0
        self._asking = asyncio.Lock()
        self._logged: dict[str, float] = {}

    async def adapt(
        self, method: Method, heads: Sequence[tuple[str, bytes]], content: bytes, fields: Sequence[tuple[str, str]]
    ) -> Adapted | None:
        """What the service makes of a message; None: it stays as it is. Raises AdaptationFailed."""
        try:
            async with asyncio.timeout(self.service.timeout), self._slots:
                terms = await self._ask_terms()
                if terms.methods and method not in terms.methods:
                    raise AdaptationFailed(f"it does {', '.join(sorted(terms.methods))}, not {method}")
                return await self._on_connection(lambda one: self._adapt_on(one, terms, method, heads, content, fields))
        except TimeoutError:
            raise AdaptationFailed(f"no answer within {self.service.timeout:g} s") from None
        except OSError as error:
            raise AdaptationFailed(error.strerror or str(error) or type(error).__name__) from error

    async def _ask_terms(self) -> Terms:
        async with self._asking:
            if self._terms is None or time.monotonic() >= self._terms_end:
                self._terms = await self._on_connection(self._options_on)
                self._terms_end = time.monotonic() + self._terms.lifetime
            return self._terms

    async def _on_connection(self, use: Callable[[_Connection], Awaitable[tuple[T, bool]]]) -> T:
        while True:
            connection = await self._connect()
            try:
                result, kept = await use(connection)
            except _Lost:
                connection.close()
                continue
            except BaseException:
                connection.close()
                raise
            if kept:
                connection.used, connection.since = True, time.monotonic()
                self._idle.append(connection)
            else:
                connection.close()
            return result

    async def _connect(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_fresh():
                return connection
            connection.close()
        host, port = self.service.place
        return _Connection(*await asyncio.open_connection(host, port, limit=icap.LONGEST_HEAD))

    async def _options_on(self, connection: _Connection) -> tuple[Terms, bool]:
        connection.writer.write(icap.options(self.service.url, self.service.authority))
        answer = await _read_answer(connection)
        await _read_heads(connection, answer)
        if answer.has_body:
            await _read_body(connection, self.service.body)
        return icap.read_terms(answer, longest=_LONGEST_TERMS), answer.is_kept

    async def _adapt_on(
        self,
        connection: _Connection,
        terms: Terms,
        method: Method,
        heads: Sequence[tuple[str, bytes]],
        content: bytes,
        fields: Sequence[tuple[str, str]],
    ) -> tuple[Adapted | None, bool]:
        preview = terms.preview if self.service.preview and content else None
        head = icap.adaptation(
            method,
            self.service.url,
            self.service.authority,
            heads=heads,
            has_body=bool(content),
            preview=preview,
            fields=fields,
        )
        first, last = content, icap.LAST_CHUNK
        if preview is not None:
            first = content[:preview]
            last = icap.LAST_OF_ALL if len(content) <= preview else icap.LAST_CHUNK
        # a service may answer before it has read all: whoever only sent would wait for one that only sends
        sending = asyncio.ensure_future(_send(connection, head, first, last if content else b""))
        try:
            answer = await _read_answer(connection)
            if answer.status == 100 and preview is not None and len(content) > preview:
                await sending
                sending = asyncio.ensure_future(_send(connection, b"", content[preview:], icap.LAST_CHUNK))
                answer = await _read_answer(connection)
            result = await self._read_result(connection, answer)
            return result, answer.is_kept and sending.done() and sending.exception() is None
        finally:
            if not sending.done():
                sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await sending

    async def _read_result(self, connection: _Connection, answer: Answer) -> Adapted | None:
        if answer.status == 204:
            return None
        if answer.status != 200:
            raise AdaptationFailed(f"it answers with {answer.status}")
        if not answer.sections:
            raise AdaptationFailed("it answers with 200 and without Encapsulated")
        heads = icap.split_heads(answer, await _read_heads(connection, answer))
        return heads, await _read_body(connection, self.service.body) if answer.has_body else None

    def tell(self, kind: str, text: str) -> None:
        """A line of the log, not more often than one each second for each kind."""
        now = time.monotonic()
        if now - self._logged.get(kind, float("-inf")) >= _LOG_INTERVAL:
            self._logged[kind] = now
            _logger.warning("icap service %s: %s", self.name, text)

    def close(self) -> None:
        """Nobody asks any more: let its kept connections go."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()


async def _send(connection: _Connection, head: bytes, content: bytes, end: bytes) -> None:
    writer = connection.writer
    writer.write(head)
    for at in range(0, len(content), _PIECE):
        writer.write(icap.chunk(content[at : at + _PIECE]))
        await writer.drain()
    writer.write(end)
    await writer.drain()


async def _read_answer(connection: _Connection) -> Answer:
    try:
        head = await connection.reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise AdaptationFailed(f"the head of its answer is larger than {icap.LONGEST_HEAD} bytes") from None
    except asyncio.IncompleteReadError as error:
        if connection.used and not error.partial:
            raise _Lost from None
        raise AdaptationFailed("it closes the connection instead of answering") from None
    except ConnectionError as error:
        if connection.used:
            raise _Lost from error
        raise
    return icap.read_answer(head)


async def _read_heads(connection: _Connection, answer: Answer) -> bytes:
    return await _exactly(connection, answer.heads_size)


async def _exactly(connection: _Connection, size: int) -> bytes:
    try:
        return await connection.reader.readexactly(size)
    except asyncio.IncompleteReadError:
        raise AdaptationFailed("it closes the connection within its answer") from None


async def _line(connection: _Connection) -> bytes:
    try:
        return (await connection.reader.readuntil(b"\r\n"))[:-2]
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        raise AdaptationFailed("a chunk of its answer is malformed") from None


async def _read_body(connection: _Connection, most: int) -> bytes:
    content = bytearray()
    while size := icap.chunk_size(await _line(connection)):
        if len(content) + size > most:
            raise AdaptationFailed(f"its answer has more than {most} bytes")
        content += await _exactly(connection, size)
        if await _line(connection):
            raise AdaptationFailed("a chunk of its answer is longer than it says")
    while await _line(connection):
        pass
    return bytes(content)


class Adapters:
    """The services of a worker, by name."""

    def __init__(self) -> None:
        self._clients: dict[str, IcapClient] = {}

    def take(self, services: Mapping[str, IcapService]) -> None:
        """Keep those that are the same, let the others go."""
        before, self._clients = self._clients, {}
        for name, service in services.items():
            known = before.pop(name, None)
            if known is not None and known.service != service:
                known.close()
                known = None
            self._clients[name] = known or IcapClient(name, service)
        for client in before.values():
            client.close()

    def hooks(self, wanted: Icap | None, services: Mapping[str, IcapService]) -> list[Hook]:
        """What makes exchanges pass these services, in order."""
        if wanted is None:
            return []
        places: list[tuple[Phase, Iterable[str]]] = [
            (Phase.REQUEST, wanted.request),
            (Phase.RESPONSE, wanted.response),
        ]
        return [
            Hook(
                reference=f"icap:{name}",
                function=_Passage(self, name, phase),
                phase=phase,
                body=services[name].body,
                is_coroutine=True,
                timeout=_LONGEST_RUN,
            )
            for phase, names in places
            for name in names
        ]

    def client(self, name: str) -> IcapClient:
        """The service in force of this name. Raises AdaptationFailed when there is none any more."""
        client = self._clients.get(name)
        if client is None:
            raise AdaptationFailed(f"the service {name} is gone")
        return client


class _Passage:
    """A hook: one phase of an exchange passes one service."""

    def __init__(self, adapters: Adapters, name: str, phase: Phase) -> None:
        self._adapters = adapters
        self._name = name
        self._phase = phase

    async def __call__(self, exchange: Exchange) -> None:
        client = self._adapters.client(self._name)
        message = exchange.response if self._phase is Phase.RESPONSE else exchange.request
        try:
            content = await message.read()
        except BodyTooLarge:
            if client.service.larger == "refuse":
                raise
            client.tell("larger", f"content over {client.service.body} bytes passes unexamined")
            return
        fields = [("X-Client-IP", exchange.client[0])] if client.service.client_address else []
        try:
            if self._phase is Phase.REQUEST:
                adapted = await client.adapt("REQMOD", [("req-hdr", _request_head(exchange))], content, fields)
            else:
                heads = [("req-hdr", _request_head(exchange)), ("res-hdr", _response_head(exchange))]
                adapted = await client.adapt("RESPMOD", heads, content, fields)
            if adapted is not None:
                _take(exchange, self._phase, adapted)
        except AdaptationFailed as error:
            if client.service.failure == "refuse":
                client.tell("failure", f"{error}; messages are refused")
                raise
            client.tell("failure", f"{error}; messages pass unexamined")


def _sent(fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in fields if name.lower() not in _OURS]


def _request_head(exchange: Exchange) -> bytes:
    request = exchange.request
    target = request.target
    if target.startswith("/"):
        target = f"{'https' if exchange.tls else 'http'}://{request.host}{target}"
    fields = [("Host", request.host), *((name, value) for name, value in request.fields.items() if name != "Host")]
    return icap.message_head(f"{request.method} {target} HTTP/1.1", _sent(fields))


def _response_head(exchange: Exchange) -> bytes:
    response = exchange.response
    return icap.message_head(f"HTTP/1.1 {response.status} Status", _sent(response.fields.items()))


def _take(exchange: Exchange, phase: Phase, adapted: Adapted) -> None:
    try:
        _apply(exchange, phase, *adapted)
    except ValueError as error:
        raise AdaptationFailed(f"what it makes of the message cannot be sent: {error}") from None


def _apply(exchange: Exchange, phase: Phase, heads: dict[str, Head], content: bytes | None) -> None:
    """Do to the exchange what the service has answered."""
    response = heads.get("res-hdr")
    if response is not None and phase is Phase.REQUEST:
        exchange.reply(response.status, content or b"", _sent(response.fields))
        return
    message: Request | Response
    if response is not None:
        message, head = exchange.response, response
        exchange.response.status = response.status
    elif "req-hdr" in heads and phase is Phase.REQUEST:
        message, head = exchange.request, heads["req-hdr"]
        if exchange.request.method == "CONNECT":
            return
        exchange.request.method = head.method
        _retarget(exchange.request, head)
    else:
        raise AdaptationFailed("it answers without the head of the message")
    message.fields.replace((name, value) for name, value in _sent(head.fields) if name.lower() != "host")
    if content is not None or message.body:
        message.body = content or b""


def _retarget(request: Request, head: Head) -> None:
    """Path and query of the adapted request; it goes to the same place as before."""
    path = head.target
    if "://" in path:
        rest = path.partition("://")[2]
        at = rest.find("/")
        path = rest[at:] if at >= 0 else "/"
    if path != "*":
        request.path, _, request.query = path.partition("?")
