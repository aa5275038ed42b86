r"""Putting a new revision in force: all workers or none.

    load + check --> bind new sockets --> prepare on every worker --> unlisten removed, publish, listen added
         |                 |                        |
         error             error                    refusal: discard everywhere, close what was bound
         \-----------------\-----------------------\--> ReloadFailed; the running revision goes on, untouched

A worker that dies on the way is no reason to stop: whatever is in force when it comes back is what it gets.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from limen.errors import LimenError
from limen.runtime.channel import CallFailed, ChannelClosed, Message
from limen.runtime.crew import Crew, Member
from limen.runtime.estate import Estate, abandon
from limen.runtime.process import WorkerProcess
from limen.runtime.revision import encode
from limen.runtime.shared import Shared

_log = logging.getLogger("limen.supervisor")

# Building tables and importing hooks, and everything after it, in seconds.
PREPARE_TIMEOUT = 60.0
PUBLISH_TIMEOUT = 10.0


class ReloadFailed(LimenError):
    """The new revision is not in force; the text says why. `kind`: config (the user's to mend) or internal."""

    def __init__(self, text: str, *, kind: str = "config") -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """What a reload did."""

    revision: int
    digest: str
    added: Sequence[str] = ()
    removed: Sequence[str] = ()
    changes: Sequence[str] = ()
    """What differs, one line each; the first of them."""
    warnings: Sequence[str] = ()


async def configure(
    process: WorkerProcess, estate: Estate, *, tickets: bytes = b"", pins: bytes = b"", shared: Shared | None = None
) -> None:
    """Brings a fresh worker to the estate, accepting; `tickets`: the keys of all listeners.

    Raises CallFailed, ChannelClosed, BindError or TimeoutError.
    """
    number = estate.revision.number
    await send_databases(process, estate)
    if tickets:
        await process.call("tickets", payload=tickets, timeout=PUBLISH_TIMEOUT)
    if pins:
        await process.call("pins", payload=pins, timeout=PUBLISH_TIMEOUT)
    if shared is not None:
        await shared.send(process)
    await process.call("prepare", {"number": number}, payload=encode(estate.revision), timeout=PREPARE_TIMEOUT)
    await process.call("publish", {"number": number}, timeout=PUBLISH_TIMEOUT)
    estate.open(estate.listeners, worker=process.number)
    await _listen(process, estate, estate.listeners)


async def send_databases(process: WorkerProcess, estate: Estate) -> None:
    """The MMDB files of an estate, before a revision names them. Raises as `call`."""
    if estate.databases.memories:
        await process.call(
            "databases",
            {"digests": list(estate.databases.digests)},
            descriptors=estate.databases.descriptors,
            timeout=PUBLISH_TIMEOUT,
        )


async def distribute(crew: Crew, tickets: bytes, kind: str = "tickets") -> None:
    """New ticket keys (or `pins`) for every worker that serves; one that does not take them is started anew."""

    async def send(process: WorkerProcess) -> None:
        await process.call(kind, payload=tickets, timeout=PUBLISH_TIMEOUT)

    for process, failure in await _each(crew.ready, send):
        _log.error("worker %d did not take %s (%s): killing it", process.number, kind, failure)
        process.kill()


def shed_idle(crew: Crew) -> None:
    """Endpoints were taken out: every worker that serves closes what rests towards them. Nobody waits for it."""
    for member in crew.ready:
        if (process := member.ready) is not None:
            # one that is gone rests nothing
            with contextlib.suppress(ChannelClosed):
                process.channel.send(Message("shed_idle"))


async def share(crew: Crew, shared: Shared) -> None:
    """Shared memory for every worker that serves; one that does not take it is started anew."""
    for process, failure in await _each(crew.ready, shared.send):
        _log.error("worker %d did not take shared memory (%s): killing it", process.number, failure)
        process.kill()


async def replace(
    crew: Crew,
    previous: Estate,
    successor: Estate,
    *,
    commit: Callable[[], None],
    tickets: bytes = b"",
    change: bytes = b"",
) -> ReloadReport:
    """Takes every worker from one estate to the next. Raises ReloadFailed; `successor` is abandoned then.

    `commit` is called when every worker has agreed: from then on a worker that starts gets the successor. `tickets`:
    the keys of all listeners of both estates. `change`: what to send instead of the whole revision.
    """
    revision = successor.revision
    members = crew.ready
    removed = [key for key in previous.listeners if key not in successor.listeners]
    added = [key for key in successor.listeners if key not in previous.listeners]
    # whoever serves has the previous revision in force: its certificates need not be sent again
    payload = change or encode(revision, known=previous.revision.material.pairs)
    if tickets:
        await distribute(crew, tickets)
    try:
        await _prepare(members, payload, successor)
        successor.open(added)
    except LimenError as error:
        await _each(
            members, lambda process: process.call("discard", {"number": revision.number}, timeout=PUBLISH_TIMEOUT)
        )
        abandon(successor, previous=previous)
        if isinstance(error, ReloadFailed):
            raise
        raise ReloadFailed(str(error)) from error
    commit()

    async def publish(process: WorkerProcess) -> None:
        if removed:
            await process.call("unlisten", {"keys": removed}, timeout=PUBLISH_TIMEOUT)
        await process.call("publish", {"number": revision.number}, timeout=PUBLISH_TIMEOUT)
        await _listen(process, successor, added)

    for process, failure in await _each(members, publish):
        # Half a revision is worse than a restart: its successor begins with the whole one.
        _log.error("worker %d did not take revision %d (%s): killing it", process.number, revision.number, failure)
        process.kill()
    return ReloadReport(revision.number, revision.digest, added, removed)


async def _prepare(members: Sequence[Member], payload: bytes, successor: Estate) -> None:
    async def prepare(process: WorkerProcess) -> None:
        await send_databases(process, successor)
        await process.call("prepare", {"number": successor.revision.number}, payload=payload, timeout=PREPARE_TIMEOUT)

    for member in members:
        member.watched = False
    try:
        failed = await _each(members, prepare)
    finally:
        for member in members:
            member.watched = True
    if failed:
        process, error = failed[0]
        if isinstance(error, CallFailed):
            raise ReloadFailed(str(error), kind="internal" if error.kind == "internal" else "config")
        raise ReloadFailed(
            f"worker {process.number} did not prepare: {error!s} ({type(error).__name__})", kind="internal"
        )


async def _each(
    members: Iterable[Member], action: Callable[[WorkerProcess], Awaitable[object]]
) -> list[tuple[WorkerProcess, Exception]]:
    """Does it on all workers at once; returns those on which it failed."""

    async def one(process: WorkerProcess) -> tuple[WorkerProcess, Exception] | None:
        try:
            await action(process)
        except (CallFailed, ChannelClosed, TimeoutError) as error:
            return process, error
        return None

    processes = [process for member in members if (process := member.ready) is not None]
    results = await asyncio.gather(*(one(process) for process in processes))
    return [failure for failure in results if failure is not None]


async def _listen(process: WorkerProcess, estate: Estate, keys: Iterable[str]) -> None:
    all_keys, descriptors = estate.descriptors_for(process.number, keys)
    # A message carries a bounded number of descriptors.
    for start in range(0, len(all_keys), 100):
        part = slice(start, start + 100)
        await process.call("listen", {"keys": all_keys[part]}, descriptors=descriptors[part], timeout=PUBLISH_TIMEOUT)
