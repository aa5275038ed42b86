"""Who and what moves most, over the last minutes, hour and day: kept by workers, merged by the supervisor.

A worker's engine counts in a summary of bounded size, which is emptied every few seconds into parts of windows. Parts
that are older than their window are forgotten; so a window covers its length, less one part of it at most.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from limen.runtime.calling import call_all
from limen.runtime.explain.asked import AskedWrongly

if TYPE_CHECKING:
    from limen.engine.engine import Engine
    from limen.observe.discretion import Discretion
    from limen.runtime.process import WorkerProcess

WINDOWS = {"5m": 300.0, "1h": 3600.0, "1d": 86400.0}
"""Names and seconds."""
ORDERS = ("bytes", "exchanges", "refused")
KINDS = ("clients", "targets")
LIMIT = 20
LIMIT_MOST = 200
INTERVAL = 50.0
"""Seconds after which a worker's summary is emptied: a part of the shortest window."""

_PARTS = 6
# Names of a part that are kept, and when the others go.
_KEPT, _KEPT_MOST = 1024, 4096
_PORTION = 256
_EXCHANGE_WEIGHT = 512

Rows = list[tuple[bytes, int, int, int, int]]
"""As a Summary has them."""

Counts = list[int]
"""Bytes, exchanges, refused, and what may be missing of them, in bytes (an exchange counts as 512)."""


@dataclass(slots=True)
class _Part:
    began: float
    sums: dict[str, dict[str, Counts]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    lost: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    """The most that a name may have had which is not among them."""

    def add(self, kind: str, rows: Rows) -> None:
        sums = self.sums[kind]
        for name, size, exchanges, refused, error in rows:
            one = sums.setdefault(name.decode("utf-8", "replace"), [0, 0, 0, 0])
            for index, value in enumerate((size, exchanges, refused, error)):
                one[index] += value
        if len(sums) > _KEPT_MOST:
            kept = dict(heapq.nlargest(_KEPT, sums.items(), key=lambda item: _weight(item[1])))
            self.lost[kind] += max(_weight(one) for name, one in sums.items() if name not in kept)
            self.sums[kind] = kept


def _weight(one: Counts) -> int:
    return one[0] + _EXCHANGE_WEIGHT * one[1] + one[3]


class History:
    """The windows of one worker."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._parts: dict[str, deque[_Part]] = {name: deque() for name in WINDOWS}

    def add(self, rows: tuple[Rows, Rows]) -> None:
        """Takes what a summary had: of clients and of targets."""
        now = self._clock()
        for name, length in WINDOWS.items():
            parts = self._parts[name]
            self._forget(parts, length, now)
            if not parts or now - parts[-1].began >= length / _PARTS:
                parts.append(_Part(now))
            for kind, found in zip(KINDS, rows, strict=True):
                parts[-1].add(kind, found)

    def sums(self, window: str) -> dict[str, dict[str, Counts]]:
        """What was counted in a window, by kind and name."""
        parts = self._parts[window]
        self._forget(parts, WINDOWS[window], self._clock())
        found: dict[str, dict[str, Counts]] = {kind: {} for kind in KINDS}
        for kind, sums in found.items():
            for part in parts:
                merge(sums, ((name, *one) for name, one in part.sums[kind].items()))
            lost = sum(part.lost[kind] for part in parts)
            for one in sums.values():
                one[3] += lost
        return found

    @staticmethod
    def _forget(parts: deque[_Part], length: float, now: float) -> None:
        while parts and now - parts[0].began >= length:
            parts.popleft()


def merge(sums: dict[str, Counts], rows: Iterable[Sequence[object]]) -> None:
    """Adds rows of a name and counts."""
    for name, *values in rows:
        one = sums.setdefault(str(name), [0, 0, 0, 0])
        for index, value in enumerate(values):
            one[index] += cast("int", value)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked."""

    window: str = "5m"
    order: str = "bytes"
    limit: int = LIMIT

    def fields(self) -> dict[str, str]:
        """As parameters."""
        return {"window": self.window, "order": self.order, "limit": str(self.limit)}


def question_of(parameters: Iterable[tuple[str, str]]) -> Question:
    """The question that the parameters of `GET /talkers` ask. Raises AskedWrongly."""
    found: dict[str, str] = {}
    for name, value in parameters:
        if name not in ("window", "order", "limit"):
            raise AskedWrongly(f"unknown parameter {name!r}; there are window, order, limit")
        if name in found:
            raise AskedWrongly(f"the parameter {name!r} stands twice")
        found[name] = value
    question = Question(found.get("window", "5m"), found.get("order", "bytes"))
    if question.window not in WINDOWS:
        raise AskedWrongly(f"`window` is one of {', '.join(WINDOWS)}")
    if question.order not in ORDERS:
        raise AskedWrongly(f"`order` is one of {', '.join(ORDERS)}")
    limit = found.get("limit", str(LIMIT))
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= LIMIT_MOST):
        raise AskedWrongly(f"`limit` is a number from 1 to {LIMIT_MOST}")
    return Question(question.window, question.order, int(limit))


def most(sums: Mapping[str, Counts], order: str, limit: int) -> list[tuple[str, Counts]]:
    """Those with most, first; who has none of it is left out."""
    index = ORDERS.index(order)
    found = ((name, one) for name, one in sums.items() if one[index])
    return heapq.nsmallest(limit, found, key=lambda item: (-item[1][index], item[0]))


# in a worker


class Keeper:
    """Has an engine keep count while that is wanted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._discretion: Discretion | None = None
        self._history = History()

    def follow(self, discretion: Discretion | None) -> None:
        """As told by `discretion` from now on; None: no more. What was told otherwise is forgotten."""
        if discretion == self._discretion:
            return
        from limen.engine.talkers import Talkers

        self._discretion = discretion
        self._engine.talkers = None if discretion is None else Talkers(discretion.concealment)
        self._history = History()

    async def run(self) -> None:
        """Empties the summary into the windows, again and again."""
        while True:
            await asyncio.sleep(INTERVAL)
            await self._collect()

    async def survey(self, asked: Mapping[str, object]) -> dict[str, object]:
        """Of each kind rows of a name and counts, enough for what is asked."""
        parameters = asked["parameters"]
        if not isinstance(parameters, dict):
            raise AskedWrongly("no parameters")
        question = question_of((str(name), str(value)) for name, value in parameters.items())
        await self._collect()
        sums = self._history.sums(question.window)
        # (who is among the first of all need not be among the first of each worker)
        most_of = {kind: most(sums[kind], question.order, 10 * LIMIT_MOST) for kind in KINDS}
        return {kind: [[name, *one] for name, one in found] for kind, found in most_of.items()}

    async def _collect(self) -> None:
        """What has ended, and what is under way as far as it is."""
        from limen.engine.census import Census

        talkers = self._engine.talkers
        if talkers is None:
            return
        census = Census(self._engine)
        for start in range(0, len(census), _PORTION):
            census.count(start, start + _PORTION, talkers)
            await asyncio.sleep(0)
        if talkers is self._engine.talkers:
            self._history.add(talkers.take())


# in the supervisor


async def ask(processes: Sequence[WorkerProcess], question: Question) -> dict[str, object]:
    """The clients and targets with most, of all workers."""
    answers = await call_all(processes, "talkers", {"parameters": question.fields()})
    found: dict[str, object] = {"window": question.window, "seconds": WINDOWS[question.window], "order": question.order}
    for kind in KINDS:
        sums: dict[str, Counts] = {}
        for answer in answers:
            merge(sums, cast("list[list[object]]", answer[kind]))
        found[kind] = [_row(kind, name, one) for name, one in most(sums, question.order, question.limit)]
    if len(answers) < len(processes):
        found["silent"] = len(processes) - len(answers)
    return found


def _row(kind: str, name: str, one: Counts) -> dict[str, object]:
    size, exchanges, refused, missed = one
    row: dict[str, object] = {"bytes": size, "exchanges": exchanges, "refused": refused, "missed": missed}
    if kind == "targets":
        return {"name": name, **row}
    return {"name": name[1:], "kind": "user" if name[:1] == "u" else "client", **row}
