"""How files look from outside: what tells, without reading them, that they were changed."""

from __future__ import annotations

import os

Signature = tuple[int, int, int, int]
"""When a file was changed (nanoseconds), its size, inode and device: a rewritten or replaced one has another."""


def signature(path: str) -> Signature | None:
    """Of what is there now, links followed; None if nothing can be seen."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return signature_of(found)


def signature_of(found: os.stat_result) -> Signature:
    """The same of a stat."""
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev
