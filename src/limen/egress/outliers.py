r"""Outliers of one upstream: who is ejected, for how long, and when it comes back. Pure: the clock is handed in.

                 a run of failures, the error rate, slowness
    in rotation ------------------------------------------------> ejected until its time is over, or recalled
         ^-------------------------------------------------------------/

The first ejection lasts `base`, each one in a row twice as long as the one before, at most `most`. It is in a row when
the endpoint was not in rotation for as long as it had been out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limen.config.models.health import Outlier

# Others that must have been measured before one is called slow.
_OTHERS_LEAST = 2


@dataclass(frozen=True, slots=True)
class Counts:
    """What all workers together have counted for an endpoint, ever."""

    requests: int = 0
    failures: int = 0
    responses: int = 0
    nanoseconds: int = 0

    def since(self, before: Counts) -> Counts:
        """The difference."""
        return Counts(
            self.requests - before.requests,
            self.failures - before.failures,
            self.responses - before.responses,
            self.nanoseconds - before.nanoseconds,
        )

    @property
    def mean(self) -> float:
        """Seconds to a response head."""
        return self.nanoseconds / self.responses / 1e9 if self.responses else 0.0


@dataclass(slots=True)
class Record:
    """What is known of one endpoint."""

    until: float = 0.0
    """End of its ejection; 0 when it is in rotation."""
    reason: str = ""
    length: float = 0.0
    """Of the last ejection."""
    row: int = 0
    """Ejections in a row."""
    ended: float = 0.0
    times: int = 0
    before: Counts | None = None
    """At the beginning of the interval."""


@dataclass(slots=True)
class Outliers:
    """Of one upstream. Names are those of its endpoints; times are seconds of one monotonic clock."""

    settings: Outlier
    records: dict[str, Record] = field(default_factory=dict)
    barred: frozenset[str] = frozenset()
    """Those that get nothing anyway: they are no part of the share that may be ejected."""

    def settle(self, settings: Outlier, names: Iterable[str]) -> None:
        """These are its endpoints from now on; those that stay keep their records."""
        self.settings = settings
        self.records = {name: self.records.get(name) or Record() for name in names}

    def is_ejected(self, name: str) -> bool:
        """Whether it is out now."""
        return self.records[name].until > 0

    def room(self) -> int:
        """How many more may be ejected."""
        counted = [name for name in self.records if name not in self.barred]
        out = sum(self.is_ejected(name) for name in counted)
        # what is 0.3 of ten in floating point is three
        return int(self.settings.ejection.share * len(counted) + 1e-9) - out

    def judge_runs(self, runs: Mapping[str, int], now: float) -> list[str]:
        """Ejects by failures in a row, the longest first; returns who was."""
        least = self.settings.consecutive
        if not least:
            return []
        found = [(run, name) for name, run in runs.items() if run >= least and name in self.records]
        return [name for run, name in sorted(found, reverse=True) if self._eject(name, f"{run} failures in a row", now)]

    def judge_interval(self, counts: Mapping[str, Counts], now: float) -> list[str]:
        """Ejects by what was counted since the last call; returns who was."""
        found: dict[str, Counts] = {}
        for name, record in self.records.items():
            count = counts.get(name, Counts())
            if record.before is not None:
                found[name] = count.since(record.before)
            record.before = count
        measured = {name: count for name, count in found.items() if not self.is_ejected(name)}
        return [*self._by_rate(measured, now), *self._by_time(measured, now)]

    def _by_rate(self, measured: Mapping[str, Counts], now: float) -> list[str]:
        rate = self.settings.error_rate
        if rate is None:
            return []
        found = []
        for name, count in measured.items():
            attempts = max(count.requests, count.failures)
            if attempts >= rate.requests and count.failures > rate.above * attempts:
                found.append((count.failures / attempts, name, attempts))
        return [
            name
            for part, name, attempts in sorted(found, reverse=True)
            if self._eject(name, f"{part:.0%} of {attempts} attempts failed", now)
        ]

    def _by_time(self, measured: Mapping[str, Counts], now: float) -> list[str]:
        slow = self.settings.slow
        if slow is None:
            return []
        means = {name: count.mean for name, count in measured.items() if count.responses >= slow.requests}
        gone = []
        for name, mean in sorted(means.items(), key=lambda item: -item[1]):
            others = [other for key, other in means.items() if key != name and key not in gone]
            if len(others) < _OTHERS_LEAST or self.is_ejected(name):
                continue
            middle = median(others)
            if mean > slow.least and mean > slow.times * middle:
                reason = f"{mean * 1e3:.0f} ms to a response, the others {middle * 1e3:.0f} ms"
                if self._eject(name, reason, now):
                    gone.append(name)
        return gone

    def _eject(self, name: str, reason: str, now: float) -> bool:
        record = self.records[name]
        if record.until or name in self.barred or self.room() <= 0:
            return False
        ejection = self.settings.ejection
        in_row = record.times > 0 and now - record.ended < record.length
        record.row = record.row + 1 if in_row else 1
        # beyond this many doublings nothing fits below `most` any more
        record.length = min(ejection.base * 2.0 ** min(record.row - 1, 40), ejection.most)
        record.until = now + record.length
        record.reason = reason
        record.times += 1
        return True

    def end(self, now: float) -> list[str]:
        """Brings back those whose time is over; returns who."""
        over = [name for name, record in self.records.items() if 0 < record.until <= now]
        for name in over:
            self.recall(name, now)
        return over

    def recall(self, name: str, now: float) -> None:
        """Brings one back before its time."""
        record = self.records[name]
        record.until = 0.0
        record.ended = now
        record.before = None
