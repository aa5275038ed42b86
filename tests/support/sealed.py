"""A TLS client whose records a test holds in its hands: cut them, change them, send them when and as it likes."""

import contextlib
import ssl
from collections.abc import Callable, Iterator

from tests.support.wire import RawClient

Send = Callable[[bytes], None]


class SealedClient:
    """Speaks TLS in memory and leaves the sending to `send`, by default everything at once over `client`."""

    def __init__(
        self,
        client: RawClient,
        context: ssl.SSLContext,
        name: str | None,
        *,
        send: Send | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self.client = client
        self._send = send or client.socket.sendall
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name, session=session)

    def shake(self) -> None:
        """The whole handshake. Raises what ssl raises; ssl.SSLEOFError if the peer ends it."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            else:
                self._flush()
                return

    def send(self, data: bytes) -> None:
        """Seals the data in as many records as it takes, and sends them."""
        self.tls.write(data)
        self._flush()

    def read_to_end(self) -> bytes:
        """What comes until the peer ends; ssl.SSLEOFError if it does so without a word."""
        parts: list[bytes] = []
        while data := self.read():
            parts.append(data)
        return b"".join(parts)

    def read(self) -> bytes:
        """What comes next; nothing at the peer's end, ssl.SSLEOFError if it ends without a word."""
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                self._fill()
            except ssl.SSLZeroReturnError:
                return b""

    def read_until(self, ending: bytes) -> bytes:
        """What comes, up to this ending; ssl.SSLEOFError if the peer ends before."""
        found = b""
        while not found.endswith(ending):
            data = self.read()
            if not data:
                raise ssl.SSLEOFError(f"the end came after {found[-100:]!r}")
            found += data
        return found

    def hello(self) -> bytes:
        """The client hello as it goes over the wire, instead of sending it."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self._outgoing.read()

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self._send(data)

    def _fill(self) -> None:
        if not self.client.fill():
            self._incoming.write_eof()
            return
        self._incoming.write(bytes(self.client.buffer))
        self.client.buffer.clear()


class Pieces:
    """A `send` for SealedClient: in pieces of the given sizes, over and over, with bytes changed at some offsets.

    Offsets count over the whole connection. From `end_at` on nothing is sent: `ended` says so.
    """

    def __init__(
        self, client: RawClient, sizes: list[int], flips: dict[int, int] | None = None, end_at: int | None = None
    ) -> None:
        self._client = client
        self._sizes = self._over_and_over(sizes)
        self._flips = flips or {}
        self._end_at = end_at
        self._offset = 0
        self.ended = False

    def __call__(self, data: bytes) -> None:
        changed = bytearray(data)
        for offset, bits in self._flips.items():
            if 0 <= offset - self._offset < len(data):
                changed[offset - self._offset] ^= bits
        if self._end_at is not None and self._offset + len(data) >= self._end_at:
            del changed[max(0, self._end_at - self._offset) :]
            self.ended = True
        self._offset += len(data)
        at = 0
        while at < len(changed):
            size = next(self._sizes)
            self._client.socket.sendall(changed[at : at + size])
            at += size
        if self.ended:
            raise ConnectionAbortedError

    @staticmethod
    def _over_and_over(sizes: list[int]) -> Iterator[int]:
        while True:
            yield from sizes
