"""What a reload changes, and what it cannot, in words; and how many workers a configuration asks for."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING

from limen.config.diff import diff

if TYPE_CHECKING:
    from limen.config import Config
    from limen.runtime.estate import Estate


# One edit may change 10,000 routes; nobody reads that many lines.
CHANGES_SHOWN = 200


def count_workers(config: Config) -> int:
    """`workers: auto` is one per core that this process may use."""
    return len(os.sched_getaffinity(0)) if config.workers == "auto" else int(config.workers)


def admin_key(estate: Estate) -> str | None:
    """The admin address as configured."""
    return estate.admin.key if estate.admin else None


def changes_between(old: Config, new: Config) -> list[str]:
    """One line each; the first CHANGES_SHOWN."""
    found = diff(old, new)
    lines = [f"{change.kind} {change.name} {change.what}" for change in found[:CHANGES_SHOWN]]
    return lines if len(found) <= CHANGES_SHOWN else [*lines, f"and {len(found) - CHANGES_SHOWN} more"]


def some(names: Collection[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(list(names)[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def not_applied(first: Config, config: Config, workers: int) -> list[str]:
    """What of a new configuration a reload cannot put in force."""
    found = []
    if count_workers(config) != workers:
        found.append(f"workers: {workers} run; another number needs a handover (SIGUSR2) or a restart")
    if config.limits.keys != first.limits.keys:
        found.append("limits.keys: another number needs a handover (SIGUSR2) or a restart")
    if config.control.socket != first.control.socket:
        found.append("control.socket: another path needs a handover (SIGUSR2) or a restart")
    return found
