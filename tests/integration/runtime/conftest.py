"""A limen whose workers run the fake core, and clients that load it."""

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

import limen
from tests.support import LimenProcess

SOURCE = Path(limen.__file__).resolve().parent.parent
SUPPORT = Path(__file__).resolve().parents[2] / "support"
SITE = """
workers: @WORKERS@
admin: {bind: "127.0.0.1:@ADMIN@"}
drain: {timeout: 10s}
listeners:
  - bind: 127.0.0.1:@PORT@
    routes:
      - respond: {status: 200, body: "@BODY@"}
"""


class Site(LimenProcess):
    """LimenProcess with the fake core and a default configuration."""

    def __init__(self, text: str = SITE, *, values: dict[str, object] | None = None, **options: Any) -> None:
        defaults: dict[str, object] = {"WORKERS": 2, "BODY": "hello"}
        env = {"PYTHONPATH": f"{SOURCE}:{SUPPORT}"}
        arguments = ("run", "--core", "fake_core:Core")
        super().__init__(text, values={**defaults, **(values or {})}, env=env, arguments=arguments, **options)

    def _end(self) -> None:
        process = self._process
        super()._end()
        for stream in (process.stdout, process.stderr) if process else ():
            if stream:
                stream.close()

    def answer(self, target: str = "/", *, port: int | None = None) -> tuple[int, int]:
        """Pid and revision of whoever answers, on a fresh connection."""
        return ask(port or self.port(), target)


def ask(port: int, target: str = "/", *, timeout: float = 60.0) -> tuple[int, int]:
    """One request on a fresh connection: (pid, revision). Raises OSError or EOFError when it fails."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as sock:
        return request(sock, target)


def request(sock: socket.socket, target: str = "/") -> tuple[int, int]:
    sock.sendall(f"GET {target} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    return receive(sock)


def receive(sock: socket.socket) -> tuple[int, int]:
    data = b""
    while b"\r\n\r\n" not in data or not _complete(data):
        chunk = sock.recv(65536)
        if not chunk:
            raise EOFError(f"closed after {data!r}")
        data += chunk
    pid, revision = data.partition(b"\r\n\r\n")[2].split()
    return int(pid), int(revision)


def _complete(data: bytes) -> bool:
    head, _, content = data.partition(b"\r\n\r\n")
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
    return len(content) >= int(length.split(b":")[1])


class Load:
    """Clients in threads that ask until stopped. `kept` of them on kept connections, `fresh` on a new one each time."""

    def __init__(self, port: int, *, kept: int = 2, fresh: int = 2) -> None:
        self.answers: list[tuple[int, int]] = []
        self.failures: list[str] = []
        self._port = port
        self._stop = threading.Event()
        loops = [self._keep] * kept + [self._renew] * fresh
        self._threads = [threading.Thread(target=loop, daemon=True) for loop in loops]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(70)

    def wait(self, more: int = 50) -> None:
        """Until so many more answers have come (or one failure has)."""
        goal = len(self.answers) + more
        pause = threading.Event()
        for _ in range(9000):
            if len(self.answers) >= goal or self.failures:
                return
            pause.wait(0.01)
        raise TimeoutError(f"{len(self.answers)} answers instead of {goal}")

    def _keep(self) -> None:
        with self._noting(), socket.create_connection(("127.0.0.1", self._port), timeout=60) as sock:
            while not self._stop.wait(0.002):
                self.answers.append(request(sock))

    def _renew(self) -> None:
        while not self._stop.wait(0.002):
            with self._noting(), socket.create_connection(("127.0.0.1", self._port), timeout=60) as sock:
                # (who is held up after connecting may come too late for an instance that ends, and is told so)
                if not select.select([sock], [], [], 0)[0]:
                    self.answers.append(request(sock))

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except (OSError, EOFError, ValueError) as error:
            self.failures.append(f"{type(error).__name__}: {error}")


@pytest.fixture
def start_site() -> Iterator[Callable[..., Site]]:
    """`start_site(text, values={...})` starts a Site that is stopped, and checked, when the test ends."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: Any, **options: Any) -> Site:
            return stack.enter_context(Site(*arguments, **options))

        yield start
