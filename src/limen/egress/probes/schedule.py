"""Whose turn it is: one heap of due times for all endpoints, and a bounded number of probes at a time.

The first probe of an endpoint is due at once, its second after a random part of the interval: so ten thousand endpoints
that came together do not stay together. After that the interval with its jitter, from the end of one to the next.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from limen.egress.probes.asking import Finding, Resolve, ask
from limen.egress.probes.question import Question

#: Probes under way at a time.
AT_ONCE = 256

Tell = Callable[[str, Finding], None]
"""Hears of each probe's end, with the endpoint's name."""


@dataclass(slots=True, eq=False)
class _Turn:
    name: str
    question: Question
    rounds: int = 0


class Schedule:
    """Probes the endpoints it was given, until it is closed; `tell` hears of every finding."""

    def __init__(self, resolve: Resolve, tell: Tell, *, at_once: int = AT_ONCE) -> None:
        self._resolve = resolve
        self._tell = tell
        self._turns: dict[str, _Turn] = {}
        self._due: list[tuple[float, int, _Turn]] = []
        self._numbers = itertools.count()
        self._places = asyncio.Semaphore(at_once)
        self._woken = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: asyncio.Task[None] | None = None

    def settle(self, questions: Mapping[str, Question]) -> None:
        """These are to be probed from now on, by name; who has the same question as before keeps its turn."""
        loop = asyncio.get_running_loop()
        before, self._turns = self._turns, {}
        for name, question in questions.items():
            turn = before.get(name)
            if turn is None or turn.question != question:
                turn = _Turn(name, question)
                self._enqueue(turn, loop.time())
            self._turns[name] = turn
        self._due = [entry for entry in self._due if self._is_wanted(entry[2])]
        heapq.heapify(self._due)
        self._woken.set()
        if self._runner is None and self._turns:
            self._runner = loop.create_task(self._run())

    async def close(self) -> None:
        """Ends the probes under way; nothing more is told."""
        self._turns = {}
        tasks = [*self._tasks, *([self._runner] if self._runner is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _enqueue(self, turn: _Turn, due: float) -> None:
        heapq.heappush(self._due, (due, next(self._numbers), turn))
        self._woken.set()

    def _is_wanted(self, turn: _Turn) -> bool:
        return self._turns.get(turn.name) is turn

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._next_due(loop)
            await self._places.acquire()
            if not self._due or self._due[0][0] > loop.time():
                # settled anew while it waited for a place
                self._places.release()
                continue
            _, _, turn = heapq.heappop(self._due)
            task = loop.create_task(self._probe(turn))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _next_due(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._due or self._due[0][0] > loop.time():
            self._woken.clear()
            try:
                async with asyncio.timeout_at(self._due[0][0] if self._due else None):
                    await self._woken.wait()
            except TimeoutError:
                pass  # it is due

    async def _probe(self, turn: _Turn) -> None:
        try:
            finding = await ask(turn.question, self._resolve)
        finally:
            self._places.release()
        if self._is_wanted(turn):
            self._enqueue(turn, asyncio.get_running_loop().time() + self._pause(turn))
            self._tell(turn.name, finding)

    def _pause(self, turn: _Turn) -> float:
        probe = turn.question.probe
        turn.rounds += 1
        if turn.rounds == 1:
            return probe.interval * random.uniform(0.2, 1.0)  # noqa: S311 only to spread them
        return probe.interval * (1.0 + probe.jitter * random.uniform(-1.0, 1.0))  # noqa: S311 as above
