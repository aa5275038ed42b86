r"""The watcher of one source: asks it again and again, and holds the last good list.

    new --(answer)--> answering --(failure, or an empty list)--> failing --(answer)--> answering
      \--(failure)--> failing, with a list kept from before, or none

A failure is told once, counted, and asked after again with growing pauses; it never changes the list.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from limen.egress.discovery.source import Found, Source, SourceFailed

if TYPE_CHECKING:
    from limen.config.models.upstreams import Discover, Endpoint

_log = logging.getLogger("limen.supervisor")

# Seconds until a source that failed is asked again, doubled with each failure up to its patience.
_FIRST_RETRY = 0.5
# No source is asked more often (a TTL of zero, say), seconds.
_SHORTEST = 0.1
# So many different failures of one outage are told.
_TOLD_MOST = 5


@dataclass(slots=True)
class Standing:
    """How a source stands."""

    endpoints: tuple[Endpoint, ...] | None = None
    """The last good list; None if there never was any."""
    origin: str = ""
    """Where that is from: the `source`, or what stands in until that answers: a `handover`, what was `kept` on disk,
    `initial`, what the upstream had `before`."""
    succeeded: float | None = None
    """Unix time of the last answer that was taken."""
    failures: int = 0
    """Since the watcher began."""
    changes: int = 0
    """Lists that differed from the one before."""
    error: str = ""
    """Why the source failed the last time; empty if it did not."""


class Watcher:
    """Runs until ended; `heard` is called whenever the list has changed."""

    def __init__(
        self, upstream: str, settings: Discover, source: Source, heard: Callable[[], None], *, key: object = None
    ) -> None:
        """`key` is equal for all watchers that do the same."""
        self.upstream = upstream
        self.key = key
        self.settings = settings
        self.source = source
        self.standing = Standing()
        self._heard = heard
        self._refused = ""
        self._told: set[str] = set()
        self._row = 0
        self._looked = asyncio.Event()
        self._answered = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Starts asking."""
        self._task = asyncio.create_task(self._run())

    async def end(self) -> None:
        """Ends it, and what is open."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.source.close()

    async def first(self) -> None:
        """Waits for the first answer; with a list to stand in, for the first failure only. Bounded by `wait`."""
        event = self._looked if self.standing.endpoints is not None else self._answered
        try:
            async with asyncio.timeout(self.settings.wait):
                await event.wait()
        except TimeoutError:
            if self.standing.endpoints is None:
                _log.warning(
                    "upstream %s: no answer of %s within %g s, it has no endpoints of it yet",
                    self.upstream,
                    self.source.text,
                    self.settings.wait,
                )

    def stand_in(self, endpoints: Sequence[Endpoint] | None, origin: str) -> None:
        """A list to use as long as the source has not answered; the first one given counts."""
        if self.standing.endpoints is None and endpoints:
            self.standing.endpoints, self.standing.origin = tuple(endpoints), origin

    def refuse(self, before: tuple[Endpoint, ...] | None, reason: str) -> None:
        """The list cannot be put in force: the one `before` stays."""
        self.standing.endpoints = before
        self._refused = reason
        self._failed(reason)

    async def _run(self) -> None:
        while True:
            pause = await self._look()
            self._looked.set()
            await asyncio.sleep(max(pause, _SHORTEST))

    async def _look(self) -> float:
        try:
            found = await self.source.look()
        except SourceFailed as failed:
            return self._failed(str(failed))
        except Exception as error:  # noqa: BLE001 a defect of one source is no end of it, and of no other
            _log.exception("upstream %s: %s failed", self.upstream, self.source.text)
            return self._failed(f"{type(error).__name__}: {error}")
        return self._take(found)

    def _take(self, found: Found) -> float:
        standing = self.standing
        if found.endpoints is not None:
            self._refused = ""
            if not found.endpoints and not self.settings.allow_empty:
                self._refused = "it has no endpoints (`allow_empty` would take them away)"
        if self._refused:
            self._failed(self._refused)
            return found.again
        standing.succeeded = time.time()
        if found.endpoints is not None and found.endpoints != standing.endpoints:
            standing.endpoints = found.endpoints
            standing.changes += 1
            self._heard()
        if found.endpoints is not None:
            standing.origin = "source"
        if standing.endpoints is not None:
            self._answered.set()
        if found.doubt:
            self._tell(found.doubt)
        else:
            if self._told:
                _log.info("upstream %s: %s answers again", self.upstream, self.source.text)
            self._told.clear()
            self._row = 0
        standing.error = found.doubt
        return found.again

    def _failed(self, reason: str) -> float:
        self.standing.failures += 1
        self.standing.error = reason
        self._tell(reason)
        self._row += 1
        doubled = float(1 << min(self._row - 1, 10))
        return min(_FIRST_RETRY * doubled, max(self.source.patience, _FIRST_RETRY))

    def _tell(self, reason: str) -> None:
        if reason in self._told or len(self._told) >= _TOLD_MOST:
            return
        self._told.add(reason)
        count = len(self.standing.endpoints or ())
        stays = f"the last list stays ({count} endpoints)" if self.standing.endpoints is not None else "no list yet"
        _log.warning("upstream %s: %s: %s; %s", self.upstream, self.source.text, reason, stays)
