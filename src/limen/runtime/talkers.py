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
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from limen.runtime.calling import call_all
from limen.runtime.explain.asked import AskedWrongly, limit_of, parameters_of

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
# Rows that a worker tells: who is among the first of all need not be among the first of each worker.
_TOLD_MOST = 10 * LIMIT_MOST
# summary.EXCHANGE_WEIGHT
_EXCHANGE_WEIGHT = 4096

Rows = list[tuple[bytes, int, int, int, int]]
"""As a Summary has them."""

Counts = list[int]
"""Bytes, exchanges, refused, and what may be missing of them beside `lost`, in weight."""


class Tally:
    """Sums by name, and how much each may be too low: what was counted <= what was <= that and `missed`.

    `lost` is what every name may have had unseen; of a name that was seen, its row takes back what it did not lose.
    """

    def __init__(self) -> None:
        self.sums: dict[str, Counts] = {}
        self.lost = 0

    def add(self, floor: int, rows: Iterable[Sequence[object]]) -> None:
        """Rows of a name, three counts and what may be missing; `floor` is the most that other names can have had."""
        self.lost += floor
        for name, size, exchanges, refused, missed in rows:
            one = self.sums.setdefault(
                name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name), [0] * 4
            )
            one[0] += cast("int", size)
            one[1] += cast("int", exchanges)
            one[2] += cast("int", refused)
            one[3] += cast("int", missed) - floor

    def cut(self, kept: Iterable[str]) -> None:
        """Forgets all but these."""
        left = {name: self.sums[name] for name in kept}
        lost = max((_weight(one) for name, one in self.sums.items() if name not in left), default=0)
        self.sums = left
        if lost > 0:
            self.lost += lost
            for one in left.values():
                one[3] -= lost

    def heaviest(self, limit: int) -> list[str]:
        """The names that have, or may have had, most."""
        return heapq.nlargest(limit, self.sums, key=lambda name: _weight(self.sums[name]))

    def missed(self, one: Counts) -> int:
        """At most so much weight is missing of a row."""
        return max(0, self.lost + one[3])

    def rows(self) -> list[tuple[str, int, int, int, int]]:
        """As add() takes them; the floor is `lost`."""
        return [(name, one[0], one[1], one[2], self.missed(one)) for name, one in self.sums.items()]

    def most(self, order: str, limit: int) -> list[str]:
        """The names with most, first; who has none of it is left out."""
        index = ORDERS.index(order)
        found = ((name, one) for name, one in self.sums.items() if one[index])
        return [name for name, _ in heapq.nsmallest(limit, found, key=lambda item: (-item[1][index], item[0]))]


def _weight(one: Counts) -> int:
    """What a name is known to have had, and what it may have lost beside `lost`."""
    return one[0] + _EXCHANGE_WEIGHT * one[1] + one[3]


class _Part:
    """Of a window: what was counted from `began` on."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.tallies = {kind: Tally() for kind in KINDS}


class History:
    """The windows of one worker."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._parts: dict[str, deque[_Part]] = {name: deque() for name in WINDOWS}

    def add(self, kind: str, floor: int, rows: Rows) -> None:
        """Takes what a summary of a kind had."""
        now = self._clock()
        for name, length in WINDOWS.items():
            parts = self._parts[name]
            self._forget(parts, length, now)
            if not parts or now - parts[-1].began >= length / _PARTS:
                parts.append(_Part(now))
            tally = parts[-1].tallies[kind]
            tally.add(floor, rows)
            if len(tally.sums) > _KEPT_MOST:
                tally.cut(tally.heaviest(_KEPT))

    def tally(self, window: str, kind: str) -> Tally:
        """What was counted in a window."""
        parts = self._parts[window]
        self._forget(parts, WINDOWS[window], self._clock())
        found = Tally()
        for part in parts:
            one = part.tallies[kind]
            found.add(one.lost, one.rows())
        return found

    @staticmethod
    def _forget(parts: deque[_Part], length: float, now: float) -> None:
        while parts and now - parts[0].began >= length:
            parts.popleft()


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
    found = parameters_of(parameters, ("window", "order", "limit"))
    window, order = found.get("window", "5m"), found.get("order", "bytes")
    if window not in WINDOWS:
        raise AskedWrongly(f"`window` is one of {', '.join(WINDOWS)}")
    if order not in ORDERS:
        raise AskedWrongly(f"`order` is one of {', '.join(ORDERS)}")
    return Question(window, order, limit_of(found.get("limit", str(LIMIT)), 1, LIMIT_MOST))


# in a worker


class Keeper:
    """Has an engine keep count while that is wanted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._discretion: Discretion | None = None
        self._history = History()
        self._due = time.monotonic() + INTERVAL

    def follow(self, discretion: Discretion | None) -> None:
        """As told by `discretion` from now on; None: no more. What was told otherwise is forgotten."""
        if discretion == self._discretion:
            return
        from limen.engine.talkers import Talkers

        self._discretion = discretion
        self._engine.talkers = None if discretion is None else Talkers(discretion.concealment)
        self._history = History()

    async def run(self) -> None:
        """Empties the summary into the windows, again and again, however often it is begun anew."""
        while True:
            await asyncio.sleep(max(0.0, self._due - time.monotonic()))
            self._due = time.monotonic() + INTERVAL
            await self._collect()

    async def survey(self, asked: Mapping[str, object]) -> dict[str, object]:
        """Of each kind rows of a name and counts, enough for what is asked."""
        parameters = asked["parameters"]
        if not isinstance(parameters, dict):
            raise AskedWrongly("no parameters")
        question = question_of((str(name), str(value)) for name, value in parameters.items())
        await self._collect()
        answer: dict[str, object] = {}
        for kind in KINDS:
            tally = self._history.tally(question.window, kind)
            if len(tally.sums) > _TOLD_MOST:
                tally.cut(tally.most(question.order, _TOLD_MOST))
            answer[kind] = {"floor": tally.lost, "rows": [list(row) for row in tally.rows()]}
        return answer

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
        for kind, summary in zip(KINDS, (talkers.clients, talkers.targets), strict=True):
            # a turn for each: a thousand names go into every window
            if talkers is self._engine.talkers:
                self._history.add(kind, *summary.take())
            await asyncio.sleep(0)


# in the supervisor


async def ask(processes: Sequence[WorkerProcess], question: Question) -> dict[str, object]:
    """The clients and targets with most, of all workers."""
    answers = await call_all(processes, "talkers", {"parameters": question.fields()})
    found: dict[str, object] = {"window": question.window, "seconds": WINDOWS[question.window], "order": question.order}
    for kind in KINDS:
        tally = Tally()
        for answer in answers:
            one = cast("Mapping[str, object]", answer[kind])
            tally.add(cast("int", one["floor"]), cast("list[list[object]]", one["rows"]))
        found[kind] = [_row(kind, tally, name) for name in tally.most(question.order, question.limit)]
    if len(answers) < len(processes):
        found["silent"] = len(processes) - len(answers)
    return found


def _row(kind: str, tally: Tally, name: str) -> dict[str, object]:
    one = tally.sums[name]
    counts = {"bytes": one[0], "exchanges": one[1], "refused": one[2], "missed": tally.missed(one)}
    if kind == "targets":
        return {"name": name, **counts}
    return {"name": name[1:], "kind": "user" if name[:1] == "u" else "client", **counts}
