"""TLS inside TLS for tests: Python's own SSLSocket goes over a descriptor, this goes over any socket."""

from __future__ import annotations

import contextlib
import ssl
from typing import Protocol


class Lower(Protocol):
    """What is needed of the socket below."""

    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> None: ...
    def shutdown(self, how: int, /) -> None: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def gettimeout(self) -> float | None: ...
    def setsockopt(self, level: int, option: int, value: bytes, /) -> None: ...
    def close(self) -> None: ...


class NestedSocket:
    """The client's side; shakes hands at once. `piece`: bytes that go down at a time."""

    def __init__(self, lower: Lower, context: ssl.SSLContext, name: str | None, *, piece: int = 1 << 20) -> None:
        self.lower = lower
        self._piece = piece
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        while True:
            try:
                self.session.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
            except ssl.SSLError:
                self._flush()
                raise
        self._flush()

    def recv(self, size: int) -> bytes:
        """As socket.recv; an end without close_notify is an error."""
        while True:
            try:
                return self.session.read(size)
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
            except ssl.SSLZeroReturnError:
                return b""

    def sendall(self, data: bytes) -> None:
        """As socket.sendall."""
        for start in range(0, len(data), 65536):
            self.session.write(data[start : start + 65536])
            self._flush()

    def shutdown(self, how: int) -> None:
        """close_notify in here; what is below stays open."""
        del how
        with contextlib.suppress(ssl.SSLError):
            # (the peer's own end comes when it comes)
            self.session.unwrap()
        self._flush()

    def getpeercert(self, binary_form: bool = False) -> object:
        """As of an SSLSocket."""
        return self.session.getpeercert(binary_form)

    def settimeout(self, seconds: float | None) -> None:
        """Of the socket below."""
        self.lower.settimeout(seconds)

    def gettimeout(self) -> float | None:
        """Of the socket below."""
        return self.lower.gettimeout()

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        """Of the socket below."""
        self.lower.setsockopt(level, option, value)

    def close(self) -> None:
        """Of the socket below."""
        self.lower.close()

    def _feed(self) -> None:
        data = self.lower.recv(262144)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        data = self._outgoing.read()
        for start in range(0, len(data), self._piece):
            self.lower.sendall(data[start : start + self._piece])
