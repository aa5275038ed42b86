"""Questions to one name server over TLS (RFC 7858, RFC 8310's strict profile): encrypted, or not at all.

One connection for all questions under way, told apart by number; it is opened when something is asked and kept
until either side ends it. The server is reached at an address, so that no name must be looked up to look up
names, and must show a certificate for its name. Nothing here ever speaks without TLS.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field

#: Where DNS over TLS is spoken (RFC 7858, section 3.1), which is never port 53.
PORT = 853
#: Questions under way on one connection. More wait for nothing: they fail, as with a server that does not answer.
MAX_WAITING = 1024
#: How long a connection is kept while nothing is asked, seconds.
IDLE = 10.0


@dataclass(slots=True)
class _Line:
    """A connection, and who waits on it for which number."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    waiting: dict[int, asyncio.Future[bytes]] = field(default_factory=dict)
    last: int = 0
    heard: int = 0  # messages so far
    ended: bool = False


class SealedServer:
    """The server at `address`, whose certificate must be for `name` and come from `ca` (a PEM file) or the system's."""

    def __init__(self, address: str, port: int, name: str, ca: str | None = None) -> None:
        self.address = address
        self.port = port
        self.name = name
        self._ca = ca
        self._context: ssl.SSLContext | None = None
        self._line: _Line | None = None
        self._opening = asyncio.Lock()
        self._reading: set[asyncio.Task[None]] = set()

    async def ask(self, query: bytes) -> bytes:
        """The response to a DNS message, with the number of the query. Raises OSError; the caller bounds its time.

        A kept connection may have been ended by the server while nothing was asked (RFC 7858, section 3.4):
        what failed on it is asked once more on a new one.
        """
        line, kept = await self._connected()
        try:
            return await self._ask_on(line, query)
        except OSError:
            if not kept:
                raise
        line, _ = await self._connected()
        return await self._ask_on(line, query)

    async def close(self) -> None:
        """End the connection; who waits gets an OSError."""
        if self._line is not None:
            _end(self._line)
        tasks = list(self._reading)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self) -> tuple[_Line, bool]:
        """The connection, and whether it had been there before."""
        async with self._opening:
            if self._line is not None and not self._line.ended:
                return self._line, True
            if self._context is None:
                self._context = ssl.create_default_context(cafile=self._ca)
                self._context.minimum_version = ssl.TLSVersion.TLSv1_2
            reader, writer = await asyncio.open_connection(
                self.address, self.port, ssl=self._context, server_hostname=self.name
            )
            line = self._line = _Line(reader, writer)
            task = asyncio.create_task(_read(line), name=f"answers of {self.name}")
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)
            return line, False

    async def _ask_on(self, line: _Line, query: bytes) -> bytes:
        if line.ended or len(line.waiting) >= MAX_WAITING:
            raise ConnectionError("the connection has ended, or too much waits on it")
        number = line.last = _free(line)
        future = line.waiting[number] = asyncio.get_running_loop().create_future()
        heard = line.heard
        try:
            line.writer.write(len(query).to_bytes(2) + number.to_bytes(2) + query[2:])
            await line.writer.drain()
            message: bytes = await future
            return query[:2] + message[2:]
        except asyncio.CancelledError:
            if line.heard == heard:  # silent for all of the time that one had: the next question gets a new connection
                _end(line)
            raise
        finally:
            line.waiting.pop(number, None)


def _free(line: _Line) -> int:
    """A number that nobody waits for; those of questions that were given up come round last."""
    number = (line.last + 1) & 0xFFFF
    while number in line.waiting:
        number = (number + 1) & 0xFFFF
    return number


async def _read(line: _Line) -> None:
    """Give responses to who waits for them until the connection ends."""
    try:
        while True:
            try:
                async with asyncio.timeout(IDLE):
                    length = int.from_bytes(await line.reader.readexactly(2))
            except TimeoutError:
                if line.waiting:
                    continue
                return
            message = await line.reader.readexactly(length)
            line.heard += 1
            future = line.waiting.pop(int.from_bytes(message[:2]), None) if length >= 12 else None
            if future is not None and not future.done():
                future.set_result(message)
    except (OSError, EOFError):
        pass  # the end, which those who wait are told
    finally:
        _end(line)


def _end(line: _Line) -> None:
    line.ended = True
    line.writer.close()
    for future in line.waiting.values():
        if not future.done():
            future.set_exception(ConnectionResetError("the name server has ended the connection"))
    line.waiting.clear()
