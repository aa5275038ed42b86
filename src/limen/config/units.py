"""Durations and sizes as people write them: `5s`, `250ms`, `1m30s`, `24h`; `64KiB`, `16MiB`, `500B`.

Parsing gives seconds (float) and bytes (int); formatting gives the shortest exact form, which parses to the same.
"""

from __future__ import annotations

import re
from decimal import Decimal

from limen.config.refusal import Refused, shown

DURATION_PATTERN = r"^(\d+(\.\d+)?(ms|us|s|m|h|d))+$"
SIZE_PATTERN = r"^\d+(\.\d+)? ?(B|kB|KB|MB|GB|KiB|MiB|GiB)$"

# Nanoseconds, so that sums of units are exact before the one division.
_NANOSECONDS = {"us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_ORDER = ("d", "h", "m", "s", "ms", "us")
_BYTES = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
_DURATION = re.compile(DURATION_PATTERN[1:-1], re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|s|m|h|d)", re.ASCII)
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(B|kB|KB|MB|GB|KiB|MiB|GiB)", re.ASCII)
_LONGEST = 40
"""Characters of a number with unit at most; no honest value is longer, and int() of a huge one is slow."""


def parse_duration(text: str) -> float:
    """Seconds of `5s`, `250ms`, `1m30s`, `1.5h`; units us ms s m h d, larger before smaller, each once.

    Raises Refused.
    """
    if len(text) > _LONGEST or not _DURATION.fullmatch(text):
        raise Refused(f"{shown(text)} is not a duration", _duration_hint(text))
    total = Decimal(0)
    last = -1
    for number, unit in _DURATION_PART.findall(text):
        rank = _ORDER.index(unit)
        if rank <= last:
            raise Refused(f"{shown(text)} is not a duration", "write larger units before smaller ones, as in 1m30s")
        last = rank
        total += Decimal(number) * _NANOSECONDS[unit]
    return float(total / 10**9)


def _duration_hint(text: str) -> str:
    if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII) and len(text) <= _LONGEST:
        return f"a duration needs a unit, such as {text}s or {text}ms"
    return "write it like 5s, 250ms, 1m30s or 24h"


def format_duration(seconds: float) -> str:
    """The shortest of `1m30s`, `250ms`, `5s` that parses to the same number of seconds (microseconds kept)."""
    left = round(seconds * 10**6)
    if seconds == 0:
        return "0s"
    if left / 10**6 != seconds:
        # Finer than a microsecond, or large with a fraction: plain seconds keep the float exactly.
        return f"{Decimal(repr(seconds)):f}s"
    parts = []
    for unit in _ORDER[1:]:
        count, left = divmod(left, _NANOSECONDS[unit] // 1000)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_size(text: str) -> int:
    """Bytes of `500B`, `64KiB`, `16MiB`, `1.5GiB`, `10kB`, `1MB`; the result must be whole. Raises Refused."""
    match = _SIZE.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise Refused(f"{shown(text)} is not a size", _size_hint(text))
    exact = Decimal(match[1]) * _BYTES[match[2]]
    if exact != int(exact):
        raise Refused(f"{shown(text)} is not a whole number of bytes")
    return int(exact)


def _size_hint(text: str) -> str:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text, re.ASCII)
    if match and len(text) <= _LONGEST:
        unit = match[2].lower().rstrip("ib")
        for letter, right in (("k", "KiB"), ("m", "MiB"), ("g", "GiB"), ("", "B")):
            if unit == letter:
                return f"did you mean {match[1]}{right}?"
    return "write it like 500B, 64KiB or 16MiB"


def format_size(size: int) -> str:
    """The size in the largest binary unit that divides it: 65536 is `64KiB`, 65537 `65537B`."""
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]}{unit}"
    return f"{size}B"
