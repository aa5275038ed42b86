"""Scriptable origins: real sockets in threads, that record what arrives byte for byte and answer as told.

`RawOrigin` gives each accepted connection to a function. `ScriptedOrigin` reads HTTP/1.1 requests and plays steps:
by default each request gets `Reply()`; a list gives the n-th request (counted over all connections) the n-th entry
and repeats its last one; an entry is one step or a sequence of steps; a function decides per request.
"""

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.support.wire import CRLF, DEFAULT_TIMEOUT, RawClient, WireError, parse_fields

JOIN_TIMEOUT = 10.0


class OriginConnection(RawClient):
    """The origin's side of one connection: RawClient's reading and sending on an accepted socket.

    `received` holds every byte that ever arrived, also those already parsed; `index` counts connections from 0.
    """

    def __init__(self, accepted: socket.socket, index: int, timeout: float) -> None:  # pylint: disable=super-init-not-called
        self.socket = accepted
        self.socket.settimeout(timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.received = bytearray()
        self.ended = False
        self.index = index

    def fill(self) -> bool:
        """As RawClient.fill, keeping a copy of what came."""
        before = len(self.buffer)
        more = super().fill()
        self.received += self.buffer[before:]
        return more


class RawOrigin:
    """Listens on 127.0.0.1 (or `host`) and runs `handler(connection)` in a thread per connection.

    Exceptions of the handler are kept in `errors`, except those of a peer that broke off, and fail the test on exit.
    """

    def __init__(
        self,
        handler: Callable[[OriginConnection], None],
        *,
        host: str = "127.0.0.1",
        timeout: float = DEFAULT_TIMEOUT,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.handler = handler
        self.tls = tls
        self.host = host
        self.timeout = timeout
        self.connections: list[OriginConnection] = []
        self.errors: list[BaseException] = []
        self.changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._listening: socket.socket | None = None
        self._kept: socket.socket | None = None
        self.port = 0

    @property
    def address(self) -> str:
        """`host:port`, as an endpoint is written in a configuration."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def start(self) -> Self:
        """Binds an ephemeral port, or the one that it had, and begins to accept."""
        listening, self._kept = self._kept or self._bound(), None
        listening.listen(1024)
        self.port = listening.getsockname()[1]
        self._listening = listening
        self._run(self._accept)
        return self

    def refuse(self) -> None:
        """Stops listening and closes what is open: from now on a dial is refused. `start` takes the same port again."""
        if self._hang_up():
            # bound without listening it refuses, and is no free port that another test's origin might be given meanwhile
            self._kept = self._bound()

    def stop(self) -> None:
        """Ends everything and waits for the threads; a dial is refused until the context ends."""
        self.refuse()
        self._wait_for_threads()

    def wait_for_connections(self, count: int, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Returns when `count` connections were accepted in all; TimeoutError otherwise."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.connections) >= count, timeout):
                message = f"{len(self.connections)} connections instead of {count}"
                raise TimeoutError(message)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._hang_up()
        self._wait_for_threads()
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        if kind is None and self.errors:
            raise self.errors[0]

    def _bound(self) -> socket.socket:
        made = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((self.host, self.port))
        return made

    def _hang_up(self) -> bool:
        """Nobody is accepted any more, and who was is let go; whether it was listening."""
        listening, self._listening = self._listening, None
        if listening is not None:
            # shutdown wakes the accepting thread, close alone would not
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
        return listening is not None

    def _wait_for_threads(self) -> None:
        for thread in list(self._threads):
            thread.join(JOIN_TIMEOUT)
        for connection in self.connections:
            connection.close()

    def _run(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        listening = self._listening
        while listening is not None:
            try:
                accepted, _ = listening.accept()
            except OSError:
                return
            with self.changed:
                connection = OriginConnection(accepted, len(self.connections), self.timeout)
                self.connections.append(connection)
                self.changed.notify_all()
            self._run(self._serve, connection)

    def _serve(self, connection: OriginConnection) -> None:
        try:
            if self.tls is not None:
                connection.socket = self.tls.wrap_socket(connection.socket, server_side=True)
            self.handler(connection)
        except (OSError, WireError, TimeoutError):
            pass  # the proxy under test broke off, idled out or was ended: for the test to judge, not for us
        except BaseException as error:
            self.errors.append(error)
        finally:
            connection.close()


@dataclass(slots=True)
class OriginRequest:
    """One request as it arrived: `raw_head` and `raw_body` byte for byte, fields with order and case."""

    method: str
    target: str
    version: str
    fields: list[tuple[str, str]]
    raw_head: bytes
    connection: int
    content: bytes = b""
    raw_body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    complete: bool = False

    def get(self, name: str) -> str | None:
        """The first value of the field `name`, in any case, or None."""
        return next(iter(self.get_all(name)), None)

    def get_all(self, name: str) -> list[str]:
        """Every value of the field `name`, in order."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    @property
    def names(self) -> list[str]:
        """The field names in order, lower-cased."""
        return [name.lower() for name, _ in self.fields]


# -- steps: what an origin may be told to do ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reply:
    """A well-formed response. `chunked`: pieces of `content` in chunks of `chunk` bytes, then `trailers`."""

    status: int = 200
    content: bytes = b"ok\n"
    fields: Sequence[tuple[str, str]] = ()
    reason: str = "OK"
    chunked: bool = False
    chunk: int = 8192
    trailers: Sequence[tuple[str, str]] = ()
    close: bool = False

    def encode(self, method: str) -> bytes:
        """The bytes for a request with `method` (HEAD gets no body)."""
        lines = [f"HTTP/1.1 {self.status} {self.reason}", *(f"{name}: {value}" for name, value in self.fields)]
        bodiless = self.status < 200 or self.status in {204, 304}
        if self.chunked:
            lines.append("Transfer-Encoding: chunked")
        elif not bodiless:
            lines.append(f"Content-Length: {len(self.content)}")
        if self.close:
            lines.append("Connection: close")
        head = "\r\n".join(lines).encode("latin-1") + CRLF + CRLF
        if bodiless or method == "HEAD":
            return head
        return head + (self._chunks() if self.chunked else self.content)

    def _chunks(self) -> bytes:
        pieces = [self.content[at : at + self.chunk] for at in range(0, len(self.content), self.chunk)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        trailers = "".join(f"{name}: {value}\r\n" for name, value in self.trailers).encode("latin-1")
        return body + b"0\r\n" + trailers + CRLF


@dataclass(frozen=True, slots=True)
class Raw:
    """Exactly these bytes."""

    data: bytes
    bytewise: bool = False


@dataclass(frozen=True, slots=True)
class Delay:
    """Waits so many seconds."""

    seconds: float


class Reset:
    """Closes with a TCP reset."""


class Close:
    """Closes in order."""


class ReadContent:
    """Reads the request's body now (for an origin made with `read_content=False`)."""


class Echo:
    """Sends back whatever arrives until the peer ends its direction, then closes: for tunnels and upgrades."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Waits for a threading.Event that the test sets."""

    event: threading.Event


Step = Reply | Raw | Delay | Reset | Close | ReadContent | Echo | Wait
Entry = Step | Sequence[Step]
Handler = Callable[[OriginRequest, OriginConnection], Entry | None]


class ScriptedOrigin(RawOrigin):
    """An HTTP/1.1 origin; `script` is None, a step, a list of entries or a function (see the head of this file).

    A function gets (request, connection) and either returns steps or sends by itself and returns None.
    `requests` holds what was read; with `read_content=False` bodies are left unread until a ReadContent step.
    """

    def __init__(
        self,
        script: Handler | Step | Sequence[Entry] | None = None,
        *,
        read_content: bool = True,
        host: str = "127.0.0.1",
        timeout: float = DEFAULT_TIMEOUT,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(self._converse, host=host, timeout=timeout, tls=tls)
        self.script = script
        self.read_content = read_content
        self.requests: list[OriginRequest] = []

    def wait_for_requests(self, count: int, timeout: float = DEFAULT_TIMEOUT) -> list[OriginRequest]:
        """Returns when `count` requests were read in all (bodies too, where they are read); TimeoutError otherwise."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.requests) >= count, timeout):
                message = f"{len(self.requests)} requests instead of {count}"
                raise TimeoutError(message)
            return list(self.requests)

    def _converse(self, connection: OriginConnection) -> None:
        while True:
            if not connection.buffer and not connection.fill():
                return
            request = read_request_head(connection)
            if self.read_content:
                read_request_content(connection, request)
            with self.changed:
                number = len(self.requests)
                self.requests.append(request)
                self.changed.notify_all()
            entry = self._entry(request, connection, number)
            steps: Iterable[Step] = entry if isinstance(entry, Sequence) else () if entry is None else (entry,)
            for step in steps:
                if not self._play(step, request, connection):
                    return

    def _entry(self, request: OriginRequest, connection: OriginConnection, number: int) -> Entry | None:
        script = self.script
        if script is None:
            return Reply()
        if isinstance(script, Sequence):
            return script[min(number, len(script) - 1)]
        if isinstance(script, Step):
            return script
        return script(request, connection)

    @staticmethod
    def _play(step: Step, request: OriginRequest, connection: OriginConnection) -> bool:
        """Plays one step; False when the connection is over."""
        match step:
            case Reply():
                connection.send(step.encode(request.method))
                return not step.close
            case Raw():
                (connection.send_bytewise if step.bytewise else connection.send)(step.data)
            case Delay():
                time.sleep(step.seconds)
            case Wait():
                step.event.wait(connection.socket.gettimeout())
            case ReadContent():
                read_request_content(connection, request)
            case Echo():
                echo(connection)
                return False
            case Reset():
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            case Close():
                return False
        return True


def read_request_head(connection: OriginConnection) -> OriginRequest:
    """The next request head; WireError when the peer ends inside it."""
    raw = connection.read_until(CRLF + CRLF)
    lines = raw[:-4].split(CRLF)
    method, target, version = lines[0].decode("latin-1").split(" ")
    return OriginRequest(method, target, version, parse_fields(lines[1:]), raw, connection.index)


def read_request_content(connection: OriginConnection, request: OriginRequest) -> None:
    """Reads the body that the head announces into `request`; does nothing when it is there already."""
    if request.complete:
        return
    if (request.get("transfer-encoding") or "").lower() == "chunked":
        raw = bytearray()
        content = bytearray()
        while True:
            line = connection.read_until(CRLF)
            raw += line
            size = int(line.split(b";")[0].strip(), 16)
            if size == 0:
                break
            chunk = connection.read_exactly(size + 2)
            raw += chunk
            content += chunk[:-2]
        trailers = []
        while (line := connection.read_until(CRLF)) != CRLF:
            raw += line
            trailers.append(line[:-2])
        request.raw_body = bytes(raw + CRLF)
        request.content = bytes(content)
        request.trailers = parse_fields(trailers)
    else:
        request.content = request.raw_body = connection.read_exactly(int(request.get("content-length") or 0))
    request.complete = True


def echo(connection: OriginConnection) -> None:
    """Sends back all that arrives; ends when the peer ends. Also a handler for RawOrigin."""
    while connection.buffer or connection.fill():
        data = bytes(connection.buffer)
        connection.buffer.clear()
        connection.send(data)
    with contextlib.suppress(OSError):
        connection.half_close()
