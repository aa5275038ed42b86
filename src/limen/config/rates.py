"""Rates as people write them: `100/s`, `1000/h`, `5/10s`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from limen.config.refusal import Refused, shown
from limen.config.units import format_duration, parse_duration

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
