"""Clients in threads that ask a running instance until stopped, and note every request that failed.

A connection that the other side has closed, or announced to close, before a request is sent is no failure: the client
opens another one. Everything that goes wrong after a request was sent is one, and so is a connection that is
reset. A refused connection is a failure unless `refused` is set.
"""

import select
import socket
import threading
from collections.abc import Callable
from typing import Self

ADDRESS = "127.0.0.1"
TIMEOUT = 60.0
PAUSE = 0.003


class Failed(Exception):
    """A request without its answer."""


def _is_closed(sock: socket.socket) -> bool:
    """Whether the other side has ended it, when nothing was asked: there is nothing else that it could have sent."""
    return bool(select.select([sock], [], [], 0)[0])


class Load:
    """`kept` clients on kept connections, `fresh` on a new one each time; `answers` are contents in order of arrival."""

    def __init__(self, port: int, *, kept: int = 3, fresh: int = 3, target: str = "/", most: int = 1_000_000) -> None:
        self.answers: list[str] = []
        self.failures: list[str] = []
        self.refusals = 0
        self.refused = False
        self._port = port
        self._request = f"GET {target} HTTP/1.1\r\nHost: test\r\n\r\n".encode()
        self._most = most
        self._stop = threading.Event()
        loops = [self._keep] * kept + [self._renew] * fresh
        self._threads = [threading.Thread(target=self._run, args=(loop,), daemon=True) for loop in loops]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends all clients, each after its request."""
        self._stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT + 10)

    def wait(self, more: int = 100) -> None:
        """Until so many more answers have come, or one failure has."""
        goal = len(self.answers) + more
        pause = threading.Event()
        for _ in range(9000):
            if len(self.answers) >= goal or self.failures:
                return
            pause.wait(0.01)
        raise TimeoutError(f"{len(self.answers)} answers instead of {goal}")

    def _run(self, loop: Callable[[], None]) -> None:
        try:
            while not self._stop.wait(PAUSE) and len(self.answers) < self._most:
                loop()
        except (OSError, Failed) as error:
            self.failures.append(f"{type(error).__name__}: {error}")

    def _connect(self) -> socket.socket | None:
        try:
            return socket.create_connection((ADDRESS, self._port), timeout=TIMEOUT)
        except ConnectionRefusedError:
            if not self.refused:
                raise
            self.refusals += 1
            return None

    def _renew(self) -> None:
        sock = self._connect()
        if sock is not None:
            with sock:
                # (who is held up after connecting may come too late for an instance that ends)
                if not _is_closed(sock):
                    self._ask(sock)

    def _keep(self) -> None:
        sock = self._connect()
        if sock is None:
            return
        with sock:
            while not self._stop.wait(PAUSE) and len(self.answers) < self._most:
                if _is_closed(sock):
                    return
                if not self._ask(sock):
                    return

    def _ask(self, sock: socket.socket) -> bool:
        """One request; whether the connection goes on."""
        sock.sendall(self._request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more(sock, data)
        head, _, content = data.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
        while len(content) < length:
            content += self._more(sock, content)
        if not lines[0].startswith(b"http/1.1 200"):
            raise Failed(head.decode("latin-1"))
        self.answers.append(content.decode())
        return b"connection: close" not in lines

    @staticmethod
    def _more(sock: socket.socket, before: bytes) -> bytes:
        chunk = sock.recv(65536)
        if not chunk:
            raise Failed(f"closed after {before!r}")
        return chunk
