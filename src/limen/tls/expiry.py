"""Certificates that run out: who has to be told of which, and when."""

from __future__ import annotations

from collections.abc import Iterable

from limen.tls.material import Expiry

WARNED = 21
"""Days before its end from which a certificate is told of, once a day."""
_SHOWN = 20
_DAY = 86400


def running_out(expiries: Iterable[Expiry], now: float) -> list[str]:
    """A line for each file whose certificate ends within WARNED days or has ended, the soonest first; bounded."""
    ends = {expiry.file: expiry.not_after for expiry in expiries if expiry.not_after - now < WARNED * _DAY}
    soonest = sorted(ends.items(), key=lambda item: item[1])
    lines = [f"{file}: the certificate {_left(not_after - now)}" for file, not_after in soonest[:_SHOWN]]
    return lines if len(soonest) <= _SHOWN else [*lines, f"and {len(soonest) - _SHOWN} more certificates"]


def _left(seconds: float) -> str:
    if seconds <= 0:
        return "has expired"
    days = int(seconds // _DAY)
    if days:
        return f"expires in {days} day{'s' if days > 1 else ''}"
    hours = int(seconds // 3600)
    return f"expires in {hours} hour{'s' if hours != 1 else ''}"
