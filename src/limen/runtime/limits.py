"""Limits of the process that the runtime raises at the start."""

from __future__ import annotations

import contextlib
import resource

# Beyond a million descriptors kernel memory is the limit, and some libraries loop over the whole range.
OPEN_FILES_CAP = 1_048_576


def raise_open_files() -> int:
    """Raises the soft limit of open files to the hard one, at most to the cap; returns what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_CAP if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_CAP)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
