"""What is kept up while an instance runs: files are watched, ticket keys turn, certificates that run out are told of.

Changed files become a new revision of the same configuration, by the way of every reload: all workers or none, and
connections live on. What does not fit together is told once and not taken; the next change is looked at again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from limen.runtime.provision import Loaded, Provision
    from limen.tls.watch import Watch

_log = logging.getLogger("limen.supervisor")

# Seconds between two looks at all files. Looking takes at most this part of a core.
LOOK_INTERVAL = 1.5
_LOOK_SHARE = 1 / 100
# Longest sleep of the tickets' task, seconds.
_NAP = 60.0
# Responders asked at a time, and seconds between two revisions that bring what they said.
_ASKED_AT_ONCE = 4
_RENEWED_AFTER = 20.0
# Seconds between two warnings of certificates that run out.
_DAY = 86400.0


class Kept(Protocol):
    """The instance, as its upkeep sees it."""

    @property
    def loaded(self) -> Loaded:
        """What is in force."""

    async def renew(self) -> bool:
        """Reads all files again and puts what changed in force; False when there was nothing to do or it failed."""

    async def renew_lists(self, paths: Sequence[str]) -> None:
        """Reads these lists again and puts what they hold in force."""

    async def fetch_lists(self) -> None:
        """Fetches the lists that are due, and puts in force what is new."""

    async def turn_tickets(self) -> None:
        """Lets keys whose time has come encrypt no more, and tells all workers."""


class Upkeep:
    """Runs beside the instance; does nothing as long as no file is needed and no TLS is in force."""

    def __init__(self, instance: Kept, provision: Provision) -> None:
        self._instance = instance
        self._provision = provision
        self._has_files = asyncio.Event()
        self._has_lists = asyncio.Event()
        self._watch: Watch | None = None
        self._told: frozenset[str] = frozenset()

    def settled(self, loaded: Loaded) -> None:
        """This is in force from now on: its files are watched, its warnings told."""
        self.tell(loaded.warnings)
        if self._provision.lists.is_empty:
            self._has_lists.clear()
        else:
            self._has_lists.set()
        files = {
            **(loaded.gathered.files if loaded.gathered is not None else {}),
            **loaded.databases.files,
            **loaded.identity_files.files,
        }
        if not files and loaded.gathered is None:
            self._has_files.clear()
            self._watch = None
            return
        from limen.tls.watch import Watch

        self._watch = Watch(files)
        self._has_files.set()

    def tell(self, warnings: tuple[str, ...]) -> None:
        """Logs those that were not there before."""
        for warning in warnings:
            if warning not in self._told:
                _log.warning("%s", warning)
        self._told = frozenset(warnings)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_files())
            group.create_task(self._watch_lists())
            group.create_task(self._fetch_lists())
            group.create_task(self._turn_tickets())
            group.create_task(self._tell_expiry())
            group.create_task(self._refresh_staples())

    async def _watch_files(self) -> None:
        while True:
            await self._has_files.wait()
            changed, took = await asyncio.to_thread(_look, self._watch)
            gathered = self._instance.loaded.gathered
            is_due = gathered is not None and gathered.due is not None and time.time() >= gathered.due
            if changed or is_due:
                for path in changed:
                    _log.debug("%s has changed", path)
                await self._instance.renew()
            await asyncio.sleep(max(LOOK_INTERVAL, took / _LOOK_SHARE))

    async def _watch_lists(self) -> None:
        while True:
            await self._has_lists.wait()
            changed = await asyncio.to_thread(self._provision.lists.look)
            if changed:
                await self._instance.renew_lists(changed)
            await asyncio.sleep(LOOK_INTERVAL)

    async def _fetch_lists(self) -> None:
        while True:
            await self._has_lists.wait()
            due = self._provision.fetch_due
            if due is not None and due <= time.monotonic():
                await self._instance.fetch_lists()
            await asyncio.sleep(LOOK_INTERVAL)

    async def _turn_tickets(self) -> None:
        while True:
            await self._has_files.wait()
            until = self._provision.rings.until_due()
            await asyncio.sleep(_NAP if until is None else min(until, _NAP))
            if self._provision.rings.until_due() == 0:
                await self._instance.turn_tickets()

    async def _refresh_staples(self) -> None:
        """Asks responders, a few at a time, and puts what they said in force."""
        renewed = -_RENEWED_AFTER
        while True:
            await self._has_files.wait()
            staples, loaded = self._provision.staples, self._instance.loaded
            if staples is None or loaded.gathered is None:
                await asyncio.sleep(LOOK_INTERVAL)
                continue
            due = staples.due(time.time())
            now = time.time()
            await asyncio.gather(*(asyncio.to_thread(staples.refresh, digest, now) for digest in due[:_ASKED_AT_ONCE]))
            more = len(due) > _ASKED_AT_ONCE
            if more and time.monotonic() < renewed + _RENEWED_AFTER:
                continue
            at_hand = staples.responses(loaded.gathered.stapled, time.time())
            # new ones, and those that have run out
            if at_hand != loaded.material.staples and time.monotonic() >= renewed + _RENEWED_AFTER:
                renewed = time.monotonic()
                await self._instance.renew()
            if not more:
                await asyncio.sleep(LOOK_INTERVAL)

    async def _tell_expiry(self) -> None:
        while True:
            await self._has_files.wait()
            from limen.tls.expiry import running_out

            expiries = [expiry for _, expiry in self._instance.loaded.material.expiries()]
            for line in running_out(expiries, time.time()):
                _log.warning("%s", line)
            await asyncio.sleep(_DAY)


def _look(watch: Watch | None) -> tuple[list[str], float]:
    """What has changed, and the seconds of a core that looking took."""
    began = time.thread_time()
    return (watch.look() if watch is not None else []), time.thread_time() - began
