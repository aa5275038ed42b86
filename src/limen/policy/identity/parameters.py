"""What clients add to their user name to choose their way out: `alice-country-fr-session-a1`.

    name = user *( "-" key "-" value )

Only keys that are allowed are read as such; what begins with another word belongs to the name or to the value before.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

SESSION = "session"
_VALUE = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a user name asks for beside naming somebody."""

    labels: tuple[tuple[str, str], ...] = ()
    """By name; countries in capitals, as labels have them."""
    session: str = ""
    """Requests of one session go out by one way; empty: none was named."""


def split_name(name: str, allowed: Collection[str]) -> tuple[str, Wishes] | None:
    """The user's own name and what was added; None if that is malformed, which is like a wrong name."""
    words = name.split("-")
    starts = [index for index in range(1, len(words)) if words[index] in allowed]
    if not starts:
        return name, Wishes()
    found: dict[str, str] = {}
    for start, end in zip(starts, [*starts[1:], len(words)], strict=True):
        key, value = words[start], "-".join(words[start + 1 : end])
        if key in found or not _VALUE.fullmatch(value):
            return None
        found[key] = value.upper() if key == "country" else value
    user = "-".join(words[: starts[0]])
    if not user:
        return None
    session = found.pop(SESSION, "")
    return user, Wishes(tuple(sorted(found.items())), session)
