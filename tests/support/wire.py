"""A raw client: bytes out, bytes in, and just enough HTTP/1.1 to find the end of a response.

It never repairs anything and never adds a field, so that tests can send what no ordinary client would and see
exactly what came back. Every wait is bounded by `timeout` (seconds); running out raises TimeoutError.
"""

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.support.nested import NestedSocket

# Of one wait for the peer: only a failure takes that long.
DEFAULT_TIMEOUT = 60.0
CRLF = b"\r\n"


class WireError(AssertionError):
    """The peer broke off or answered something that is no HTTP response; the message shows the bytes."""


@dataclass(slots=True)
class WireResponse:
    """One response as it came: `fields` keep order, case and repetition; `raw_head` is the head byte for byte."""

    version: str
    status: int
    reason: str
    fields: list[tuple[str, str]]
    raw_head: bytes
    content: bytes = b""
    raw_body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    interim: list["WireResponse"] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        """The first value of the field `name`, in any case, or None."""
        return next(iter(self.get_all(name)), None)

    def get_all(self, name: str) -> list[str]:
        """Every value of the field `name`, in order."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    @property
    def text(self) -> str:
        """The content as UTF-8."""
        return self.content.decode()


def parse_fields(lines: Iterable[bytes]) -> list[tuple[str, str]]:
    """Field lines to (name, value) pairs, case kept, outer blanks of the value cut."""
    pairs = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon:
            message = f"field line without a colon: {line!r}"
            raise WireError(message)
        pairs.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))
    return pairs


class RawClient:
    """A TCP (or Unix, when the address is a path) connection with a buffer."""

    def __init__(
        self, address: tuple[str, int] | str, *, timeout: float = DEFAULT_TIMEOUT, source: str | None = None
    ) -> None:
        """Connects at once; `address` is (host, port) or the path of a Unix socket. `source`: from which address."""
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout, (source, 0) if source else None)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # -- sending ---------------------------------------------------------------------------------------------------

    def send(self, data: bytes | str) -> Self:
        """Sends everything; text is encoded as latin-1."""
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)
        return self

    def send_bytewise(self, data: bytes) -> Self:
        """Sends each byte by itself (Nagle is off), so that the other side sees every split."""
        for index in range(len(data)):
            self.socket.sendall(data[index : index + 1])
        return self

    def send_request(
        self,
        method: str = "GET",
        target: str = "/",
        fields: Iterable[tuple[str, str]] = (),
        *,
        content: bytes = b"",
        host: str | None = "test.example",
    ) -> Self:
        """Sends a plain HTTP/1.1 request; Content-Length is added when there is content, Host unless host is None."""
        lines = [f"{method} {target} HTTP/1.1"]
        given = list(fields)
        if host is not None:
            lines.append(f"Host: {host}")
        lines.extend(f"{name}: {value}" for name, value in given)
        framed = {name.lower() for name, _ in given} & {"content-length", "transfer-encoding"}
        if content and not framed:
            lines.append(f"Content-Length: {len(content)}")
        return self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content)

    def half_close(self) -> Self:
        """Ends our direction; the other may go on."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def reset(self) -> None:
        """Closes with a TCP reset."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        """Closes; may be called twice."""
        self.socket.close()

    def secure(self, context: ssl.SSLContext, name: str | None = None) -> Self:
        """Shakes hands; from now on everything goes through TLS, inside that which is there already."""
        if isinstance(self.socket, ssl.SSLSocket | NestedSocket):
            self.socket = NestedSocket(self.socket, context, name)  # type: ignore[assignment]
        else:
            self.socket = context.wrap_socket(self.socket, server_hostname=name)
        return self

    # -- receiving -------------------------------------------------------------------------------------------------

    def fill(self) -> bool:
        """Reads once into the buffer; False when the peer has ended (or reset) its direction."""
        if self.ended:
            return False
        try:
            data = self.socket.recv(262144)
        except ConnectionResetError:
            data = b""
        if not data:
            self.ended = True
            return False
        self.buffer += data
        return True

    def read_until(self, marker: bytes) -> bytes:
        """All bytes up to and with `marker`; WireError when the peer ends first."""
        start = 0
        while (at := self.buffer.find(marker, start)) < 0:
            start = max(0, len(self.buffer) - len(marker) + 1)
            if not self.fill():
                message = f"the peer ended before {marker!r}; got {bytes(self.buffer)[:2000]!r}"
                raise WireError(message)
        return self._take(at + len(marker))

    def read_exactly(self, count: int) -> bytes:
        """Exactly `count` bytes; WireError when the peer ends first."""
        while len(self.buffer) < count:
            if not self.fill():
                message = f"the peer ended after {len(self.buffer)} of {count} bytes"
                raise WireError(message)
        return self._take(count)

    def read_to_end(self) -> bytes:
        """Everything until the peer ends or resets the connection."""
        while self.fill():
            pass
        return self._take(len(self.buffer))

    def expect_end(self) -> None:
        """WireError unless the peer ends the connection without another byte."""
        rest = self.read_to_end()
        if rest:
            message = f"expected the end of the connection, got {rest[:2000]!r}"
            raise WireError(message)

    def is_silent(self, seconds: float = 0.2) -> bool:
        """True when nothing (not even an end) arrives for `seconds`; use only to show that something is *not* sent."""
        if self.buffer or self.ended:
            return False
        before = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            self.fill()
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(before)
        return False

    def _take(self, count: int) -> bytes:
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    # -- HTTP/1.1 --------------------------------------------------------------------------------------------------

    def read_head(self) -> WireResponse:
        """The next response head (interim ones too), nothing of its body."""
        raw = self.read_until(CRLF + CRLF)
        lines = raw[:-4].split(CRLF)
        parts = lines[0].decode("latin-1").split(" ", 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/") or not parts[1].isdigit():
            message = f"no status line: {lines[0]!r}"
            raise WireError(message)
        reason = parts[2] if len(parts) == 3 else ""
        return WireResponse(parts[0], int(parts[1]), reason, parse_fields(lines[1:]), raw)

    def read_response(self, method: str = "GET") -> WireResponse:
        """The next final response with its body; `method` tells whether there is one (HEAD, CONNECT)."""
        interim = []
        while (response := self.read_head()).status < 200 and response.status != 101:
            interim.append(response)
        response.interim = interim
        tunnel = response.status == 101 or (method == "CONNECT" and response.status < 300)
        if method == "HEAD" or response.status in {204, 304} or tunnel:
            return response
        coding = ", ".join(response.get_all("transfer-encoding")).lower()
        length = response.get("content-length")
        if coding.endswith("chunked"):
            self._read_chunked(response)
        elif length is not None:
            response.content = response.raw_body = self.read_exactly(int(length))
        else:
            response.content = response.raw_body = self.read_to_end()
        return response

    def request(
        self,
        method: str = "GET",
        target: str = "/",
        fields: Iterable[tuple[str, str]] = (),
        *,
        content: bytes = b"",
        host: str | None = "test.example",
    ) -> WireResponse:
        """`send_request` and `read_response` in one."""
        self.send_request(method, target, fields, content=content, host=host)
        return self.read_response(method)

    def _read_chunked(self, response: WireResponse) -> None:
        raw = bytearray()
        content = bytearray()
        while True:
            line = self.read_until(CRLF)
            raw += line
            size = int(line.split(b";")[0].strip(), 16)
            if size == 0:
                break
            chunk = self.read_exactly(size + 2)
            raw += chunk
            if chunk[-2:] != CRLF:
                message = f"chunk does not end in CRLF: {chunk[-2:]!r}"
                raise WireError(message)
            content += chunk[:-2]
        trailers = []
        while (line := self.read_until(CRLF)) != CRLF:
            raw += line
            trailers.append(line[:-2])
        raw += CRLF
        response.content = bytes(content)
        response.raw_body = bytes(raw)
        response.trailers = parse_fields(trailers)


def exchange(address: tuple[str, int] | str, data: bytes, *, timeout: float = DEFAULT_TIMEOUT) -> bytes:
    """Sends `data` on a fresh connection, ends our direction, and gives back all that came."""
    with RawClient(address, timeout=timeout) as client:
        client.send(data).half_close()
        return client.read_to_end()
