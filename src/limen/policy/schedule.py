"""Time windows of rules: which are open at an instant, and when that changes next.

The engine only sees flags (`AccessTable.set_windows`); a task in each worker sets them and sleeps until `next_change`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from limen.policy.specs import Window

if TYPE_CHECKING:
    from limen.config.models.access import Times

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_OF_DAY = 24 * 60


def window_of(times: Times) -> Window:
    """The window that a `times` entry of the configuration describes."""
    days = frozenset(DAYS.index(day) for day in times.days)
    return Window(days, _minute(times.from_), _minute(times.to), times.zone)


def _minute(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


def is_open(window: Window, instant: float) -> bool:
    """Whether the window's clock stands within it at `instant` (seconds since the epoch).

    The clock decides, not elapsed time: what falls into the hour that a zone skips in spring is not open that day, and
    what falls into the repeated hour in autumn is open twice.
    """
    local = datetime.fromtimestamp(instant, ZoneInfo(window.zone))
    minute = local.hour * 60 + local.minute
    today, yesterday = local.weekday(), (local.weekday() - 1) % 7
    if window.start < window.end:
        return today in window.days and window.start <= minute < window.end
    return (today in window.days and minute >= window.start) or (yesterday in window.days and minute < window.end)


def flags(windows: Sequence[Window], instant: float) -> bytes:
    """One byte for each window, in order: 1 open, 0 closed."""
    return bytes(is_open(window, instant) for window in windows)


def next_change(windows: Sequence[Window], instant: float) -> float | None:
    """The first instant after `instant` at which `flags` differ; None if they never do within nine days."""
    now = flags(windows, instant)
    edges = sorted({edge for window in windows for edge in _edges(window, instant) if edge > instant})
    return next((edge for edge in edges if flags(windows, edge) != now), None)


def _edges(window: Window, instant: float) -> Iterator[float]:
    """Every instant about the next week at which the window may open or close."""
    zone = ZoneInfo(window.zone)
    today = datetime.fromtimestamp(instant, zone).date()
    for offset in range(-1, 10):
        day = today + timedelta(days=offset)
        yield from _shifts(day, zone)
        for minute in (0, window.start, window.end):
            at, days = minute % MINUTES_OF_DAY, minute // MINUTES_OF_DAY
            local = datetime.combine(day + timedelta(days=days), time(at // 60, at % 60), zone)
            # In a repeated hour the same clock time comes twice.
            yield local.timestamp()
            yield local.replace(fold=1).timestamp()


def _shifts(day: date, zone: ZoneInfo) -> Iterator[float]:
    """The instants (at most one) of a UTC day at which the zone's clock jumps."""
    low = int(datetime.combine(day, time(), UTC).timestamp())
    high = low + 86400
    before = _offset(low, zone)
    if before == _offset(high, zone):
        return
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    yield float(high)


def _offset(instant: int, zone: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(instant, zone).utcoffset()
