"""What a cross check yields."""

from __future__ import annotations

from dataclasses import dataclass

from limen.config.positions import Path


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of the whole: where, what, the mend, and whether it only deserves a warning.

    `key` points to the key instead of the value at `path`.
    """

    path: Path
    message: str
    hint: str = ""
    warning: bool = False
    key: bool = False
