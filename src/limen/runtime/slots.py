"""Stable numbers for names: the cells of the board are found by number, and a name keeps its number over reloads.

A number whose name is gone is *retired*: its counts stay readable, and it is given to another name only when no fresh
number is left and it has been retired long enough that no exchange of the old revision can still count there.
A book is immutable: a reload plans a new one and takes it only if everything else worked, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from limen.errors import LimenError

# Tunnels and slow exchanges of an old revision may count for long; after this they may count as the new name.
RETIREMENT = 3600.0


class SlotsExhausted(LimenError):
    """More names of one kind than the board has room for."""


@dataclass(frozen=True, slots=True)
class SlotBook:
    """Numbers per kind: in use, and retired with the time (monotonic seconds) they were."""

    active: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    retired: Mapping[str, Mapping[str, tuple[int, float]]] = field(default_factory=dict)
    reused: tuple[tuple[str, int], ...] = ()
    """(kind, number) that changed their name with this book: their cells are to be cleared before use."""

    def planned(
        self,
        wanted: Mapping[str, Iterable[str]],
        *,
        capacity: Mapping[str, int],
        now: float,
        retirement: float = RETIREMENT,
    ) -> SlotBook:
        """The book that holds exactly the wanted names. Raises SlotsExhausted."""
        active: dict[str, Mapping[str, int]] = {}
        retired: dict[str, Mapping[str, tuple[int, float]]] = {}
        reused: list[tuple[str, int]] = []
        for kind in sorted({*wanted, *self.active, *self.retired}):
            plan = _Plan(self.active.get(kind, {}), self.retired.get(kind, {}), capacity.get(kind, 0), now, retirement)
            active[kind] = {name: plan.number(kind, name) for name in plan.ordered(wanted.get(kind, ()))}
            retired[kind] = plan.retired
            reused += [(kind, number) for number in plan.reused]
        return SlotBook(active, retired, tuple(reused))

    def exchanged(
        self,
        kind: str,
        *,
        gone: Iterable[str],
        come: Iterable[str],
        capacity: int,
        now: float,
        retirement: float = RETIREMENT,
    ) -> SlotBook:
        """The book in which some names of one kind took the place of others. Raises SlotsExhausted."""
        active = dict(self.active.get(kind, {}))
        plan = _Plan(active, self.retired.get(kind, {}), capacity, now, retirement)
        for name in gone:
            plan.retired[name] = (active.pop(name), now)
        for name in come:
            active[name] = plan.number(kind, name)
        return SlotBook(
            {**self.active, kind: active},
            {**self.retired, kind: plan.retired},
            tuple((kind, number) for number in plan.reused),
        )


class _Plan:
    """One kind's numbers while a new book is made."""

    def __init__(
        self,
        active: Mapping[str, int],
        retired: Mapping[str, tuple[int, float]],
        capacity: int,
        now: float,
        retirement: float,
    ) -> None:
        self.active = active
        self.retired = dict(retired)
        self.capacity = capacity
        self.now = now
        self.retirement = retirement
        self.reused: list[int] = []
        used = [*active.values(), *(number for number, _ in retired.values())]
        self.fresh = max(used, default=-1) + 1

    def ordered(self, names: Iterable[str]) -> list[str]:
        """The wanted names once each; what is no longer wanted is retired first."""
        wanted = list(dict.fromkeys(names))
        keep = set(wanted)
        for name, number in self.active.items():
            if name not in keep:
                self.retired[name] = (number, self.now)
        return wanted

    def number(self, kind: str, name: str) -> int:
        """The name's own number, active or retired; else a fresh one; else the longest retired."""
        if name in self.active:
            return self.active[name]
        if name in self.retired:
            return self.retired.pop(name)[0]
        if self.fresh < self.capacity:
            self.fresh += 1
            return self.fresh - 1
        if self.retired:
            oldest = min(self.retired, key=lambda other: self.retired[other][1])
            number, since = self.retired[oldest]
            if self.now - since >= self.retirement:
                del self.retired[oldest]
                self.reused.append(number)
                return number
        raise SlotsExhausted(f"no room for {kind} {name!r}: at most {self.capacity}, recently removed ones included")
