"""The core of a worker: the engine with everything that Python does for it.

Implements limen.runtime.protocols.WorkerCore. One loop, one engine; look-ups, hooks, time windows and the flushing
of the access log are tasks on that loop.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from limen.egress.resolver import Resolver, resolver_of
from limen.engine.board import Board
from limen.engine.cells import LimitCells
from limen.engine.engine import Engine
from limen.engine.identity import IdentityCache
from limen.engine.quotas import QuotaCells
from limen.engine.warm import Warmer
from limen.observe.board import WorkerCell
from limen.policy import schedule
from limen.runtime import census
from limen.runtime.assemble import adapt, assemble
from limen.runtime.assembly import Adapted, Assembly
from limen.runtime.bridges import Surroundings
from limen.runtime.captures import Recorder, Recorders
from limen.runtime.changes import apply_change, is_change
from limen.runtime.contexts import NO_KEY_LOG, KeyLog, TicketHold
from limen.runtime.event_log import configure
from limen.runtime.guards import empty_list
from limen.runtime.hooking import HookRunner
from limen.runtime.identity.desk import Desk
from limen.runtime.locating import DatabaseHold, places_of
from limen.runtime.log_settings import access_log_of, audit_log_of, discretion_of
from limen.runtime.own_addresses import own_addresses
from limen.runtime.pacing import paced
from limen.runtime.pins import decode_pins
from limen.runtime.revision import Parts, Revision, unpack
from limen.runtime.talkers import Keeper

if TYPE_CHECKING:
    from limen.engine.access import AccessTable
    from limen.engine.host_lists import HostList
    from limen.engine.journal import Journal
    from limen.engine.lists import AddressList
    from limen.engine.places import Places
    from limen.engine.upstream import Upstream
    from limen.observe.access_log import AccessLog
    from limen.policy.specs import Window
    from limen.runtime.protocols import Log

_LEVELS = {10: "debug", 20: "info", 30: "warning", 40: "error"}
# Longest sleep of the schedule's task: a clock that is set is noticed within this time, seconds.
_SCHEDULE_NAP = 30.0


@dataclass(frozen=True, slots=True)
class _Prepared:
    assembly: Assembly
    parts: Parts
    places: Places | None
    journal: Journal | None
    audit: Journal | None = None
    recorders: Mapping[str, Recorder] = field(default_factory=dict)
    adapted: Adapted | None = None
    """Of a change: the assembly differs from the one in force only so."""


class Core:
    """What one worker process runs."""

    def __init__(self, *, worker: int, board: int | None, log: Log) -> None:
        self._log = log
        self._number = worker
        self._board = Board(board, worker)
        self._board.reset_gauges()
        if board is not None:
            # mapped: the descriptor has done its work
            os.close(board)
        self._hooks = HookRunner(self._start)
        self._desk = Desk(self._start, self._board.count)
        self._engine = Engine(
            number=worker,
            board=self._board,
            resolve=self._resolve,
            run_hook=self._hooks.run,
            identify=self._desk.verify,
            report=self._report,
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._resolver: Resolver | None = None
        self._prepared: dict[int, _Prepared] = {}
        self._parts = Parts()
        self._tickets = TicketHold()
        self._key_logs: dict[str, KeyLog] = {}
        self._pins = b""
        self._databases = DatabaseHold()
        self._lists: dict[str, AddressList | HostList] = {}
        self._recorders = Recorders(self._start, self._board.count)
        self._warmers: dict[Upstream, Warmer] = {}
        self._surroundings = Surroundings(
            self._tickets,
            self._start,
            self._reject,
            lambda: self._desk.discretion,
            lists=self._lists,
            names=self._names_in_force,
        )
        self.rejected: Callable[[Mapping[str, object]], None] | None = None
        """Hears of rejected leaves, as limen.runtime.pins.Pins.note takes them."""
        self._force: Assembly | None = None
        self._journal: Journal | None = None
        self._access_log: AccessLog | None = None
        self._audit: Journal | None = None
        self._audit_log: AccessLog | None = None
        self._checking: asyncio.Task[None] | None = None
        self._keeper = Keeper(self._engine)
        self._lost = 0
        self._housekeeping: list[asyncio.Task[None]] = []

    def loop_factory(self) -> asyncio.AbstractEventLoop:
        """See WorkerCore."""
        return asyncio.SelectorEventLoop(self._engine.selector())

    # Revisions

    async def prepare(self, payload: bytes, number: int) -> None:
        """Compile a revision, and open its access log; nothing in force changes, connections are served meanwhile."""
        if is_change(payload) and self._force is not None:
            revision, names = apply_change(payload, self._force.revision)
            adapted = await paced(adapt(self._engine, revision, self._force, names))
            self._prepared[number] = _Prepared(
                adapted.assembly, self._parts, self._engine.places, self._journal, self._audit, adapted=adapted
            )
            return
        parts = Parts()
        revision = await paced(unpack(payload, self._parts, parts))
        recorders = self._recorders.prepare(revision)
        try:
            self._prepared[number] = await self._assembled(revision, parts, recorders)
        except BaseException:
            self._recorders.discard(recorders)
            raise

    async def _assembled(self, revision: Revision, parts: Parts, recorders: Mapping[str, Recorder]) -> _Prepared:
        captures = {name: one.capture for name, one in recorders.items()}
        surroundings = replace(self._surroundings, key_log=self._open_key_log(revision), captures=captures)
        assembly = await paced(assemble(self._engine, revision, self._force, surroundings))
        if self._pins:
            assembly.bridges.adopt(decode_pins(self._pins))
        journals = self._open_journal(revision), self._open_audit(revision)
        return _Prepared(assembly, parts, self._places(revision), *journals, recorders)

    def _places(self, revision: Revision) -> Places | None:
        """Those in force, with all that they have learnt, if nothing of them has changed."""
        before = self._force.revision if self._force is not None else None
        if before is not None and (before.config.places, before.databases) == (
            revision.config.places,
            revision.databases,
        ):
            return self._engine.places
        return places_of(revision.config.places, self._databases.named(revision.databases))

    def _open_key_log(self, revision: Revision) -> KeyLog:
        """The present one if it is the same file. A former one stays open: connections may write to it yet."""
        path = revision.config.log.tls_keys
        if path is None:
            return NO_KEY_LOG
        path = os.path.join(revision.base, path)
        if path not in self._key_logs:
            self._key_logs[path] = KeyLog.open(path)
            self._log("warning", f"secrets of all TLS connections are written to {path}")
        return self._key_logs[path]

    def _open_journal(self, revision: Revision) -> Journal | None:
        """A new journal if the access log's settings have changed; the present one otherwise."""
        settings = access_log_of(revision)
        if settings == self._access_log:
            return self._journal
        return settings.open() if settings is not None else None

    def _open_audit(self, revision: Revision) -> Journal | None:
        """As `_open_journal`, of the audit log."""
        settings = audit_log_of(revision)
        if settings == self._audit_log:
            return self._audit
        return settings.open() if settings is not None else None

    def publish(self, number: int) -> None:
        """Put a prepared revision in force; others that were prepared are dropped."""
        prepared = self._prepared.pop(number)
        for other in [*self._prepared]:
            self.discard(other)
        assembly, self._parts = prepared.assembly, prepared.parts
        previous, self._force = self._force, assembly
        if prepared.adapted is not None and previous is not None:
            prepared.adapted.settle()
            _retire(previous, assembly)
            self.shed_idle()
            return
        self._set_audit(prepared.audit, audit_log_of(assembly.revision))
        revision = assembly.revision
        config = revision.config
        self._set_journal(prepared.journal, access_log_of(revision))
        self._recorders.publish(prepared.recorders)
        if previous is None or previous.revision.config.resolver != config.resolver:
            self._set_resolver(revision)
        self._engine.max_connections = config.limits.connections
        self._engine.resting_most = config.limits.idle_connections
        self._engine.set_own(own_addresses(revision.own_addresses))
        self._engine.places = prepared.places
        self._surroundings.adapters.take(config.icap)
        if config.identities and self._engine.identities is None:
            self._engine.identities = IdentityCache()
        self._engine.publish(assembly.services)
        self._databases.keep(revision.databases)
        if previous is not None:
            _retire(previous, assembly)
            for key in assembly.contexts.asking_otherwise(previous.contexts):
                # whom they let in is not let in any more, or was never asked
                self._engine.renew(key)
        used = {model.source for model in config.lists.values()}
        for source in self._lists.keys() - used:
            # tables that name it keep it as long as they live
            del self._lists[source]
        configure(config.log.level)
        discretion = self._desk.discretion = self._engine.discretion = discretion_of(revision)
        self._keeper.follow(discretion if config.log.talkers else None)
        self._keep_warm(assembly)
        self._restart_housekeeping()
        if previous is not None:
            self.recheck()

    def _keep_warm(self, assembly: Assembly) -> None:
        wanted = {upstream for upstream in assembly.upstreams.values() if upstream.warm or upstream.links}
        for upstream in self._warmers.keys() - wanted:
            self._warmers.pop(upstream).stop()
        for upstream in wanted - self._warmers.keys():
            self._warmers[upstream] = Warmer(self._engine, upstream)
            self._warmers[upstream].start()

    def shed_idle(self) -> None:
        """See WorkerCore."""
        if self._force is not None:
            for endpoint in self._force.endpoints.values():
                endpoint.shed_idle()

    def discard(self, number: int) -> None:
        """Drop a prepared revision."""
        prepared = self._prepared.pop(number, None)
        if prepared is not None:
            if prepared.adapted is None:
                self._recorders.discard(prepared.recorders)
            for journal in (prepared.journal, prepared.audit):
                if journal is not None and journal not in (self._journal, self._audit):
                    journal.close()

    def _set_journal(self, journal: Journal | None, settings: AccessLog | None) -> None:
        old, self._journal, self._access_log = self._journal, journal, settings
        self._engine.set_journal(journal)
        if old is not None and old is not journal:
            self._count_lost(old)
            old.close()
            self._lost = 0

    def _set_audit(self, journal: Journal | None, settings: AccessLog | None) -> None:
        old, self._audit, self._audit_log = self._audit, journal, settings
        self._engine.set_audit(journal)
        if old is not None and old is not journal:
            old.close()

    def _names_in_force(self) -> Resolver:
        assert self._resolver is not None  # noqa: S101 published before anybody listens
        return self._resolver

    def _set_resolver(self, revision: Revision) -> None:
        old = self._resolver
        self._resolver = resolver_of(revision.config.resolver)
        if old is not None:
            self._start(old.retire())

    def take_tickets(self, payload: bytes) -> None:
        """See WorkerCore."""
        self._tickets.take(payload)

    def take_pins(self, payload: bytes) -> None:
        """See WorkerCore."""
        self._pins = payload
        if self._force is not None:
            self._force.bridges.adopt(decode_pins(payload))

    def take_databases(self, digests: Sequence[str], descriptors: Sequence[int]) -> None:
        """See WorkerCore."""
        self._databases.take(digests, descriptors)

    def take_limits(self, fd: int) -> None:
        """See WorkerCore."""
        try:
            if self._engine.cells is None:
                self._engine.cells = LimitCells(fd, self._number)
        finally:
            os.close(fd)

    def take_quotas(self, fd: int) -> None:
        """See WorkerCore."""
        try:
            if self._engine.quotas is None:
                self._engine.quotas = QuotaCells(fd)
        finally:
            os.close(fd)

    def take_lists(self, lists: Sequence[tuple[str, int]]) -> None:
        """See WorkerCore."""
        try:
            for source, fd in lists:
                if source not in self._lists:
                    self._lists[source] = empty_list(fd)
                self._lists[source].replace(fd)
        finally:
            for _, fd in lists:
                os.close(fd)
        if self._force is not None:
            self.recheck()

    def _reject(self, key: str, host: str, client: str, alert: str) -> None:
        if self.rejected is not None:
            self.rejected({"key": key, "host": host, "client": client, "alert": alert})

    # Listeners

    def listen(self, listener_key: str, fd: int) -> None:
        """See WorkerCore."""
        assert self._force is not None  # noqa: S101 the order of life
        try:
            self._engine.listen(listener_key, fd, self._force.services[listener_key])
        finally:
            # the engine has its own duplicate
            os.close(fd)

    def unlisten(self, listener_key: str) -> None:
        """See WorkerCore."""
        self._engine.unlisten(listener_key)

    def drain(self) -> None:
        """See WorkerCore."""
        self._engine.drain()

    def live(self) -> Mapping[str, int]:
        """See WorkerCore."""
        return self._engine.live()

    def status(self) -> Mapping[str, object]:
        """See WorkerCore."""
        return {"live": self._engine.live(), "engine": self._engine.counters()}

    async def explain(self, asked: Mapping[str, object]) -> Mapping[str, object]:
        """See WorkerCore."""
        # Most workers are never asked.
        from limen.runtime.explain.asked import decoded
        from limen.runtime.explain.explanation import Ground, explain

        assert self._force is not None  # noqa: S101 the order of life
        return await explain(decoded(asked), Ground(self._engine, self._force, self._names_in_force().resolve))

    async def exchanges(self, asked: Mapping[str, object]) -> Mapping[str, object]:
        """See WorkerCore."""
        return await census.survey(self._engine, self._number, asked)

    async def talkers(self, asked: Mapping[str, object]) -> Mapping[str, object]:
        """See WorkerCore."""
        return await self._keeper.survey(asked)

    async def kill(self, asked: Mapping[str, object]) -> int:
        """See WorkerCore."""
        return await census.kill(self._engine, self._number, asked)

    def recheck(self) -> None:
        """Judges what is under way again, in the background; once more if that was going on already."""
        if self._checking is not None:
            self._checking.cancel()
        self._checking = self._start(self._recheck())

    async def _recheck(self) -> None:
        count = await census.recheck(self._engine, self._desk.again)
        if count:
            self._log("warning", f"worker {self._number}: {count} exchanges and tunnels may not go on and were ended")

    def reopen_logs(self) -> None:
        """See WorkerCore."""
        for journal in (self._journal, self._audit):
            if journal is not None:
                journal.reopen()
        self._recorders.reopen()

    def stop(self) -> None:
        """See WorkerCore."""
        for task in [*self._housekeeping, *self._tasks]:
            task.cancel()
        for warmer in self._warmers.values():
            warmer.stop()
        self._engine.stop()
        for journal in (self._journal, self._audit):
            if journal is not None:
                journal.close()
        self._recorders.close()

    # What the engine asks for

    def _start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _report(self, level: int, message: str) -> None:
        self._log(_LEVELS.get(level, "error"), message)

    def _resolve(self, host: str) -> None:
        self._start(self._answer(host))

    async def _answer(self, host: str) -> None:
        answer = await self._names_in_force().resolve(host)
        self._engine.resolved(host, list(answer.addresses), answer.ttl, answer.fault)

    # Housekeeping

    def _restart_housekeeping(self) -> None:
        for task in self._housekeeping:
            task.cancel()
        self._housekeeping = []
        settings = self._access_log or self._audit_log
        if settings is not None:
            self._housekeeping.append(self._start(self._flush(settings.flush)))
        if self._force is not None:
            self._housekeeping.append(self._start(self._keep_checking(self._force.revision.config.limits.recheck)))
        if self._engine.talkers is not None:
            self._housekeeping.append(self._start(self._keeper.run()))
        if self._force is not None and self._force.tables:
            self._set_windows(self._force)
            self._housekeeping.append(self._start(self._keep_windows(self._force)))

    async def _flush(self, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            for journal in (self._journal, self._audit):
                if journal is not None and journal.pending:
                    journal.flush()
            if self._journal is not None:
                self._count_lost(self._journal)

    async def _keep_checking(self, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            self.recheck()

    def _count_lost(self, journal: Journal) -> None:
        if journal.lost > self._lost:
            self._board.count(WorkerCell.LOG_LOST, journal.lost - self._lost)
            self._lost = journal.lost

    def _set_windows(self, assembly: Assembly) -> None:
        now = time.time()
        for table in assembly.tables:
            table.set_windows(schedule.flags(_windows(table), now))

    async def _keep_windows(self, assembly: Assembly) -> None:
        while True:
            now = time.time()
            changes = [schedule.next_change(_windows(table), now) for table in assembly.tables]
            soonest = min((change for change in changes if change is not None), default=now + _SCHEDULE_NAP)
            await asyncio.sleep(min(max(soonest - now, 0.01), _SCHEDULE_NAP))
            self._set_windows(assembly)
            if soonest <= time.time():
                self.recheck()


def _retire(previous: Assembly, assembly: Assembly) -> None:
    """Endpoints that left finish what they have."""
    for key, endpoint in previous.endpoints.items():
        if key not in assembly.endpoints:
            endpoint.retire()


def _windows(table: AccessTable) -> list[Window]:
    # the engine numbers them and knows nothing else of them
    return cast("list[Window]", table.windows)
