r"""The crew: all workers of the supervisor, each kept alive by one task that owns its life.

    starting --(hello, configured)--> ready --(exit)--> waiting --(back-off over)--> starting
        |                               |  \--(silent)--> killed --> waiting
        |                               \--(stop_accepting)--> draining --(exit)--> ended
        \--(exit, refusal)--> waiting; before the crew was ever complete: the start fails

All state changes of a worker live in this file.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from limen.errors import LimenError
from limen.runtime.channel import CallFailed, ChannelClosed
from limen.runtime.process import WorkerProcess, describe_exit
from limen.runtime.sockets import BindError

_log = logging.getLogger("limen.supervisor")

FIRST_DELAY = 0.1
LAST_DELAY = 5.0
# A worker that lived this long (seconds) is started again without the delays of earlier failures.
STEADY = 10.0
# So many failures in a row are reported as a crash loop.
LOOP_FAILURES = 5
# So many failures before the crew was ever complete end the start.
START_ATTEMPTS = 3
# Seconds from exec to hello: a cold machine may load Python slowly.
HELLO_TIMEOUT = 60.0
# A worker is asked every so many seconds, and killed when it left so many questions unanswered: silent for 10 s.
PING_INTERVAL = 2.0
PING_LIMIT = 5


class State(enum.Enum):
    """What a worker is doing."""

    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"
    DRAINING = "draining"
    ENDED = "ended"


class StartFailed(LimenError):
    """The workers could not be started; `status` is the exit status that fits (2: the configuration)."""

    def __init__(self, text: str, *, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


@dataclass(slots=True)
class Member:
    """One worker number and what currently stands for it."""

    number: int
    state: State = State.STARTING
    process: WorkerProcess | None = None
    restarts: int = 0
    failures: int = 0
    """In a row, without a steady time between."""
    since: float = field(default_factory=time.monotonic)
    live: Mapping[str, object] = field(default_factory=dict)
    revision: int = 0
    unanswered: int = 0
    watched: bool = True
    """False while the worker does something heavy that has its own deadline."""

    @property
    def ready(self) -> WorkerProcess | None:
        """The process if it serves, else None."""
        return self.process if self.state is State.READY else None


class Crew:
    """`configure(process)` brings a fresh worker to the revision in force, listening; it raises when it cannot."""

    def __init__(
        self,
        count: int,
        *,
        start: Callable[[int], WorkerProcess],
        configure: Callable[[WorkerProcess], Awaitable[None]],
    ) -> None:
        self.members = tuple(Member(number) for number in range(count))
        self._start = start
        self._configure = configure
        self._tasks: list[asyncio.Task[None]] = []
        self._pings: set[asyncio.Task[None]] = set()
        self._ending = False
        self._complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def begin(self) -> None:
        """Starts all workers; `complete` tells when they serve."""
        self._tasks = [asyncio.create_task(self._live(member)) for member in self.members]
        self._tasks.append(asyncio.create_task(self._beat()))

    async def complete(self) -> None:
        """Waits until every worker accepts connections for the first time. Raises StartFailed."""
        await asyncio.shield(self._complete)

    @property
    def ready(self) -> list[Member]:
        """The members that serve now."""
        return [member for member in self.members if member.ready is not None]

    async def stop_accepting(self, *, timeout: float) -> None:
        """Begins the drain: returns when no worker accepts any more (or does not answer)."""
        self._ending = True
        answers = []
        for member in self.members:
            if (process := member.ready) is not None:
                answers.append(process.call("drain", {"timeout": timeout}, timeout=5.0))
            elif member.process is not None:
                member.process.kill()
            if member.process is not None:
                member.state = State.DRAINING
        await asyncio.gather(*answers, return_exceptions=True)

    async def drained(self, *, timeout: float, grace: float = 2.0) -> None:
        """After `stop_accepting`: returns when all have ended; kills what is left after `timeout` + `grace` seconds."""
        left = self._processes()
        if left:
            await asyncio.wait([process.exited for process in left], timeout=timeout + grace)
        for process in self._processes():
            _log.warning("worker %d did not end in time: killing it", process.number)
        await self.kill()

    async def kill(self) -> None:
        """Ends every worker at once; returns when all are gone."""
        self._ending = True
        left = self._processes()
        for process in left:
            process.kill()
        if left:
            await asyncio.wait([process.exited for process in left])
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for member in self.members:
            member.state = State.ENDED

    def _processes(self) -> list[WorkerProcess]:
        found = [member.process for member in self.members if member.process is not None]
        return [process for process in found if not process.exited.done()]

    # -- one worker

    async def _live(self, member: Member) -> None:
        while not self._ending:
            ended = await self._run_once(member)
            if self._is_over():
                break
            member.state = State.WAITING
            member.restarts += 1
            delay = min(LAST_DELAY, FIRST_DELAY * 2 ** min(member.failures - 1, 10))
            _log.error("worker %d %s, starting it again in %.1f s", member.number, ended, delay)
            if member.failures == LOOP_FAILURES:
                _log.error("worker %d is in a crash loop: it failed %d times in a row", member.number, member.failures)
            await asyncio.sleep(delay)
        member.state = State.ENDED

    def _is_over(self) -> bool:
        """The end was asked for, or the start has failed and somebody is about to ask."""
        return self._ending or (self._complete.done() and self._complete.exception() is not None)

    async def _run_once(self, member: Member) -> str:
        """From start to exit of one process; never raises. Returns how it ended."""
        member.state, member.since, member.unanswered, member.live = State.STARTING, time.monotonic(), 0, {}
        try:
            process = member.process = self._start(member.number)
        except OSError as error:
            self._failed(member, StartFailed(f"worker {member.number} cannot be started: {error}"))
            return f"cannot be started ({error})"
        try:
            async with asyncio.timeout(HELLO_TIMEOUT):
                await process.hello
            await self._configure(process)
            self._serves(member)
            await process.exited
        except CallFailed as error:
            process.kill()
            await process.exited
            status = 1 if error.kind == "internal" else 2
            self._failed(member, StartFailed(str(error), status=status), final=True)
            return f"refuses the configuration ({error})"
        except BindError as error:
            process.kill()
            await process.exited
            self._failed(member, StartFailed(str(error)), final=True)
            return f"has no address to serve ({error})"
        except (ChannelClosed, TimeoutError) as error:
            process.kill()
            ended = describe_exit(await process.exited)
            reason = f"{ended} ({type(error).__name__})"
            self._failed(member, StartFailed(f"worker {member.number} ended before it could serve: {reason}"))
        else:
            ended = describe_exit(process.exited.result())
            steady = time.monotonic() - member.since > STEADY
            member.failures = 1 if steady else member.failures + 1
        return f"died (pid {process.pid}, {ended})"

    def _serves(self, member: Member) -> None:
        if self._ending:
            return
        member.state, member.since = State.READY, time.monotonic()
        if not self._complete.done() and all(other.ready for other in self.members):
            self._complete.set_result(None)

    def _failed(self, member: Member, error: StartFailed, *, final: bool = False) -> None:
        member.failures += 1
        if (final or member.failures >= START_ATTEMPTS) and not self._complete.done():
            self._complete.set_exception(error)
            self._complete.exception()  # seen: `complete` raises it where it is awaited

    # -- heartbeats

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(PING_INTERVAL)
            for member in self.members:
                if (process := member.ready) is None or not member.watched:
                    member.unanswered = 0
                elif member.unanswered >= PING_LIMIT:
                    _log.error("worker %d was killed: no answer for %.0f s", member.number, PING_LIMIT * PING_INTERVAL)
                    process.kill()
                else:
                    # Counted in questions, not by the clock: a supervisor that was stopped itself accuses nobody.
                    member.unanswered += 1
                    task = asyncio.create_task(self._ping(member, process))
                    self._pings.add(task)
                    task.add_done_callback(self._pings.discard)

    async def _ping(self, member: Member, process: WorkerProcess) -> None:
        try:
            answer = await process.call("ping", timeout=PING_INTERVAL * (PING_LIMIT + 1))
        except (ChannelClosed, CallFailed, TimeoutError):
            return
        if member.process is process:
            _take(member, answer.fields)

    async def refresh(self, *, timeout: float = 1.0) -> None:
        """Asks all serving workers for their counts now, for a report."""
        members = self.ready

        async def ask(member: Member) -> None:
            process = member.process
            if process is not None:
                answer = await process.call("ping", timeout=timeout)
                _take(member, answer.fields)

        await asyncio.gather(*(ask(member) for member in members), return_exceptions=True)


def _take(member: Member, fields: Mapping[str, object]) -> None:
    member.unanswered = 0
    live, revision = fields.get("live"), fields.get("revision")
    if isinstance(live, dict):
        member.live = live
    if isinstance(revision, int):
        member.revision = revision
