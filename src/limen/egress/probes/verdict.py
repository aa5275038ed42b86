r"""Rows of findings to a verdict. The first finding decides at once, later ones in rows.

unknown --passed--> up --`fall` failures in a row--> down --`rise` passes in a row--> up
       \--failed--> down
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Verdict:
    """Of one endpoint."""

    rise: int
    fall: int
    up: bool | None = None
    """None before the first finding."""
    row: int = 0
    """Findings in a row that contradict the verdict."""

    def take(self, *, passed: bool) -> bool:
        """Notes a finding; whether the verdict has changed."""
        if self.up is None:
            self.up = passed
            return True
        if passed == self.up:
            self.row = 0
            return False
        self.row += 1
        if self.row < (self.rise if passed else self.fall):
            return False
        self.up = passed
        self.row = 0
        return True
