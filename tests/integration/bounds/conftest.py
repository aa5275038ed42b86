"""A forward proxy with two workers, and an origin that floods, swallows or echoes whoever comes, on one asyncio loop."""

import asyncio
import json
import threading
from contextlib import ExitStack

import pytest

from tests.integration.gateway.conftest import Gateway

CHUNK = bytes(65536)


class Origin:
    """Many connections cost it no thread: "flood" sends without end, "swallow" reads on, "echo" gives back.

    As HTTP it answers `GET /N` with N bytes, `GET /chunked/N` in chunks, and counts what is posted.
    """

    def __init__(self, kind):
        self.kind = kind
        self.taken = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(15)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(15)

    async def _run(self):
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self._tasks = set()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=4096)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        try:
            await getattr(self, f"_{self.kind}")(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tasks.discard(asyncio.current_task())

    async def _flood(self, reader, writer):
        while True:
            writer.write(CHUNK)
            await writer.drain()

    async def _swallow(self, reader, writer):
        while found := await reader.read(1 << 20):
            self.taken += len(found)

    async def _echo(self, reader, writer):
        while found := await reader.read(65536):
            writer.write(found)
            await writer.drain()

    async def _http(self, reader, writer):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            target = head.split(" ")[1]
            length = next(
                (int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length")), 0
            )
            while length:
                found = await reader.read(min(length, 1 << 20))
                self.taken += len(found)
                length -= len(found)
            size = int(target.rpartition("/")[2] or 0)
            chunked = "/chunked/" in target
            field = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
            writer.write(f"HTTP/1.1 200 OK\r\n{field}\r\n\r\n".encode())
            while size:
                part = CHUNK[:size]
                writer.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
                size -= len(part)
                await writer.drain()
            if chunked:
                writer.write(b"0\r\n\r\n")
            await writer.drain()


@pytest.fixture
def origin():
    """`origin("flood")`: one of these, ended with the test."""
    with ExitStack() as stack:
        yield lambda kind: stack.enter_context(Origin(kind))


class Proxy(Gateway):
    """With what tests of bounds ask of it; its clients end with it."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._clients = ExitStack()

    def __exit__(self, *reason):
        self._clients.close()
        return super().__exit__(*reason)

    def connect(self, *arguments, **options):
        return self._clients.enter_context(super().connect(*arguments, **options))

    def tunnel(self, port, host="127.0.0.1"):
        """A client in a CONNECT tunnel, and the answer."""
        client = self.connect()
        client.send(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n")
        return client, client.read_head()

    def exchanges(self, query=""):
        """The answer of GET /exchanges."""
        response = self.admin(f"/exchanges{query}")
        assert response.status == 200, response.content
        return json.loads(response.content)


def written(forward=None, root=None, listener=None):
    """A configuration."""
    return json.dumps(
        {
            "workers": 2,
            "admin": {"bind": "127.0.0.1:@ADMIN@"},
            "log": {"access": {"path": "access.jsonl", "flush": "20ms"}},
            "listeners": [
                {
                    "bind": "127.0.0.1:@PORT@",
                    "name": "front",
                    "forward": {
                        "targets": {"private": "allow"},
                        "access": [{"name": "all", "allow": {}}],
                        **(forward or {}),
                    },
                    **(listener or {}),
                }
            ],
            **(root or {}),
        }
    )


@pytest.fixture
def start_proxy():
    """`start_proxy(forward={...}, root={...})`."""
    with ExitStack() as stack:
        yield lambda forward=None, root=None, listener=None, **options: stack.enter_context(
            Proxy(written(forward, root, listener), **options)
        )
