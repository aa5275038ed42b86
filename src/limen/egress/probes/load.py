"""How busy an endpoint says it is: a plain number, or ORCA's load report (xDS, `endpoint-load-metrics`)."""

from __future__ import annotations

import contextlib
import json
import math

# ORCA: what the application knows of itself goes before what its machine measures.
_NAMES = ("application_utilization", "cpu_utilization")


def parse_load(value: str) -> float | None:
    """The utilisation, 0 to 1, in a field's value; None for what says none. More than 1 is 1.

    `0.7`, `70%`, `TEXT cpu_utilization=0.7,mem_utilization=0.2` or `JSON {"cpu_utilization": 0.7}`.
    """
    word, _, rest = value.partition(" ")
    if word == "TEXT":
        pairs = (pair.partition("=") for pair in rest.split(","))
        return _named({name.strip(): number for name, _, number in pairs})
    if word == "JSON":
        with contextlib.suppress(ValueError):
            found = json.loads(rest)
            return _named(found) if isinstance(found, dict) else None
        return None
    if value.endswith("%"):
        percent = _number(value[:-1])
        return None if percent is None else min(percent / 100.0, 1.0)
    return _bounded(value)


def _named(found: dict[str, object]) -> float | None:
    numbers = [number for name in _NAMES if (number := _bounded(found.get(name))) is not None]
    # a report may name what it does not measure, as zero
    return next((number for number in numbers if number > 0), numbers[0] if numbers else None)


def _bounded(value: object) -> float | None:
    number = _number(value)
    return None if number is None else min(number, 1.0)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None
