"""The last lines of the audit log, for whoever looks at what was refused lately."""

from __future__ import annotations

import json
import os
import stat

TAIL = 256 * 1024
"""Bytes of the file that are looked at, from its end."""


def recent(path: str, limit: int) -> list[dict[str, object]]:
    """The last records of a file, the newest first; none where there is no file yet. Raises OSError.

    A line that is being written, or that was cut off at the beginning of what is looked at, is left out.
    """
    try:
        # (a pipe has no end to look at, and opening it would wait for its writer)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return []
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return []
        start = max(0, status.st_size - TAIL)
        file.seek(start)
        lines = file.read(TAIL).split(b"\n")
    whole = lines[1 if start else 0 : -1]
    found: list[dict[str, object]] = []
    for line in reversed(whole):
        if len(found) >= limit:
            break
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            found.append(record)
    return found
