"""NameServer in a thread of its own, for tests that are not coroutines."""

import asyncio
import threading
from types import TracebackType
from typing import Self

from tests.support.name_server import NameServer


class NameServerThread:
    """A context manager; `server` is the NameServer, whose zone may be changed at any time."""

    def __init__(self, **options: object) -> None:
        self.server = NameServer(**options)  # type: ignore[arg-type]
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    @property
    def address(self) -> str:
        """`ip:port`, as `resolver.servers` takes it."""
        return self.server.address

    def asked(self, name: str) -> int:
        """How many questions came for the name, of any type."""
        return sum(count for (asked, _), count in self.server.asked.items() if asked == name)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        async with self.server:
            self._ready.set()
            await self._over.wait()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        assert self._loop is not None
        assert self._over is not None
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)
