"""The report of an instance as lines of text, for `limen status`; tables for others, too."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

# What a name could do to a terminal.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_ENDPOINT_KEYS = ("active", "connections", "idle", "requests", "failures", "retries", "ejections")

_SOURCE_KEYS = ("source", "endpoints", "origin", "succeeded", "failures", "error")


def overview(status: Mapping[str, object]) -> list[str]:
    """Instance, workers, listeners, upstreams and their sources, certificates."""
    revision = _mapping(status.get("revision"))
    live = _mapping(status.get("live"))
    lines = [
        (
            f"limen {status.get('version')}  pid {status.get('pid')}  {status.get('state')}  "
            f"up {duration(status.get('uptime'))}  revision {revision.get('number')} ({revision.get('digest')})"
        ),
        "live: " + ", ".join(f"{count} {name}" for name, count in live.items()),
        "",
    ]
    lines += table(
        ("WORKER", "PID", "STATE", "RESTARTS", "CONNECTIONS", "EXCHANGES", "TUNNELS"),
        map(_worker, _mappings(status.get("workers"))),
    )
    lines += ["", *table(("LISTENER", "ADDRESS", "SERVES"), map(_listener, _mappings(status.get("listeners"))))]
    upstreams = _mappings(status.get("upstreams"))
    if upstreams:
        now = time.time()
        rows = [
            _endpoint(upstream, endpoint, now)
            for upstream in upstreams
            for endpoint in _mappings(upstream.get("endpoints"))
        ]
        counts = (key.upper() for key in _ENDPOINT_KEYS)
        head = ("UPSTREAM", "ENDPOINT", "WEIGHT", *counts, "MEAN", "LOAD", "STATE", "SINCE", "PROBE", "REASON")
        lines += ["", *table(head, rows)]
    sources = [(upstream.get("name"), _mapping(upstream.get("discovery"))) for upstream in upstreams]
    if any(source for _, source in sources):
        rows = [(name, *(source.get(key) for key in _SOURCE_KEYS)) for name, source in sources if source]
        lines += ["", *table(("DISCOVERY", "SOURCE", "ENDPOINTS", "FROM", "SUCCEEDED", "FAILURES", "ERROR"), rows)]
    certificates = _mappings(status.get("certificates"))
    if certificates:
        rows = [
            (one.get("file"), one.get("listener") or one.get("upstream"), one.get("expires"), one.get("days"))
            for one in certificates
        ]
        lines += ["", *table(("CERTIFICATE", "OF", "EXPIRES", "DAYS"), rows)]
    return lines


def _worker(worker: Mapping[str, object]) -> tuple[object, ...]:
    live = _mapping(worker.get("live"))
    counts = (live.get(key) for key in ("connections", "exchanges", "tunnels"))
    return *(worker.get(key) for key in ("number", "pid", "state", "restarts")), *counts


def _listener(listener: Mapping[str, object]) -> tuple[object, ...]:
    kind = listener.get("kind")
    return (
        listener.get("name"),
        listener.get("address"),
        f"{listener.get('routes')} routes" if kind == "routes" else kind,
    )


def _endpoint(upstream: Mapping[str, object], endpoint: Mapping[str, object], now: float) -> tuple[object, ...]:
    """The reason stands last: it is the only one that may be long."""
    weight = endpoint.get("runtime_weight")
    name = upstream.get("name")
    return (
        f"{name} (panic)" if upstream.get("panic") else name,
        endpoint.get("address"),
        f"{weight} (run time)" if weight is not None else endpoint.get("weight"),
        *(endpoint.get(key) for key in _ENDPOINT_KEYS),
        latency(mean(endpoint.get("response_seconds"), endpoint.get("responses"))),
        share(endpoint.get("load")),
        endpoint.get("state"),
        _ago(endpoint.get("since"), now),
        endpoint.get("probe"),
        endpoint.get("reason"),
    )


def mean(total: object, count: object) -> float | None:
    """Of so many; None of none."""
    return float(total) / count if isinstance(total, int | float) and isinstance(count, int | float) and count else None


def latency(seconds: object) -> str:
    """A short time; a dash for none."""
    if not isinstance(seconds, int | float):
        return "-"
    return f"{seconds * 1000:.1f}ms" if seconds < 1 else f"{seconds:.2f}s"


def share(part: object) -> str:
    """In percent; a dash for none."""
    return f"{part:.0%}" if isinstance(part, int | float) else "-"


def _ago(moment: object, now: float) -> str:
    """How long an ISO 8601 time is past."""
    return duration(now - datetime.fromisoformat(moment).timestamp()) if isinstance(moment, str) else "-"


def table(head: Sequence[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """Columns as wide as their widest cell."""
    cells = [list(head), *([("-" if value is None else str(value)) for value in row] for row in rows)]
    widths = [max((len(row[column]) for row in cells if column < len(row)), default=0) for column in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in cells]


def printable(lines: Iterable[str]) -> list[str]:
    """Lines without what a name in them could do to a terminal."""
    return [_CONTROL.sub("?", line) for line in lines]


def duration(seconds: object) -> str:
    """A time in words; a dash for what is none."""
    if not isinstance(seconds, int | float):
        return "-"
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"{days}d {hour}h" if days else f"{hour}h {minute}m" if hour else f"{minute}m {second}s"


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> list[Mapping[str, object]]:
    return [_mapping(item) for item in value] if isinstance(value, list) else []
