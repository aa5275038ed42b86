"""Questions to one name server over TLS or HTTPS (RFC 7858, RFC 8484): encrypted, or not at all.

RFC 8310's strict profile: the server is reached at an address, so that no name must be looked up to look up names,
and must show a certificate for its name. Nothing here ever speaks without TLS. There is one connection for all
questions under way, as RFC 7766 (section 6.2.2) asks of clients; it is opened when something is asked and kept until
either side ends it.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING

from limen.egress.sealed_line import Line, LineEnded, Reply
from limen.egress.sealed_tls import TlsLine

if TYPE_CHECKING:
    from limen.config.models.resolver import Resolver as Settings
    from limen.config.name_servers import NameServer

#: Where DNS over TLS is spoken (RFC 7858, section 3.1), which is never port 53.
PORT = 853
#: How long a connection is kept while nothing is asked, seconds.
IDLE = 10.0
#: How long opening one may take, all addresses together. Who asks waits no longer than its own time.
DIAL = 5.0
#: How long others are asked first after a failure.
SHUNNED = 10.0
#: Time between two lines in the log about one server that fails for one reason.
REPEATED = 60.0

_CLOSED = "the resolver is closed"

_log = logging.getLogger("limen.resolver")


class SealedServer:
    """The server at one of `addresses`, whose certificate must be for `name`.

    The certificate must come from `ca` (a PEM file) or the system's authorities. With `path` the server is asked over
    HTTPS. `label` is what the log calls it.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        port: int,
        name: str,
        ca: str | None = None,
        *,
        path: str = "",
        idle: float = IDLE,
        label: str = "",
    ) -> None:
        self.addresses = tuple(addresses)
        self.port = port
        self.name = name
        self.path = path
        self._ca = ca
        self._idle = idle
        self._label = label or f"{name} at {self.addresses[0]}"
        self._context: ssl.SSLContext | None = None
        self._line: Line | None = None
        self._dialling: asyncio.Task[OSError | None] | None = None
        self._change: asyncio.Future[None] | None = None
        self._closed = False
        self._shunned = float("-inf")
        self._told: tuple[str, float] | None = None  # the reason of the last failure, and when the log had it

    @property
    def failing(self) -> bool:
        """Whether it has failed just now, so that others are asked first."""
        return asyncio.get_running_loop().time() < self._shunned

    async def ask(self, query: bytes) -> Reply:
        """The answer to a DNS message, with the number of the query. Raises OSError; the caller bounds its time.

        A kept connection may have been ended by the server while nothing was asked (RFC 7858, section 3.4):
        what failed on it is asked once more on a new one.
        """
        heard = -1
        line = None
        try:
            line, kept = await self._ready()
            heard = line.heard
            try:
                reply = await line.ask(query)
            except LineEnded:
                if not kept:
                    raise
                line, _ = await self._ready()
                heard = line.heard
                reply = await line.ask(query)
        except OSError as error:
            self._failed(_reason(error))
            raise
        except asyncio.CancelledError:
            if line is None or line.heard == heard:
                self._failed("no answer in time")
            raise
        self._works()
        return reply

    def end(self) -> None:
        """End the connection, for good; who waits gets an OSError, and the log gets nothing more."""
        self._closed = True
        if self._line is not None:
            self._line.end(_CLOSED)
        if self._dialling is not None:
            self._dialling.cancel()

    async def close(self) -> None:
        """`end`, and wait until nothing is under way."""
        self.end()
        if self._dialling is not None:
            await asyncio.wait([self._dialling])
        if self._line is not None:
            self._line.end(_CLOSED)  # if it was opened just now
            await self._line.over()

    async def _ready(self) -> tuple[Line, bool]:
        """The connection, with room for a question, and whether it had been there before."""
        kept = True
        while not self._closed:
            line = self._line
            if line is not None and line.room > 0:
                return line, kept
            if line is not None and not line.ended:
                await self._room(line)
            elif kept:
                kept = False
                if self._dialling is None:
                    self._dialling = asyncio.create_task(self._dial(), name=f"dial {self._label}")
                failure = await asyncio.shield(self._dialling)
                if failure is not None:
                    raise failure
            else:  # it was opened just now
                raise LineEnded(line.ended if line is not None else _CLOSED)
        raise LineEnded(_CLOSED)

    async def _room(self, line: Line) -> None:
        """Wait until there may be room, or the line has ended."""
        if self._change is None:
            self._change = asyncio.get_running_loop().create_future()
        try:
            await asyncio.shield(self._change)
        except asyncio.CancelledError:
            if not line.heard:  # not even what a server says first
                line.end("it does not answer")
            raise

    def _changed(self) -> None:
        change, self._change = self._change, None
        if change is not None and not change.done():
            change.set_result(None)

    async def _dial(self) -> OSError | None:
        """Opens the connection, for all who wait: at the address that worked last, then at the others in turn."""
        try:
            if self._context is None:
                self._context = ssl.create_default_context(cafile=self._ca)
                self._context.minimum_version = ssl.TLSVersion.TLSv1_2
                if self.path:
                    self._context.set_alpn_protocols(["h2"])
            failure: OSError = ConnectionError("no address")
            for address in self.addresses:
                try:
                    async with asyncio.timeout(DIAL / len(self.addresses)):
                        _, line = await asyncio.get_running_loop().create_connection(
                            self._made, address, self.port, ssl=self._context, server_hostname=self.name
                        )
                except OSError as error:
                    failure = error
                    continue
                self._line = line
                self.addresses = (address, *(other for other in self.addresses if other != address))
                return LineEnded(line.ended) if line.ended else None
            return failure
        except OSError as error:  # authorities that cannot be read
            return error
        except asyncio.CancelledError:
            if not self._closed:
                raise
            return LineEnded(_CLOSED)
        finally:
            self._dialling = None

    def _made(self) -> Line:
        if not self.path:
            return TlsLine(self._idle, self._changed)
        from limen.egress.sealed_https import HttpsLine

        host = f"[{self.name}]" if ":" in self.name else self.name
        authority = host if self.port == 443 else f"{host}:{self.port}"
        return HttpsLine(self._idle, self._changed, authority=authority, path=self.path)

    # What the log says: that it fails and why, now and then while it does, and that it works again

    def _failed(self, reason: str) -> None:
        if self._closed:
            return
        now = asyncio.get_running_loop().time()
        self._shunned = now + SHUNNED
        if self._told is None or self._told[0] != reason or now - self._told[1] >= REPEATED:
            self._told = (reason, now)
            _log.warning("name server %s fails: %s", self._label, reason)

    def _works(self) -> None:
        self._shunned = float("-inf")
        if self._told is not None:
            self._told = None
            _log.info("name server %s answers again", self._label)


def sealed_servers(settings: Settings) -> list[SealedServer]:
    """The servers of a section of the configuration that are not asked in the clear: all of them, or none."""
    tls = settings.tls
    made = []
    for server in settings.servers:
        name = server.name or (tls.name if tls is not None else None)
        if name is None:
            continue
        made.append(
            SealedServer(
                settings.bootstrap.get(server.address.host, (server.address.host,)),
                _port(server),
                name,
                tls.ca if tls is not None else None,
                path=server.path,
                idle=tls.idle if tls is not None else IDLE,
                label=server.label if server.kind != "plain" else f"{name} at {server.address.host}",
            )
        )
    return made


def _port(server: NameServer) -> int:
    # 53 is what no port means for a plain address
    return PORT if server.kind == "plain" and server.address.port == 53 else server.address.port


def _reason(error: OSError) -> str:
    """For people, of what a dial or a question failed with."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    return error.strerror or str(error) or type(error).__name__
