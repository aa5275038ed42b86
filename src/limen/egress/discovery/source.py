"""What a source of endpoints is: something that is looked at again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from limen.config.models.upstreams import Endpoint
from limen.errors import LimenError


class SourceFailed(LimenError):
    """A source that says nothing this time, or nothing that can be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look brought."""

    endpoints: tuple[Endpoint, ...] | None
    """None: the same as the last time. Empty: the source says that there are none."""
    again: float
    """Seconds until the next look."""
    doubt: str = ""
    """What was wrong although there are endpoints: a part of the answer that is the last one's."""


class Source(Protocol):
    """One source, of one upstream."""

    text: str
    """What it is, for people and to tell sources apart; no secret."""
    patience: float
    """Longest time in seconds between two looks at a source that fails."""

    async def look(self) -> Found:
        """Asks the source; bounded in time. Raises SourceFailed."""

    async def close(self) -> None:
        """Ends what is open."""
