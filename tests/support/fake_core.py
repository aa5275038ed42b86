"""A worker core without the engine: a plain asyncio HTTP responder, to test the runtime with real processes.

It needs nothing of tests/, so that a worker can load it as `fake_core:Core`. What it does is told by the request:
`/` answers `PID REVISION` at once, `/hold?SECONDS` after that time, `/crash` ends the process, `/hang` blocks the loop.
A route whose `respond.body` is `refuse prepare` makes prepare raise a ConfigError, `break prepare` an ImportError.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping

from limen.errors import ConfigError
from limen.runtime.revision import Revision, decode


class Core:
    """Answers every request on every listener."""

    def __init__(self, *, worker: int, board: int | None, log: Callable[[str, str], None]) -> None:
        self.worker = worker
        self.board = board
        self.log = log
        self.prepared: dict[int, Revision] = {}
        self.published: Revision | None = None
        self.listening: dict[str, list[socket.socket]] = {}
        self.open: dict[asyncio.Task[None], bool] = {}
        self.fresh: set[asyncio.Task[None]] = set()
        self.draining = False
        self.reopened = 0
        self.served = 0
        self.tickets = b""

    def loop_factory(self) -> asyncio.AbstractEventLoop:
        self.loop = asyncio.new_event_loop()
        return self.loop

    def prepare(self, payload: bytes, number: int) -> None:
        revision = decode(payload)
        for listener in revision.config.listeners:
            for route in listener.routes or ():
                body = route.respond.body if route.respond else None
                if body == "refuse prepare late" and self.worker:
                    time.sleep(1)  # worker 0 serves by then
                    raise ConfigError("this is refused")
                if body == "refuse prepare":
                    raise ConfigError("this is refused", path="listeners[0].routes[0]")
                if body == "break prepare":
                    raise ImportError("no module named 'absent'")
                if body == "crash prepare":
                    os._exit(3)
        self.prepared[number] = revision

    def publish(self, number: int) -> None:
        self.published = self.prepared.pop(number)

    def discard(self, number: int) -> None:
        self.prepared.pop(number, None)

    def take_tickets(self, payload: bytes) -> None:
        self.tickets = payload

    def shed_idle(self) -> None:
        self.shed = True

    def listen(self, listener_key: str, fd: int) -> None:
        assert self.published is not None
        assert listener_key in {place.key for place in self.published.listeners}
        sock = socket.socket(fileno=fd)
        sock.setblocking(False)
        self.listening.setdefault(listener_key, []).append(sock)
        self.loop.add_reader(sock.fileno(), self._accept, sock)

    def unlisten(self, listener_key: str) -> None:
        for sock in self.listening.pop(listener_key):
            # What has connected already was promised an answer.
            self._accept(sock)
            self.loop.remove_reader(sock.fileno())
            sock.close()

    def drain(self) -> None:
        for key in list(self.listening):
            self.unlisten(key)
        self.draining = True
        for task, busy in self.open.items():
            # A client that has just connected may still send its request.
            if not busy and task not in self.fresh:
                task.cancel()
        self.loop.call_later(0.3, self._close_fresh)

    def _close_fresh(self) -> None:
        for task in self.fresh:
            task.cancel()

    def live(self) -> dict[str, int]:
        return {"connections": len(self.open), "exchanges": sum(self.open.values()), "tunnels": 0}

    def status(self) -> dict[str, object]:
        return {"served": self.served, "reopened": self.reopened, "prepared": sorted(self.prepared)}

    async def explain(self, asked: Mapping[str, object]) -> Mapping[str, object]:
        return {"asked": dict(asked)}

    def reopen_logs(self) -> None:
        self.reopened += 1

    def stop(self) -> None:
        for task in self.open:
            task.cancel()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                sock, _ = listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            sock.setblocking(False)
            task = self.loop.create_task(self._serve(sock))
            self.open[task] = False
            self.fresh.add(task)
            task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        self.fresh.discard(task)
        del self.open[task]

    async def _serve(self, sock: socket.socket) -> None:
        me = asyncio.current_task()
        assert me is not None
        with sock, contextlib.suppress(OSError, asyncio.CancelledError):
            await self._requests(sock, me)

    async def _requests(self, sock: socket.socket, me: asyncio.Task[None]) -> None:
        buffer = b""
        while True:
            while b"\r\n\r\n" not in buffer:
                chunk = await self.loop.sock_recv(sock, 65536)
                if not chunk:
                    return
                self.open[me] = True
                self.fresh.discard(me)
                buffer += chunk
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            await self._answer(sock, head.split(b" ", 2)[1].decode())
            self.open[me] = False
            if self.draining:
                return

    async def _answer(self, sock: socket.socket, target: str) -> None:
        path, _, query = target.partition("?")
        revision = self.published.number if self.published else 0
        if path == "/hold":
            await asyncio.sleep(float(query))
        elif path == "/crash":
            os._exit(int(query or 7))
        elif path == "/hang":
            time.sleep(60)  # noqa: ASYNC251 that is the point
        self.served += 1
        content = f"{os.getpid()} {revision}".encode()
        close = "Connection: close\r\n" if self.draining else ""
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n{close}\r\n"
        await self.loop.sock_sendall(sock, head.encode() + content)
