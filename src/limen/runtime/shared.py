"""Memory that the supervisor makes and all workers map, beside the board: cells of limits, tables of address lists.

Neither exists before a configuration asks for it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from limen.observe import limits

if TYPE_CHECKING:
    from limen.config import Config
    from limen.runtime.lists import Lists
    from limen.runtime.process import WorkerProcess

_log = logging.getLogger("limen.supervisor")

_TIMEOUT = 10.0
# A message carries a bounded number of descriptors.
_AT_ONCE = 100


class Shared:
    """Of one instance. A handover begins with fresh cells: the new process counts from nothing."""

    def __init__(self, workers: int, lists: Lists) -> None:
        self._workers = workers
        self._lists = lists
        self.limits: int | None = None
        """Descriptor of the cells; None as long as no limit was configured."""

    def prepare(self, config: Config) -> None:
        """Makes what this configuration is the first to need."""
        if self.limits is None and has_limits(config):
            self.limits = limits.create(self._workers, config.limits.keys)

    async def send(self, process: WorkerProcess) -> None:
        """Gives a worker all there is. Raises as WorkerProcess.call."""
        if self.limits is not None:
            await process.call("limits", descriptors=[self.limits], timeout=_TIMEOUT)
        tables = self._lists.tables()
        sources = list(tables)
        for start in range(0, len(sources), _AT_ONCE):
            part = sources[start : start + _AT_ONCE]
            descriptors = [tables[source].descriptor for source in part]
            await process.call("lists", {"sources": part}, descriptors=descriptors, timeout=_TIMEOUT)

    async def reread(self, paths: Sequence[str], share: Callable[[], Awaitable[object]]) -> None:
        """Reads these lists again, and shares them if one of them is new. A broken one stays as it was."""
        wrong = await asyncio.to_thread(lambda: list(self._lists.reread(paths)))
        for line in wrong:
            _log.error("%s", line)
        if len(wrong) < len(paths):
            await share()
            _log.info("lists were read again: %s", ", ".join(paths))

    def clear(self, slots: Iterable[int]) -> None:
        """Zeroes the counts of limits that change their name."""
        if self.limits is not None:
            for slot in slots:
                limits.clear(self.limits, self._workers, slot)

    def limit_counts(self, names: Mapping[int, str]) -> list[tuple[str, tuple[int, ...]]]:
        """What was counted of each limit."""
        if self.limits is None:
            return []
        return [(names[slot], counts) for slot, counts in limits.LimitReader(self.limits).limits(names)]

    def list_sizes(self, config: Config) -> list[tuple[str, int, int, int | None]]:
        """Name, entries and bytes of each list, and of names the lines that were not understood."""
        tables = self._lists.tables()
        found = [(name, model, tables[model.source]) for name, model in config.lists.items() if model.source in tables]
        return [
            (name, table.entries, table.size, sum(count for _, count, _ in table.ignored) if model.has_names else None)
            for name, model, table in found
        ]

    def close(self) -> None:
        """Lets go of the cells."""
        if self.limits is not None:
            os.close(self.limits)
            self.limits = None


def has_limits(config: Config) -> bool:
    """Whether anything is counted in cells."""
    return any(
        listener.connections is not None
        or any(route.limit for route in listener.routes or ())
        or (listener.forward is not None and bool(listener.forward.limit))
        or (listener.forward is not None and any(rule.limit for rule in listener.forward.access or ()))
        for listener in config.listeners
    )
