r"""The supervisor: owns the sockets, the board and the crew, takes signals, and decides what happens when.

    starting --(all workers accept)--> running --(TERM, INT, drain)--> draining --(workers ended)--> ended
        |                                |  \--(USR2; successor ready)---/^
        |                                \--(HUP) reload, (USR1) reopen logs: stays running
        \--(address taken, start failed)--> ended

One lock orders every change of the estate: reloads, the configuring of fresh workers, handover. It imports no engine
module: a fault of compiled code ends a worker, never this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import logging
import os
import signal
import time
from collections.abc import Collection, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from limen.errors import LimenError
from limen.runtime import handover
from limen.runtime.changes import encode_change
from limen.runtime.crew import Crew
from limen.runtime.differences import admin_key, changes_between, count_workers, not_applied, some
from limen.runtime.discovering import Discovery
from limen.runtime.estate import Estate, Inheritance, Steering, changed, establish, retire
from limen.runtime.event_log import configure as configure_log
from limen.runtime.health import Health
from limen.runtime.instance import Instance, control_path
from limen.runtime.limits import raise_open_files
from limen.runtime.metrics import SharedBoard
from limen.runtime.names import LIMIT
from limen.runtime.options import Options
from limen.runtime.pacing import uncollected
from limen.runtime.pins import Pins
from limen.runtime.process import WorkerCommand, WorkerProcess
from limen.runtime.protocols import AdminFactory, AdminServer
from limen.runtime.provision import Loaded, Provision
from limen.runtime.reload import ReloadFailed, ReloadReport, configure, distribute, replace, share, shed_idle
from limen.runtime.reporting import Reporting
from limen.runtime.shared import Shared
from limen.runtime.upkeep import Upkeep

if TYPE_CHECKING:
    from limen.config import Config

_log = logging.getLogger("limen.supervisor")

# How long a successor that failed finishes what it has accepted, in seconds.
_ABANDONED_TIMEOUT = 5.0


class Phase(enum.Enum):
    """What the supervisor is doing."""

    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    ENDED = "ended"


class Supervisor(Reporting):
    """One instance from start to end; `run` is its life."""

    def __init__(self, loaded: Loaded, *, options: Options, admin: AdminFactory, provision: Provision) -> None:
        config = loaded.config
        self._config = config
        self.loaded = loaded
        self._provision = provision
        self._options = options
        self._version = options.version
        self._admin: AdminServer = admin(self)
        self._began = time.monotonic()
        self._phase = Phase.STARTING
        self._change = asyncio.Lock()
        self._ended = asyncio.Event()
        self._status = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._predecessor = handover.predecessor()
        self._successor: handover.Successor | None = None
        self._handed_over = False
        self._workers = count_workers(config)
        self._upkeep = Upkeep(self, provision)
        self._pins = Pins()
        self._discovery = Discovery(self, options.name)
        self._shared = Shared(self._workers, provision.lists, options)
        # In the order they come to be; None until then, for an end in the middle of the start.
        self._instance: Instance | None = None
        self._board: SharedBoard | None = None
        self._health: Health | None = None
        self._crew: Crew | None = None
        self._held: Estate | None = None

    async def run(self) -> int:
        """Starts, serves until drained, and returns the exit status. Raises LimenError when it cannot start."""
        raise_open_files()
        self._take_signals()
        starting = asyncio.create_task(self._start())
        ending = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait([starting, ending], return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
            await ending
        finally:
            for task in (starting, ending):
                task.cancel()
            await asyncio.gather(starting, ending, return_exceptions=True)
            await self._close()
        return self._status

    # -- start

    async def _start(self) -> None:
        options, workers = self._options, self._workers
        configure_log(self._config.log.level)
        self._instance = instance = self._claim()
        inheritance = self._predecessor.inheritance if self._predecessor else Inheritance()
        if self._predecessor is not None and self._predecessor.tickets:
            self._provision.rings.load(self._predecessor.tickets)
        self._discovery.load(self._predecessor.discovered if self._predecessor else b"")
        config = await self._discovery.prepare(self._config)
        if self._predecessor is not None and self._predecessor.secret:
            self._provision.secret = self._predecessor.secret
        self._settle(self.loaded)
        self._held = estate = establish(
            config,
            number=1,
            workers=workers,
            base=options.base,
            inheritance=inheritance,
            material=self.loaded.material,
            written=self._config,
            steering=Steering(self._provision.secret, self.loaded.databases, self.loaded.identity_files),
        )
        self._discovery.settle()
        self._pins.settle(estate)
        inheritance.close_rest()
        self._board = SharedBoard(workers)
        self._health = Health(self._board, workers)
        self._health.settle(estate)
        if self._predecessor is not None:
            self._health.adopt(self._predecessor.settings)
        self._shared.prepare(config)
        command = WorkerCommand(options.core, self._board.fd, options.base, config.log.level)
        self._crew = crew = Crew(
            workers,
            start=lambda number: WorkerProcess(command, number, rejected=self._note_rejected),
            configure=self._configure,
        )
        self._health.barred = partial(shed_idle, crew)
        crew.begin()
        await crew.complete()
        if self._predecessor is not None:
            await self._predecessor.take_over()
            instance.write_pid()
        await self._admin.open_control(instance.socket)
        await self._admin.open_admin(estate.admin.socket if estate.admin else None)
        self._phase = Phase.RUNNING
        for place in estate.revision.listeners:
            options.announce(f"listening on {place.address}")
        options.ready()
        self._begin(self._upkeep.run())
        self._begin(self._discovery.run())
        self._begin(self._shared.run())
        _log.info("%d workers serve revision %d (%s)", workers, estate.revision.number, estate.revision.digest)

    def _claim(self) -> Instance:
        configured = self._config.control.socket
        path = Path(configured) if configured else control_path(self._options.name)
        old = self._predecessor
        if old is not None and old.control_path == str(path):
            return Instance.inherit(path, lock=old.lock, sock=old.control)
        if old is not None:
            os.close(old.lock)
            old.control.close()
        return Instance.claim(path)

    async def _configure(self, process: WorkerProcess) -> None:
        async with self._change:
            await configure(
                process, self._estate, tickets=self._provision.tickets, pins=self._pins.payload, shared=self._shared
            )

    # -- signals

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._asked_to_end)
        loop.add_signal_handler(signal.SIGINT, self._asked_to_end)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._begin(self._reload_by_signal()))
        loop.add_signal_handler(signal.SIGUSR1, lambda: self._begin(self._reopen_logs()))
        loop.add_signal_handler(signal.SIGUSR2, lambda: self._begin(self._hand_over()))

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _asked_to_end(self) -> None:
        if self._phase is Phase.RUNNING:
            self.begin_drain()
            return
        if self._phase is Phase.DRAINING:
            _log.warning("asked to end again: ending at once")
        self._ended.set()

    async def _reload_by_signal(self) -> None:
        # A refusal is logged by reload() itself.
        with contextlib.suppress(ReloadFailed):
            await self.reload()

    async def _reopen_logs(self) -> None:
        if self._phase is not Phase.RUNNING or self._crew is None:
            return
        processes = [process for member in self._crew.ready if (process := member.ready) is not None]
        answers = await asyncio.gather(
            *(process.call("reopen", timeout=10.0) for process in processes), return_exceptions=True
        )
        for process, answer in zip(processes, answers, strict=True):
            if isinstance(answer, BaseException):
                _log.error("worker %d did not reopen its logs: %s", process.number, answer)
        _log.info("logs reopened")

    # -- reload

    async def reload(self) -> ReloadReport:
        """Reads the configuration again and puts it in force on all workers, or changes nothing: ReloadFailed."""
        try:
            async with self._change:
                done = await self._reload()
        except ReloadFailed as error:
            _log.error("reload refused, revision %d goes on: %s", self._estate.revision.number, error)
            raise
        for warning in done.warnings:
            if warning not in self.loaded.warnings:
                # those have been told when it came into force
                _log.warning("%s", warning)
        _log.info("reloaded: revision %d (%s) is in force", done.revision, done.digest)
        return done

    async def _reload(self) -> ReloadReport:
        self._demand_running()
        if self._options.load is None:
            raise ReloadFailed("this instance was not started from a file: there is nothing to read again")
        try:
            with uncollected():
                loaded = await asyncio.to_thread(self._options.load)
        except LimenError as error:
            raise ReloadFailed(str(error)) from error
        except Exception as error:
            _log.exception("loading the configuration failed")
            raise ReloadFailed(f"{type(error).__name__}: {error}", kind="internal") from error
        return await self._succeed(loaded)

    def _demand_running(self) -> None:
        if self._phase is not Phase.RUNNING:
            raise ReloadFailed(f"the instance is {self._phase.value}", kind="internal")
        if self._successor is not None:
            raise ReloadFailed("a handover is under way", kind="internal")

    async def _succeed(self, loaded: Loaded) -> ReloadReport:
        """Puts this in force on all workers, or changes nothing: ReloadFailed."""
        config = await self._discovery.prepare(loaded.config, self._estate.revision.config)
        changes = changes_between(self.loaded.config, loaded.config)
        try:
            done = await self._put_in_force(loaded, config)
        except BaseException:
            self._discovery.abandon()
            raise
        return dataclasses.replace(
            done,
            changes=changes,
            warnings=[*not_applied(self._config, loaded.config, self._workers), *loaded.warnings],
        )

    async def _put_in_force(self, loaded: Loaded, config: Config) -> ReloadReport:
        """`config` is what was loaded, with what was discovered."""
        assert self._crew is not None  # noqa: S101 running
        assert self._board is not None  # noqa: S101 running
        health = self.health
        previous = self._estate
        try:
            successor = establish(
                config,
                number=previous.revision.number + 1,
                workers=self._workers,
                base=self._options.base,
                previous=previous,
                material=loaded.material,
                written=loaded.config,
                steering=Steering(self._provision.secret, loaded.databases, loaded.identity_files),
            )
        except LimenError as error:
            raise ReloadFailed(str(error)) from error
        self._board.clear(successor.slots.reused)
        self._shared.clear(number for kind, number in successor.slots.reused if kind == LIMIT)
        self._shared.prepare(loaded.config)

        def commit() -> None:
            self._held = successor
            health.settle(successor)
            # Before the workers give up removed listeners, see _drain.
            retire(previous, successor=successor)
            self._discovery.settle()

        self._provision.prepare(loaded)
        await share(self._crew, self._shared)
        try:
            done = await replace(self._crew, previous, successor, commit=commit, tickets=self._provision.tickets)
        except ReloadFailed:
            self._provision.settle(self.loaded)
            await self._distribute_tickets()
            raise
        self._settle(loaded)
        self._pins.settle(self._estate)
        configure_log(loaded.config.log.level)
        if admin_key(previous) != admin_key(successor):
            await self._admin.open_admin(successor.admin.socket if successor.admin else None)
        return done

    async def rediscover(self, upstreams: Collection[str]) -> bool:
        """Puts the endpoints in force that discovery has for these upstreams; False if this is not the time.

        Raises ReloadFailed, or SlotsExhausted for too many.
        """
        async with self._change:
            if self._phase is not Phase.RUNNING or self._successor is not None:
                return False
            assert self._crew is not None  # noqa: S101 running
            assert self._board is not None  # noqa: S101 running
            previous = self._estate
            config, lists = self._discovery.changes(self.loaded.config, previous.revision.config, upstreams)
            if not lists:
                return True
            successor = changed(previous, config, lists)
            self._board.clear(successor.slots.reused)

            def commit() -> None:
                self._held = successor
                self.health.settle(successor)

            change = encode_change(previous.revision, successor.revision, lists)
            await replace(self._crew, previous, successor, commit=commit, change=change)
            self._discovery.published(lists)
        _log.info("discovered endpoints of %s are in force", some(lists))
        return True

    # -- upkeep of TLS

    def _settle(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self._provision.settle(loaded)
        self._upkeep.settled(loaded)

    async def renew(self) -> bool:
        """Reads all files of TLS again and puts what changed in force; False when there was nothing, or it failed."""
        try:
            async with self._change:
                self._demand_running()
                loaded = await asyncio.to_thread(self._provision.renew, self.loaded)
                if loaded.equals(self.loaded):
                    self._settle(loaded)
                    return False
                done = await self._succeed(loaded)
        except LimenError as error:
            _log.error("changed files were not taken, revision %d goes on: %s", self._estate.revision.number, error)
            return False
        _log.info("changed files were read: revision %d is in force", done.revision)
        return True

    async def turn_tickets(self) -> None:
        """Lets ticket keys whose time has come encrypt no more, and tells all workers."""
        async with self._change:
            self._provision.rings.turn()
            await self._distribute_tickets()

    async def renew_lists(self, paths: Sequence[str]) -> None:
        """Reads lists again and puts them in force on all workers; a broken one stays as it was."""
        async with self._change:
            if self._phase is Phase.RUNNING and self._crew is not None:
                await self._shared.reread(paths, partial(share, self._crew, self._shared))

    async def fetch_lists(self) -> None:
        """Fetches the lists that are due, and puts what is new in force on all workers."""
        changed = await self._provision.fetcher.refresh(self.loaded.config, self._change)
        async with self._change:
            if changed and self._phase is Phase.RUNNING and self._crew is not None:
                await share(self._crew, self._shared)

    def _note_rejected(self, fields: Mapping[str, object]) -> None:
        if self._pins.note(fields):
            # a pseudonym is made with a key that only workers have
            hidden = self.loaded.config.log.privacy.targets in ("pseudonym", "none")
            _log.info("clients pin %s: it passes from now on", "a host" if hidden else fields.get("host"))
            self._begin(self._distribute_pins())

    async def _distribute_pins(self) -> None:
        async with self._change:
            if self._crew is not None:
                await distribute(self._crew, self._pins.payload, "pins")

    async def _distribute_tickets(self) -> None:
        tickets = self._provision.tickets
        if tickets and self._crew is not None:
            await distribute(self._crew, tickets)

    # -- handover

    async def _hand_over(self) -> None:
        if self._phase is not Phase.RUNNING or self._successor is not None or self._instance is None:
            _log.warning("handover refused: %s", "one is under way" if self._successor else self._phase.value)
            return
        try:
            async with self._change:
                self._successor = successor = handover.Successor(
                    self._estate,
                    self._instance,
                    tickets=self._provision.rings.dump(),
                    discovered=self._discovery.dump(),
                    settings=self.health.settings(),
                    secret=self._provision.secret,
                )
            _log.info("handover: process %d takes over when its workers accept", successor.pid)
            await successor.ready()
            if self._is_ending():
                # Asked to end meanwhile: then both end.
                await successor.abandon()
                return
        except (handover.HandoverFailed, OSError) as error:
            _log.error("handover failed, this process goes on: %s", error)
            self._successor = None
            return
        self._handed_over = True
        await self._admin.close()
        successor.release()
        _log.info("handover: process %d has taken over", successor.pid)
        self.begin_drain()

    def _is_ending(self) -> bool:
        return self._phase is not Phase.RUNNING

    # -- drain

    def begin_drain(self) -> None:
        """As SIGTERM; does nothing unless running."""
        if self._phase is Phase.RUNNING:
            self._phase = Phase.DRAINING
            timeout = self._estate.revision.config.drain.timeout
            _log.info("draining, at most %g s", timeout)
            self._begin(self._drain(timeout))

    async def _drain(self, timeout: float) -> None:
        try:
            if self._successor is not None and not self._handed_over:
                await self._successor.abandon()
            if self._crew is not None:
                # First, so that a worker's descriptor is the last one: it takes the whole backlog and closes at once,
                # and nobody connects to what nobody accepts from any more, only to be reset.
                self._estate.close(unlink=not self._handed_over)
                await self._crew.stop_accepting(timeout=timeout)
                await self._crew.drained(timeout=timeout)
        finally:
            self._ended.set()

    async def _close(self) -> None:
        """The end, from wherever: no process, path or descriptor stays behind."""
        self._phase = Phase.ENDED
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._discovery.close()
        if self._health is not None:
            await self._health.close()
        if self._crew is not None:
            if self._predecessor is not None and not self._predecessor.taken:
                # A handover that came to nothing: what our first workers accepted of the shared sockets is answered.
                await self._crew.stop_accepting(timeout=_ABANDONED_TIMEOUT)
                await self._crew.drained(timeout=_ABANDONED_TIMEOUT)
            await self._crew.kill()
        await self._admin.close()
        # What was inherited and not yet taken over, or handed over, has its path for another process.
        ours = not self._handed_over and (self._predecessor is None or self._predecessor.taken)
        if self._held is not None:
            self._held.close(unlink=ours)
        if self._instance is not None:
            self._instance.release(unlink=ours)
        if self._board is not None:
            self._board.close()
        self._shared.close()

    @property
    def _estate(self) -> Estate:
        if self._held is None:
            raise LimenError("the instance has not started yet")
        return self._held
