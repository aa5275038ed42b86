"""Recorders of a worker: what the engine hands over of exchanges that are over becomes lines of the captures' files.

Nothing waits for them. Lines are made between the other work of the loop and written outside of it; what comes faster
than it can be written is dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakSet

from limen.engine.capture import Capture, Recording
from limen.observe.board import WorkerCell
from limen.observe.capture_file import CaptureFile, Place, place_of
from limen.observe.har_entry import Terms, line_of
from limen.runtime.log_settings import discretion_of

if TYPE_CHECKING:
    from limen.runtime.revision import Revision

_PENDING_MOST = 10_000
"""Exchanges that wait to be written; their content is bounded by `memory`, their heads by this."""
_BATCH = 1 << 20
"""Bytes after which what there is is written, or a quarter of what a file may have."""
_STEP = 128 * 1024
"""Bytes of lines that are made at a time, before the loop has its turn."""
_COMPLAINT = 10.0
"""Seconds between two complaints about one file."""

_logger = logging.getLogger("limen.captures")

Start = Callable[[Coroutine[object, object, None]], asyncio.Task[None]]
Count = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """One capture, as workers need it."""

    name: str
    place: Place
    body: int
    memory: int
    terms: Terms


def settings_of(revision: Revision) -> dict[str, Settings]:
    """All captures of a revision."""
    discretion = discretion_of(revision)
    return {
        name: Settings(
            name,
            place_of(revision.base, one),
            one.body,
            one.memory,
            Terms(one.secrets, discretion),
        )
        for name, one in revision.config.captures.items()
    }


class Recorder:
    """Writes one capture. Raises OSError if its file cannot be opened."""

    def __init__(self, settings: Settings, start: Start, count: Count) -> None:
        self.settings = settings
        self.capture = Capture(settings.name, body=settings.body, held_most=settings.memory, take=self._take)
        self._file = CaptureFile(settings.place)
        self._start = start
        self._count = count
        self._batch_most = min(_BATCH, settings.place.max_size // 4)
        self._pending: deque[Recording] = deque()
        self._batch: list[Recording] = []
        self._task: asyncio.Task[None] | None = None
        self._counted = 0
        self._complained = float("-inf")
        self._renewing = False
        self._retired = False

    def reopen(self) -> None:
        """Open the file anew, soon."""
        self._renewing = True
        self._begin()

    def retire(self) -> None:
        """No new exchanges: those under way are written yet, and the file is not held open for them."""
        self._retired = True
        self._begin()

    def close(self) -> None:
        """Write what is left, here and now."""
        lines = [b"".join(line_of(one, self.settings.terms)) for one in [*self._batch, *self._pending]]
        self._batch, count = [], len(lines)
        self._pending.clear()
        try:
            if lines:
                self._file.append(b"".join(lines))
                self._count(WorkerCell.CAPTURED, count)
        except OSError as error:
            self._lose(count, error)
        self._count_lost()
        self._file.close()

    def _take(self, recording: Recording) -> None:
        if len(self._pending) >= _PENDING_MOST:
            self._lose(1, None)
            return
        self._pending.append(recording)
        self._begin()

    def _begin(self) -> None:
        if self._task is None:
            self._task = self._start(self._run())

    async def _run(self) -> None:
        try:
            while self._pending or self._renewing:
                if self._renewing:
                    self._renewing = False
                    await self._outside(self._file.renew, 0)
                if self._pending:
                    await self._write()
            if self._retired:
                await self._outside(self._file.close, 0)
        finally:
            self._task = None

    async def _write(self) -> None:
        pieces: list[bytes] = []
        size = step = 0
        while self._pending and size < self._batch_most:
            self._batch.append(self._pending.popleft())
            for piece in line_of(self._batch[-1], self.settings.terms):
                pieces.append(piece)
                size += len(piece)
                step += len(piece)
                if step >= _STEP:
                    step = 0
                    await asyncio.sleep(0)
        lines, count, self._batch = b"".join(pieces), len(self._batch), []
        if await self._outside(lambda: self._file.append(lines), count):
            self._count(WorkerCell.CAPTURED, count)
        self._count_lost()

    async def _outside(self, work: Callable[[], None], count: int) -> bool:
        """Do it on a thread; once begun it is done, whatever becomes of us."""
        try:
            # not a task, which the end of the loop would cancel
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, work))
        except OSError as error:
            self._lose(count, error)
            return False
        return True

    def _lose(self, count: int, error: OSError | None) -> None:
        self.capture.lost += count
        self._count_lost()
        now = time.monotonic()
        if now - self._complained >= _COMPLAINT:
            self._complained = now
            why = error if error is not None else "they come faster than they can be written"
            _logger.error("capture %s: exchanges are lost: %s", self.settings.name, why)

    def _count_lost(self) -> None:
        if self.capture.lost > self._counted:
            self._count(WorkerCell.CAPTURE_LOST, self.capture.lost - self._counted)
            self._counted = self.capture.lost


class Recorders:
    """Those in force, by name."""

    def __init__(self, start: Start, count: Count) -> None:
        self._start = start
        self._count = count
        self._held: dict[str, Recorder] = {}
        self._alive: WeakSet[Recorder] = WeakSet()

    def prepare(self, revision: Revision) -> dict[str, Recorder]:
        """Those of a revision: the present ones where nothing has changed. Raises OSError, and then opens none."""
        found: dict[str, Recorder] = {}
        try:
            for name, settings in settings_of(revision).items():
                held = self._held.get(name)
                if held is None or held.settings != settings:
                    held = Recorder(settings, self._start, self._count)
                    self._alive.add(held)
                found[name] = held
        except OSError:
            self.discard(found)
            raise
        return found

    def discard(self, prepared: Mapping[str, Recorder]) -> None:
        """They were not published."""
        for name, one in prepared.items():
            if self._held.get(name) is not one:
                one.close()

    def publish(self, prepared: Mapping[str, Recorder]) -> None:
        """They are in force."""
        before, self._held = self._held, dict(prepared)
        for name, one in before.items():
            if self._held.get(name) is not one:
                one.retire()

    def reopen(self) -> None:
        """Open all files anew."""
        for one in self._held.values():
            one.reopen()

    def close(self) -> None:
        """Write what is left, also of those that were retired and whose exchanges lived on."""
        for one in list(self._alive):
            one.close()
