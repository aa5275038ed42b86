"""Discovery of an instance: a watcher per upstream that has a source, and one publication for all that they bring.

It belongs to the supervisor, who asks it for the configuration to put in force and is asked to do so again when a list
has changed. A reload keeps the watchers whose section is the same; those it adds replace others only if it succeeds.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from limen.config.listing import Listing
from limen.errors import ConfigErrors, LimenError
from limen.runtime.discovered import Kept, encode_list, filled, loops
from limen.runtime.reload import ReloadFailed
from limen.runtime.watcher import Watcher

if TYPE_CHECKING:
    from limen.config import Config
    from limen.config.models.upstreams import Discover, Endpoint, Upstream
    from limen.observe.exposition import Discoveries

    Lists = Mapping[str, tuple[Endpoint, ...] | None]

_log = logging.getLogger("limen.supervisor")

# Seconds from the first change to its publication, for others to come along; and between two publications.
_GATHERED = 0.05
_APART = 0.5
# Seconds until a publication that failed is tried again.
_RETRIED = 1.0


class Discovering(Protocol):
    """The instance, as its discovery sees it."""

    async def rediscover(self, upstreams: Collection[str]) -> bool:
        """Puts in force what has changed in these; False if this is not the time. Raises LimenError."""


class Discovery:
    """See the head of this file."""

    def __init__(self, instance: Discovering, name: str) -> None:
        """`name` tells instances apart that share a state directory."""
        self._instance = instance
        self._kept = Kept(name)
        self._watchers: dict[str, Watcher] = {}
        self._next: dict[str, Watcher] = {}
        self._planned: Lists = {}
        self._in_force: dict[str, tuple[Endpoint, ...] | None] = {}
        self._inherited: dict[str, tuple[str, tuple[Endpoint, ...]]] = {}
        self._unkept: set[str] = set()
        self._heard = asyncio.Event()
        self._ending: set[asyncio.Task[None]] = set()
        self._told = ""

    # -- start and reloads

    async def prepare(self, config: Config, before: Config | None = None) -> Config:
        """The configuration with all that is known of its sources; new ones are waited for, for a bounded time.

        `before` is what is in force. `settle` or `abandon` follow.
        """
        self._next, fresh = {}, []
        for name, upstream in config.upstreams.items():
            if upstream.discover is not None:
                watcher = self._watchers.get(name)
                if watcher is None or watcher.key != _key(upstream, config):
                    watcher = await self._begun(name, upstream, upstream.discover, config)
                    fresh.append(watcher)
                self._next[name] = watcher
        await asyncio.gather(*(watcher.first() for watcher in fresh))
        for watcher in fresh:
            watcher.stand_in(watcher.settings.initial, "initial")
            watcher.stand_in(self._former(watcher.upstream, before), "before")
        full, self._planned = self._filled(config, self._next)
        for name, watcher in self._next.items():
            reason = loops(full, name)
            if reason:
                watcher.refuse(self._in_force.get(name), reason)
                full, self._planned = self._filled(config, self._next)
        return full

    def settle(self) -> None:
        """What was prepared is in force."""
        fresh = [name for name, watcher in self._next.items() if self._watchers.get(name) is not watcher]
        left = [watcher for name, watcher in self._watchers.items() if self._next.get(name) is not watcher]
        self._watchers = self._next
        self._in_force = dict(self._planned)
        self._inherited = {}
        self._unkept.update(fresh)
        self._end(left)
        if self._watchers:
            # perhaps something was heard in between
            self._heard.set()

    def abandon(self) -> None:
        """What was prepared does not come into force; nothing, if it is."""
        self._end(watcher for name, watcher in self._next.items() if self._watchers.get(name) is not watcher)
        self._next = self._watchers

    async def _begun(self, name: str, upstream: Upstream, settings: Discover, config: Config) -> Watcher:
        from limen.egress.discovery.sources import make_source

        source = make_source(settings, config.resolver, tls=upstream.tls is not None)
        watcher = Watcher(name, settings, source, self._heard.set, key=_key(upstream, config))
        former = self._watchers.get(name)
        if former is not None and former.source.text == source.text:
            watcher.stand_in(former.standing.endpoints, former.standing.origin)
        inherited = self._inherited.get(name)
        if inherited is not None and inherited[0] == source.text:
            watcher.stand_in(inherited[1], "handover")
        if watcher.standing.endpoints is None:
            kept = await asyncio.to_thread(self._kept.read, name, source.text, most=settings.most)
            watcher.stand_in(kept, "kept")
        watcher.begin()
        return watcher

    def _former(self, name: str, before: Config | None) -> tuple[Endpoint, ...] | None:
        """What the upstream had before this source: a working upstream is not emptied by a source that is silent."""
        if name in self._watchers:
            return self._watchers[name].standing.endpoints
        return before.upstreams[name].endpoints if before is not None and name in before.upstreams else None

    def _end(self, watchers: Iterable[Watcher]) -> None:
        for watcher in watchers:
            task = asyncio.create_task(watcher.end())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """Ends all watchers."""
        self._end({*self._watchers.values(), *self._next.values()})
        self._watchers = self._next = {}
        await asyncio.gather(*self._ending, return_exceptions=True)

    # -- what is put in force

    def _filled(self, config: Config, watchers: Mapping[str, Watcher]) -> tuple[Config, Lists]:
        lists = {name: watcher.standing.endpoints for name, watcher in watchers.items()}
        if not lists:
            return config, lists
        upstreams = {name: filled(config.upstreams[name], endpoints or ()) for name, endpoints in lists.items()}
        return config.model_copy(update={"upstreams": {**config.upstreams, **upstreams}}), lists

    def changes(self, written: Config, in_force: Config, names: Collection[str]) -> tuple[Config, Lists]:
        """The configuration in force with what has changed in these upstreams, and their lists."""
        watchers = {name: self._watchers[name] for name in names if name in self._watchers}
        full, lists = self._filled(written, watchers)
        upstreams, changed = dict(in_force.upstreams), {}
        for name, endpoints in lists.items():
            reason = loops(full, name)
            if reason:
                watchers[name].refuse(self._in_force.get(name), reason)
            elif full.upstreams[name] != in_force.upstreams[name]:
                upstreams[name], changed[name] = full.upstreams[name], endpoints
            else:
                self._in_force[name] = endpoints
        return in_force.model_copy(update={"upstreams": upstreams}), changed

    def published(self, lists: Lists) -> None:
        """These are in force."""
        self._in_force.update(lists)
        self._unkept.update(lists)

    async def run(self) -> None:
        """Puts in force what watchers bring, until cancelled."""
        while True:
            await self._heard.wait()
            await asyncio.sleep(_GATHERED)
            self._heard.clear()
            if not await self._publish():
                self._heard.set()
                await asyncio.sleep(_RETRIED)
                continue
            await asyncio.to_thread(self._keep, self._to_keep())
            await asyncio.sleep(_APART)

    async def _publish(self) -> bool:
        names = [
            name
            for name, watcher in self._watchers.items()
            if watcher.standing.endpoints is not self._in_force.get(name)
        ]
        try:
            return not names or await self._instance.rediscover(names)
        except ReloadFailed as error:
            if str(error) != self._told:
                # a worker that ended on the way, most likely
                _log.warning("discovered endpoints are not in force, trying again: %s", error)
                self._told = str(error)
            return False
        except LimenError:
            # one that asks for too much takes nothing from the others
            return all([await self._publish_one(name) for name in names])

    async def _publish_one(self, name: str) -> bool:
        try:
            return await self._instance.rediscover([name])
        except ReloadFailed:
            return False
        except LimenError as error:
            if name in self._watchers:
                self._watchers[name].refuse(self._in_force.get(name), str(error))
            return True

    def _to_keep(self) -> list[tuple[str, str, tuple[Endpoint, ...]]]:
        found = []
        for name in self._unkept:
            watcher = self._watchers.get(name)
            if watcher is not None and watcher.standing.origin == "source":
                found.append((name, watcher.source.text, watcher.standing.endpoints or ()))
        self._unkept.clear()
        return found

    def _keep(self, lists: Iterable[tuple[str, str, tuple[Endpoint, ...]]]) -> None:
        for name, text, endpoints in lists:
            self._kept.write(name, text, endpoints)

    # -- handover

    def dump(self) -> bytes:
        """All lists, for the successor of a handover."""
        lists = {
            name: {"source": watcher.source.text, "endpoints": encode_list(watcher.standing.endpoints)}
            for name, watcher in self._watchers.items()
            if watcher.standing.endpoints
        }
        return json.dumps(lists).encode() if lists else b""

    def load(self, content: bytes) -> None:
        """The lists of the predecessor; those that cannot be read are left out."""
        found = json.loads(content) if content else {}
        for name, entry in found.items():
            try:
                self._inherited[name] = (
                    entry["source"],
                    Listing(name, most=len(entry["endpoints"])).plain(entry["endpoints"]),
                )
            except ConfigErrors as errors:
                # of another version, perhaps
                _log.warning("upstream %s: the predecessor's list cannot be used: %s", name, errors)

    # -- reports

    def report(self) -> dict[str, dict[str, object]]:
        """By upstream: where its endpoints are from, JSON-able."""
        return {name: _reported(watcher) for name, watcher in self._watchers.items()}

    def samples(self) -> Discoveries:
        """For the exposition. Safe to call in a thread."""
        found = []
        for name, watcher in list(self._watchers.items()):
            standing = watcher.standing
            count, succeeded = len(standing.endpoints or ()), int(standing.succeeded or 0)
            found.append((name, (count, succeeded, standing.failures, standing.changes)))
        return found


def _key(upstream: Upstream, config: Config) -> object:
    """Sources with equal keys need no other watcher."""
    settings = upstream.discover
    asks = settings is not None and settings.file is None
    return settings, upstream.tls is not None, config.resolver if asks else None


def _reported(watcher: Watcher) -> dict[str, object]:
    standing = watcher.standing
    succeeded = standing.succeeded
    return {
        "source": watcher.source.text,
        "endpoints": len(standing.endpoints or ()),
        "origin": standing.origin or None,
        "succeeded": datetime.fromtimestamp(succeeded, UTC).isoformat(timespec="seconds") if succeeded else None,
        "failures": standing.failures,
        "changes": standing.changes,
        "error": standing.error or None,
    }
