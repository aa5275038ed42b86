"""Verifying passwords: work of 50 ms and more each, made on purpose, which must never take the worker's time.

One thread of the lowest priority does it, for what waits in a short queue; what does not fit there is shed. A flood of
wrong passwords slows down other log-ins, but no exchange of those who are known.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from limen.runtime.identity.provider import Overloaded

T = TypeVar("T")

NICENESS = 15


class Pool:
    """Threads for work that would block the loop, with a bound on what waits for them."""

    def __init__(self, name: str, *, threads: int, waiting: int, niceness: int = 0) -> None:
        self._name = name
        self._threads = threads
        self._room = threads + waiting
        self._niceness = niceness
        self._taken = 0
        self._executor: ThreadPoolExecutor | None = None

    @property
    def taken(self) -> int:
        """How much is being done or waits."""
        return self._taken

    async def do(self, work: Callable[[], T]) -> T:
        """The result of `work`, done in a thread. Raises Overloaded, and what it raises."""
        if self._taken >= self._room:
            raise Overloaded(f"{self._name}: {self._taken} wait already")
        if self._executor is None:
            self._executor = ThreadPoolExecutor(
                self._threads, thread_name_prefix=f"limen-{self._name}", initializer=self._begin
            )
        future = self._executor.submit(work)
        self._taken += 1
        loop = asyncio.get_running_loop()

        def left(_: object) -> None:
            # (the loop may have ended meanwhile)
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._leave)

        future.add_done_callback(left)
        # who is cancelled takes what still waits out of the queue; what runs is finished for nobody
        return await asyncio.wrap_future(future)

    def _leave(self) -> None:
        self._taken -= 1

    def _begin(self) -> None:
        if self._niceness:
            # of this thread alone: on Linux each has a priority of its own
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._niceness)


HASHING = Pool("hashing", threads=1, waiting=64, niceness=NICENESS)
