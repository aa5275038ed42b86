"""The standing of an endpoint: what its probe, outlier detection and the operator say of it, and since when.

From it follow its state, for people, and its use, for balancers. No clock here: times are handed in.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limen.egress.outliers import Record
    from limen.egress.probes.asking import Finding
    from limen.egress.probes.verdict import Verdict


LOAD_STEP = 0.05
"""Of loads: smaller changes are not told."""


class Setting(enum.StrEnum):
    """What the operator has set at run time."""

    ENABLED = "enabled"
    DRAINING = "draining"
    DISABLED = "disabled"


class State(enum.StrEnum):
    """What is shown; the first that applies from below."""

    UP = "up"
    WARMING = "warming"
    OUT = "out"
    EJECTED = "ejected"
    DOWN = "down"
    DRAINING = "draining"
    DISABLED = "disabled"


@dataclass(slots=True)
class Standing:
    """Of one endpoint; lives as long as a revision has the endpoint."""

    added: float
    """Unix time, as all times here but `returned`."""
    setting: Setting = Setting.ENABLED
    set_at: float = 0.0
    weight: int | None = None
    """Set at run time."""
    load: float | None = None
    """How busy it last said it is, 0 to 1, in steps of LOAD_STEP."""
    initially_down: bool = False
    verdict: Verdict | None = None
    verdict_at: float = 0.0
    finding: Finding | None = None
    probes: int = 0
    probes_failed: int = 0
    record: Record | None = None
    """None without outlier detection."""
    ejected_at: float = 0.0
    ejected_until: float = 0.0
    fell_since_ejection: bool = False
    """Its probe has found it down since: when that finds it up again, the ejection has no reason any more."""
    returned: int = 0
    """Monotonic nanoseconds at which it came (back) into rotation; 0: from the beginning."""
    returned_at: float = 0.0
    out_since: float = 0.0
    """When it was first seen left out by a worker; 0 when it is not."""
    panics: bool = False
    called: bool = False

    @property
    def down(self) -> bool:
        """By its probe."""
        if self.verdict is None:
            return False
        return self.initially_down if self.verdict.up is None else not self.verdict.up

    @property
    def ejected(self) -> bool:
        """As an outlier."""
        return self.record is not None and self.record.until > 0

    @property
    def well(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.down and not self.ejected

    def weight_in_force(self, configured: int, *, scale: int) -> int:
        """`scale` times its weight, less the part that it is busy; at least one twentieth of that."""
        free = max(1.0 - (self.load or 0.0), LOAD_STEP)
        return max(1, round((self.weight or configured) * scale * free))

    @property
    def barred(self) -> bool:
        """Whether the operator has taken it out."""
        return self.setting is not Setting.ENABLED

    @property
    def ejections(self) -> int:
        """How often it was ejected."""
        return self.record.times if self.record is not None else 0


@dataclass(frozen=True, slots=True)
class Shown:
    """A state as it is told."""

    state: State
    reason: str
    since: float


def shown(standing: Standing, *, out: int, workers: int, slow_start: float | None, now: float) -> Shown:
    """The state of an endpoint that `out` of `workers` leave out, at the Unix time `now`."""
    standing.out_since = (standing.out_since or now) if out else 0.0
    if standing.barred:
        return Shown(State(standing.setting.value), "set at run time", standing.set_at)
    used = "; used all the same, too few others are well" if standing.panics else ""
    if standing.down:
        finding = standing.finding
        reason = f"probe: {finding.reason}" if finding is not None else "not probed yet"
        return Shown(State.DOWN, reason + used, standing.verdict_at or standing.added)
    if standing.ejected:
        assert standing.record is not None  # noqa: S101 it is ejected
        return Shown(State.EJECTED, standing.record.reason + used, standing.ejected_at)
    if out:
        return Shown(State.OUT, f"could not be dialled by {out} of {workers} workers", standing.out_since)
    if slow_start and standing.returned and now < standing.returned_at + slow_start:
        part = max(0.1, (now - standing.returned_at) / slow_start)
        return Shown(State.WARMING, f"slow start, at {part:.0%} of its weight", standing.returned_at)
    begun = standing.returned_at + (slow_start or 0.0) if standing.returned else standing.added
    return Shown(State.UP, "", begun)
