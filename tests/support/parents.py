"""Next proxies for tests: one that speaks HTTP and SOCKS5, records who was asked for what, and fails as told.

`Parent()` opens tunnels for CONNECT and SOCKS5, and forwards absolute-form by one connection per request.
"""

import contextlib
import select
import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field

from tests.support.origins import OriginConnection, RawOrigin
from tests.support.wire import CRLF


@dataclass
class Asked:
    """One question: the kind (`CONNECT`, `SOCKS5` or a method), the target as named, and the head or credentials."""

    kind: str
    target: str
    head: bytes = b""
    user: str = ""
    password: str = ""
    connection: int = 0


@dataclass
class Manner:
    """How a parent behaves; changed while it runs."""

    credentials: tuple[str, str] | None = None
    """That SOCKS5 clients must have."""
    answer: bytes | None = None
    """Sent instead of the answer to CONNECT, after which the connection closes."""
    silent: bool = False
    """Nothing is answered."""
    early: bytes = b""
    """Sent behind the answer, in the same segment."""
    hosts: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Names that this exit resolves: to addresses."""
    refuse: int = 0
    """A SOCKS5 reply, or a status."""


class Parent(RawOrigin):
    """See the head of this file."""

    def __init__(self, manner: Manner | None = None, **options: object) -> None:
        super().__init__(self._talk, **options)  # type: ignore[arg-type]
        self.manner = manner or Manner()
        self.asked: list[Asked] = []

    def _talk(self, connection: OriginConnection) -> None:
        first = connection.read_exactly(1)
        if first == b"\x05":
            self._socks(connection)
            return
        head = first + connection.read_until(CRLF + CRLF)
        method, target, _ = head.split(CRLF)[0].decode().split(" ")
        self.asked.append(Asked(method, target, head, connection=connection.index))
        if self.manner.silent:
            connection.read_to_end()
            return
        if self.manner.answer is not None:
            connection.send(self.manner.answer)
            return
        if self.manner.refuse:
            connection.send(f"HTTP/1.1 {self.manner.refuse} No\r\nContent-Length: 4\r\n\r\nno\r\n")
            return
        if method == "CONNECT":
            with self._dialled(target) as origin:
                connection.send(b"HTTP/1.1 200 OK\r\n\r\n" + self.manner.early)
                self._join(connection, origin)
            return
        authority, _, path = target.removeprefix("http://").partition("/")
        with self._dialled(authority) as origin:
            lines = [line for line in head.split(CRLF)[1:] if not line.lower().startswith(b"proxy-")]
            origin.sendall(CRLF.join([f"{method} /{path} HTTP/1.1".encode(), *lines]))
            self._join(connection, origin)

    def _socks(self, connection: OriginConnection) -> None:
        count = connection.read_exactly(1)[0]
        offered = connection.read_exactly(count)
        user = password = ""
        if self.manner.credentials is not None:
            if 2 not in offered:
                connection.send(b"\x05\xff")
                return
            connection.send(b"\x05\x02")
            connection.read_exactly(1)
            user = connection.read_exactly(connection.read_exactly(1)[0]).decode()
            password = connection.read_exactly(connection.read_exactly(1)[0]).decode()
            good = (user, password) == self.manner.credentials
            connection.send(b"\x01\x00" if good else b"\x01\x01")
            if not good:
                return
        else:
            connection.send(b"\x05\x00")
        kind = connection.read_exactly(4)[3]
        if kind == 3:
            host = connection.read_exactly(connection.read_exactly(1)[0]).decode()
        else:
            family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, connection.read_exactly(size))
        (port,) = struct.unpack(">H", connection.read_exactly(2))
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.asked.append(Asked("SOCKS5", target, user=user, password=password, connection=connection.index))
        if self.manner.silent:
            connection.read_to_end()
            return
        if self.manner.refuse:
            connection.send(bytes([5, self.manner.refuse, 0, 1, 0, 0, 0, 0, 0, 0]))
            return
        with self._dialled(target) as origin:
            # a name as the bound address: answers have every length
            connection.send(b"\x05\x00\x00\x03\x04exit\x00\x50" + self.manner.early)
            self._join(connection, origin)

    def _dialled(self, target: str) -> socket.socket:
        host, colon, port = target.rpartition(":")
        host = (host if colon else target).strip("[]")
        address = self.manner.hosts.get(host, (host, int(port) if colon else 80))
        return socket.create_connection(address, timeout=self.timeout)

    def _join(self, connection: OriginConnection, origin: socket.socket) -> None:
        """Bytes in both directions until one side ends."""
        if connection.buffer:
            origin.sendall(bytes(connection.buffer))
            connection.buffer.clear()
        # TLS is no matter of two threads at a time
        lock = threading.Lock() if isinstance(connection.socket, ssl.SSLSocket) else contextlib.nullcontext()
        back = threading.Thread(target=_pump, args=(origin, connection.socket, lock))
        back.start()
        _pump(connection.socket, origin, lock)
        back.join(self.timeout)


def _pump(source: socket.socket, sink: socket.socket, lock: contextlib.AbstractContextManager[object]) -> None:
    with contextlib.suppress(OSError, ValueError):
        while True:
            if not (isinstance(source, ssl.SSLSocket) and source.pending()):
                select.select([source], [], [], source.gettimeout())
            with lock:
                data = source.recv(65536)
                if not data:
                    break
                sink.sendall(data)
    with contextlib.suppress(OSError, ValueError):
        if isinstance(sink, ssl.SSLSocket):
            sink.unwrap()
        sink.shutdown(socket.SHUT_WR)
