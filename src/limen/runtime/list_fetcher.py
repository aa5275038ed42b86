r"""Lists behind URLs: fetched when they are due, judged, kept on disk, and only then put in force.

    due --(200)--> written beside the copy --(read, large enough)--> the copy, held
     |\--(304)--> as it was                  \--(refused)--> as it was; again after a while
     \--(failure)--> as it was; again after a while

When a copy is due is known from its age, so that a restart does not fetch all again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import ssl
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import aiohttp

from limen.egress.fetching import Unusable, open_session, pieces
from limen.egress.resolver import Resolver, resolver_of
from limen.runtime.lists import ListRefused, Lists, Table, file_of

if TYPE_CHECKING:
    from limen.config import Config
    from limen.config.models.lists import SharedList

_log = logging.getLogger("limen.supervisor")

_JITTER = 0.1
# Seconds after the first failure, and at most; doubled by each.
_FIRST_PAUSE = 60.0
_LONGEST_PAUSE = 3600.0
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}


class FetchFailed(Exception):
    """Nothing came that could be judged."""


@dataclass(slots=True)
class _State:
    """Of one URL."""

    due: float
    """Monotonic time."""
    etag: str = ""
    failures: int = 0


class ListFetcher:
    """Of one instance."""

    def __init__(self, lists: Lists) -> None:
        self._lists = lists
        self._states: dict[str, _State] = {}

    def settle(self, config: Config) -> None:
        """This configuration is in force: others are forgotten, new ones due when their copy is old."""
        wanted = {model.source: model for model in config.lists.values() if model.url is not None}
        self._states = {
            source: self._states.get(source) or _State(time.monotonic() + _wait(model))
            for source, model in wanted.items()
        }

    @property
    def next_due(self) -> float | None:
        """Monotonic time of the next request; None if there is none."""
        return min((state.due for state in self._states.values()), default=None)

    async def refresh(self, config: Config, change: asyncio.Lock) -> list[str]:
        """Fetches what is due; the names of lists that have new content, which is held and not shared yet.

        `change` is taken only to put it in the place of the former content: a reload does not wait for a slow server.
        """
        names = resolver_of(config.resolver)
        try:
            return await self._refresh(config, change, names)
        finally:
            await names.close()

    async def _refresh(self, config: Config, change: asyncio.Lock, names: Resolver) -> list[str]:
        changed = []
        for name, model in config.lists.items():
            state = self._states.get(model.source)
            if model.url is None or state is None or state.due > time.monotonic():
                continue
            try:
                if await self._fetch(model, state, names, _proxy(config, model), change):
                    changed.append(name)
                    _log.info("the list %s was fetched", name)
                state.failures = 0
                state.due = time.monotonic() + model.refresh * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 no secret
            except (FetchFailed, ListRefused, OSError) as error:
                pause = min(_FIRST_PAUSE * 2**state.failures, _LONGEST_PAUSE, max(model.refresh, 1.0))
                state.failures = min(state.failures + 1, 10)
                state.due = time.monotonic() + pause * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 no secret
                _log.warning("the list %s was not fetched, its former entries stay: %s", name, error)
        return changed

    async def _fetch(
        self, model: SharedList, state: _State, names: Resolver, proxy: str | None, change: asyncio.Lock
    ) -> bool:
        """Whether it has changed."""
        path = Path(file_of(model))
        await asyncio.to_thread(path.parent.mkdir, mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                try:
                    async with asyncio.timeout(model.timeout):
                        known = state.etag if await asyncio.to_thread(path.exists) else ""
                        etag = await _get(names, model, known, proxy, file)
                except TimeoutError:
                    raise FetchFailed(f"not whole within {model.timeout:g} s") from None
            table = await asyncio.to_thread(self._lists.read, model, name) if etag is not None else None
            async with change:
                if self._states.get(model.source) is not state:
                    if table is not None:
                        os.close(table.descriptor)
                    return False
                if table is None:
                    # its age counts from now
                    os.utime(path)
                    self._lists.seen(model)
                    return False
                self._judge(model, table)
                os.replace(name, path)
                self._lists.hold(model, table)
                self._lists.seen(model)
            state.etag = etag or ""
        finally:
            with suppress(FileNotFoundError):
                os.unlink(name)
        return True

    def _judge(self, model: SharedList, table: Table) -> None:
        """Raises ListRefused for one that is smaller than it may be."""
        before = self._lists.tables().get(model.source)
        reason = ""
        if table.entries < model.least:
            reason = f"it has {table.entries} entries, fewer than {model.least} (`least`)"
        elif before is not None and table.entries < before.entries * (100 - model.shrink) / 100:
            reason = f"it shrank from {before.entries} to {table.entries} entries, by over {model.shrink} % (`shrink`)"
        if reason:
            os.close(table.descriptor)
            raise ListRefused(reason)


def _wait(model: SharedList) -> float:
    """Seconds until a list is due that was not fetched in this process."""
    try:
        age = time.time() - os.stat(file_of(model)).st_mtime
    except OSError:
        return 0.0
    return max(0.0, model.refresh - max(age, 0.0))


def _proxy(config: Config, model: SharedList) -> str | None:
    """The URL of the listener by which a list is fetched."""
    listener = next((one for one in config.listeners if one.label == model.through), None) if model.through else None
    if listener is None:
        return None
    host = listener.bind.host
    host = _WILDCARDS.get(host) or (f"[{host}]" if ":" in host else host)
    return f"http://{host}:{listener.bind.port}"


async def _get(names: Resolver, model: SharedList, etag: str, proxy: str | None, file: IO[bytes]) -> str | None:
    """The ETag of what was written to the file; None: it has not changed. Raises FetchFailed."""
    fields = {"If-None-Match": etag} if etag else {}
    try:
        async with (
            open_session(names, trust=ssl.create_default_context()) as session,
            session.get(model.url or "", headers=fields, proxy=proxy, allow_redirects=False) as answer,
        ):
            if answer.status == 304 and etag:
                return None
            if 300 <= answer.status < 400:
                raise FetchFailed(f"the answer is {answer.status} to {answer.headers.get('Location', '?')!r}")
            if answer.status != 200:
                raise FetchFailed(f"the answer is {answer.status}")
            async for piece in pieces(answer, model.max_size, "max_size"):
                await asyncio.to_thread(file.write, piece)
            return answer.headers.get("ETag", "")
    except Unusable as error:
        raise FetchFailed(str(error)) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise FetchFailed(f"cannot be asked: {error}") from None
