"""One encrypted connection to a name server, with the questions under way on it: what TLS and HTTPS have in common.

Questions are told apart by number (that of the message, or of the stream), so any number of them wait at a time and
answers come in whatever order. A line never asks anything anew: that is for who opened it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple, cast

#: Bytes of a DNS message at most, and at least: its head (RFC 1035, section 4.1.1).
LARGEST, SMALLEST = 65535, 12


class Reply(NamedTuple):
    """An answer as it came."""

    message: bytes
    age: int = 0  # seconds that it had lain in a cache of HTTP, whose times to live do not know of it


class LineEnded(ConnectionError):
    """The connection has ended before the answer came: the question may be asked on another one."""


class NoAnswer(OSError):
    """The server says that it does not answer this question."""


class Malformed(Exception):
    """What came is not what is spoken here."""


class Line(asyncio.Protocol, ABC):
    """A protocol of asyncio behind TLS. `changed` is called when there may be more room, or the line has ended."""

    def __init__(self, idle: float, changed: Callable[[], None]) -> None:
        self._idle = idle
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._lost = asyncio.Event()
        self.heard = 0
        """Answers and other signs of life so far."""
        self.ended = ""
        """Why, once it has ended."""

    # What TLS and HTTPS do each in their own way

    @abstractmethod
    def _room(self) -> int:
        """See `room`, of a line that has not ended."""

    @abstractmethod
    def _send(self, query: bytes) -> int:
        """Ask; returns the number of the question. Only called while there is room. Raises LineEnded."""

    @abstractmethod
    def _received(self, data: bytes) -> None:
        """Take what came, as it came. Raises Malformed."""

    def _give_up(self, number: int) -> None:
        """Nobody waits for this answer any more."""

    # What they have in common

    @property
    def room(self) -> int:
        """How many questions may be asked now, beside those under way."""
        return 0 if self.ended else self._room()

    async def ask(self, query: bytes) -> Reply:
        """The answer to a message, with the number of the query. The caller has seen that there is room.

        Raises LineEnded and NoAnswer. Whoever is cancelled after a time in which nothing at all was heard takes the
        line for dead, so that the next question gets a new one.
        """
        if self.ended:
            raise LineEnded(self.ended)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        number = self._send(query)
        future = self._waiting[number] = self._loop.create_future()
        heard = self.heard
        try:
            message, age = await future
            return Reply(query[:2] + message[2:], age)
        except asyncio.CancelledError:
            if self.heard == heard:
                self.end("it does not answer")
            raise
        finally:
            if self._waiting.pop(number, None) is not None and not self.ended:
                self._give_up(number)
            if not self._waiting:
                self._rest()
            self._changed()

    def end(self, reason: str) -> None:
        """Close the connection; who waits gets LineEnded."""
        if self.ended:
            return
        self.ended = reason
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(LineEnded(reason))
        self._waiting.clear()
        self._changed()

    async def over(self) -> None:
        """Wait, after `end`, until nothing is left of the connection. A server that does not let go gets a second."""
        if self._transport is None:
            return
        try:
            async with asyncio.timeout(1):
                await self._lost.wait()
        except TimeoutError:
            self._transport.abort()
            await self._lost.wait()

    def _rest(self) -> None:
        if not self.ended and self._timer is None:
            self._timer = self._loop.call_later(self._idle, self.end, "nothing was asked")

    def _answer(self, number: int, reply: Reply | NoAnswer) -> None:
        """Give an answer to who waits for it; others are of questions that were given up."""
        self.heard += 1
        future = self._waiting.pop(number, None)
        if future is None or future.done():
            return
        if isinstance(reply, NoAnswer):
            future.set_exception(reply)
        elif len(reply.message) < SMALLEST:
            future.set_exception(NoAnswer("it answers with less than a DNS message"))
        else:
            future.set_result(reply)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is over."""
        self._transport = cast("asyncio.Transport", transport)
        self._rest()

    def data_received(self, data: bytes) -> None:
        """Some of an answer, or several."""
        if self.ended:
            return
        try:
            self._received(data)
        except Malformed as error:
            self.end(str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        """The server's end, or the network's."""
        self.end(str(exc) if exc is not None and str(exc) else "it has ended the connection")
        self._lost.set()
