"""Memory that the supervisor makes and all workers map, beside the board: cells of limits, the file of
quotas, tables of address lists.

None exists before a configuration asks for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from limen.config.shielding import every_limit
from limen.errors import LimenError
from limen.observe import limits, quotas
from limen.tls.state import state_directory

if TYPE_CHECKING:
    from limen.config import Config
    from limen.runtime.lists import Lists
    from limen.runtime.options import Options
    from limen.runtime.process import WorkerProcess

_log = logging.getLogger("limen.supervisor")

_TIMEOUT = 10.0
# A message carries a bounded number of descriptors.
_AT_ONCE = 100
# Seconds between two writes of the file of quotas.
_SYNC_INTERVAL = 5.0


class Shared:
    """Of one instance. A handover begins with fresh cells: the new process counts from nothing. The file of quotas is
    the same for both processes, and for those that come after.
    """

    def __init__(self, workers: int, lists: Lists, options: Options) -> None:
        self._workers = workers
        self._lists = lists
        self._options = options
        self.limits: int | None = None
        """Descriptor of the cells; None as long as no limit was configured."""
        self.quotas: int | None = None
        """Descriptor of the file of quotas; None as long as no quota was configured."""

    def prepare(self, config: Config) -> None:
        """Makes what this configuration is the first to need."""
        if self.limits is None and has_limits(config):
            self.limits = limits.create(self._workers, config.limits.keys)
        if self.quotas is None and has_quotas(config):
            self.quotas = self._open_quotas(config)

    def _open_quotas(self, config: Config) -> int:
        name = hashlib.blake2b(self._options.name.encode(), digest_size=8).hexdigest()
        path = Path(self._options.base, config.limits.quota_file or state_directory() / f"quotas-{name}.state")
        try:
            descriptor = quotas.open_file(path, config.limits.keys)
        except (OSError, ValueError) as error:
            raise LimenError(f"the file of quotas {path} cannot be used ({error}); see `limits.quota_file`") from error
        with contextlib.suppress(BlockingIOError):
            # nobody else counts here: what a killed worker has left half done is freed
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            quotas.free_busy(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return descriptor

    async def run(self) -> None:
        """Writes what quotas have counted to the disk, every few seconds: an end of the machine loses no more."""
        while True:
            await asyncio.sleep(_SYNC_INTERVAL)
            if self.quotas is not None:
                await asyncio.to_thread(os.fsync, self.quotas)

    async def send(self, process: WorkerProcess) -> None:
        """Gives a worker all there is. Raises as WorkerProcess.call."""
        if self.limits is not None:
            await process.call("limits", descriptors=[self.limits], timeout=_TIMEOUT)
        if self.quotas is not None:
            await process.call("quotas", descriptors=[self.quotas], timeout=_TIMEOUT)
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
        if self.quotas is not None:
            os.close(self.quotas)
            self.quotas = None


def has_limits(config: Config) -> bool:
    """Whether anything is counted in cells."""
    return any(
        listener.connections is not None
        or any(route.limit for route in listener.routes or ())
        or (listener.forward is not None and bool(listener.forward.limit))
        or (listener.stream is not None and bool(listener.stream.limit))
        or (listener.forward is not None and any(rule.limit for rule in listener.forward.access or ()))
        for listener in config.listeners
    )


def has_quotas(config: Config) -> bool:
    """Whether anything is counted in the file of quotas."""
    return any(limit.quota is not None for _, found in every_limit(config) for limit in found)
