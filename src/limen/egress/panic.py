"""When too few endpoints are well: whether doubtful ones are used all the same, or backups come in. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """One endpoint, as far as this asks."""

    priority: int
    backup: bool
    weight: int
    well: bool
    """Neither down nor ejected."""
    barred: bool
    """Draining or disabled."""


@dataclass(frozen=True, slots=True)
class Relief:
    """What is done about it."""

    priorities: frozenset[int] = frozenset()
    """Those of which doubtful endpoints are used, too."""
    backups: bool = False
    """Likewise doubtful backups."""
    called: bool = False
    """Backups that are well share the load."""

    @property
    def panics(self) -> bool:
        """Whether anything doubtful is used."""
        return bool(self.priorities) or self.backups


NONE = Relief()


def relief(members: Iterable[Member], *, panic_below: float, spill_below: float) -> Relief:
    """What the health of these asks for.

    A priority panics when less than `panic_below` of its weight is well, unless the priorities together can take the
    whole load (as `spill_below` reckons) or a backup is well: then that one helps.
    """
    levels: dict[int, list[Member]] = {}
    backups: list[Member] = []
    for member in members:
        if member.backup:
            backups.append(member)
        else:
            levels.setdefault(member.priority, []).append(member)
    if all(member.barred for level in levels.values() for member in level):
        # nothing but backups is left: they are the upstream
        return _alone(backups, panic_below)
    if panic_below <= 0 or sum(_capacity(level, spill_below) for level in levels.values()) >= 1.0 - 1e-9:
        return NONE
    doubtful = frozenset(priority for priority, level in levels.items() if _part_well(level) < panic_below)
    if not doubtful:
        return NONE
    if any(member.well and not member.barred for member in backups):
        return Relief(called=True)
    return Relief(doubtful, backups=True)


def _alone(backups: list[Member], panic_below: float) -> Relief:
    return Relief(backups=True) if _part_well(backups) < panic_below else NONE


def _part_well(level: list[Member]) -> float:
    """Of the weight that may be used at all; 1 where there is none."""
    usable = sum(member.weight for member in level if not member.barred)
    well = sum(member.weight for member in level if member.well and not member.barred)
    return well / usable if usable else 1.0


def _capacity(level: list[Member], spill_below: float) -> float:
    """The part of the load that the balancer lets it have."""
    well = sum(member.weight for member in level if member.well and not member.barred)
    part = well / sum(member.weight for member in level)
    if spill_below <= 0:
        return 1.0 if well else 0.0
    return min(1.0, part / spill_below)
