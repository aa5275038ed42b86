"""Rates, bandwidths and quotas as people write them: `100/s`, `5/10s`; `10MiB/s`; `10GiB/d`, `1000/month`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from limen.config.refusal import Refused, shown
from limen.config.units import format_duration, format_size, parse_duration, parse_size

RATE_PATTERN = r"^\d{1,9}/(s|m|h|d|\d+(ms|s|m|h|d))$"
_RATE = re.compile(RATE_PATTERN[1:-1], re.ASCII)
_FASTEST = 1_000_000
_LONGEST = 366 * 86400.0


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in a period of so many seconds."""

    count: int
    period: float

    def __str__(self) -> str:
        period = format_duration(self.period)
        return f"{self.count}/{period.removeprefix('1') if period in ('1s', '1m', '1h', '1d') else period}"

    @property
    def interval(self) -> int:
        """Nanoseconds from one to the next."""
        return max(1, round(self.period * 1e9 / self.count))


def parse_rate(text: str) -> Rate:
    """A rate from `COUNT/UNIT` or `COUNT/DURATION`. Raises Refused."""
    match = _RATE.fullmatch(text)
    if match is None:
        hint = f"did you mean {text}/s?" if text.isdigit() else "write it like 100/s, 1000/h or 5/10s"
        raise Refused(f"{shown(text)} is not a rate", hint)
    count, _, period = text.partition("/")
    seconds = parse_duration(period if period[0].isdigit() else f"1{period}")
    number = int(count)
    if number < 1 or seconds <= 0 or number / seconds > _FASTEST or seconds > _LONGEST:
        raise Refused(f"{shown(text)} is out of range", "from 1 in 366d to 1000000/s")
    return Rate(number, seconds)


BANDWIDTH_PATTERN = r"^\d+(\.\d+)? ?(B|kB|KB|MB|GB|KiB|MiB|GiB)/s$"
_SLOWEST, _WIDEST = 1024, 100 * 1024**3


def parse_bandwidth(text: str) -> int:
    """Bytes per second of `10MiB/s`. Raises Refused."""
    size, slash, unit = text.rpartition("/")
    if not slash or unit != "s":
        raise Refused(f"{shown(text)} is not a bandwidth", "write it like 512KiB/s or 10MiB/s")
    speed = parse_size(size)
    if not _SLOWEST <= speed <= _WIDEST:
        raise Refused(f"{shown(text)} is out of range", "from 1KiB/s to 100GiB/s")
    return speed


def format_bandwidth(speed: int) -> str:
    """The shortest text that means so many bytes per second."""
    return f"{format_size(speed)}/s"


PERIODS = ("h", "d", "month")
"""In the order of the engine's Period."""
QUOTA_PATTERN = r"^\d+(\.\d+)? ?(B|kB|KB|MB|GB|KiB|MiB|GiB)?/(h|d|month)$"
_LARGEST = 1 << 60


@dataclass(frozen=True, slots=True)
class Quota:
    """So many bytes, or requests, in each hour, day or month."""

    amount: int
    period: str
    requests: bool = False

    def __str__(self) -> str:
        return f"{self.amount if self.requests else format_size(self.amount)}/{self.period}"


def parse_quota(text: str) -> Quota:
    """A quota from `SIZE/PERIOD` or `COUNT/PERIOD`; periods are h, d and month. Raises Refused."""
    amount, slash, period = text.rpartition("/")
    if not slash or not amount:
        raise Refused(f"{shown(text)} is not a quota", "write it like 10GiB/d, 500MiB/h or 1000/month")
    if period not in PERIODS:
        raise Refused(f"{shown(text)} is not a quota", "its period is h, d or month; for others there is `rate`")
    requests = amount.isascii() and amount.isdigit() and len(amount) <= 18
    found = Quota(int(amount) if requests else parse_size(amount), period, requests)
    if not 1 <= found.amount <= _LARGEST:
        raise Refused(f"{shown(text)} is out of range")
    return found
