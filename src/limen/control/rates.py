"""What happens per second: differences of two answers of GET /live, for `limen top` and for scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Json = Mapping[str, object]

_FAILURES = ("dial_failures", "response_faults")
_PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def rates(before: Json, after: Json) -> dict[str, object]:
    """Everything of `after` that an operator watches, its counters per second. JSON-able.

    After a restart in between the counters are smaller: then the rates are those since it.
    """
    seconds = max(number(after.get("at")) - number(before.get("at")), 1e-9)
    bounds = [number(bound) for bound in items(after.get("bounds"))]
    past = _endpoints(before)
    faults = mapping(before.get("faults"))
    return {
        **{
            name: after.get(name)
            for name in ("version", "pid", "state", "uptime", "revision", "workers", "certificates")
        },
        "seconds": round(seconds, 3),
        "traffic": _traffic(mapping(before.get("traffic")), mapping(after.get("traffic")), seconds, bounds),
        "routes": [
            {"name": route.get("name"), **_traffic(_named(before, "routes", route), route, seconds, bounds)}
            for route in map(mapping, items(after.get("routes")))
        ],
        "listeners": [
            {
                **{name: one.get(name) for name in ("name", "address", "kind", "connections")},
                **{
                    name: _rate(_named(before, "listeners", one), one, name, seconds)
                    for name in ("accepted", "refused", "handshakes")
                },
            }
            for one in map(mapping, items(after.get("listeners")))
        ],
        "upstreams": [
            {
                "name": upstream.get("name"),
                "balance": upstream.get("balance"),
                "endpoints": [
                    _endpoint(past.get((upstream.get("name"), one.get("address")), {}), one, seconds)
                    for one in map(mapping, items(upstream.get("endpoints")))
                ],
            }
            for upstream in map(mapping, items(after.get("upstreams")))
        ],
        "faults": [
            {
                "name": name,
                "side": mapping(fault).get("side"),
                "rate": _rate(mapping(faults.get(name)), mapping(fault), "count", seconds),
            }
            for name, fault in mapping(after.get("faults")).items()
        ],
    }


def percentile(buckets: Sequence[float], bounds: Sequence[float], part: float) -> float | None:
    """The duration that this part of the exchanges stayed under, in seconds; None without any, and where it is beyond
    the last bound. Within a bucket they count as evenly spread.
    """
    wanted, seen = part * sum(buckets), 0.0
    if not wanted:
        return None
    for place, count in enumerate(buckets):
        if count and seen + count >= wanted and place < len(bounds):
            low = bounds[place - 1] if place else 0.0
            return low + (bounds[place] - low) * (wanted - seen) / count
        seen += count
    return None


def endpoint_state(endpoint: Json) -> tuple[str, str]:
    """State and reason as the instance tells them, or as follows from who has taken it out."""
    state, out = endpoint.get("state"), number(endpoint.get("out"))
    if state is not None:
        return str(state), str(endpoint.get("reason") or "")
    return ("out", "cannot be dialled") if out else ("usable", "")


def _traffic(before: Json, after: Json, seconds: float, bounds: Sequence[float]) -> dict[str, object]:
    classes, past = mapping(after.get("classes")), mapping(before.get("classes"))
    buckets = [
        max(0.0, number(now) - (number(then) if then is not None else 0.0))
        for now, then in _aligned(items(after.get("buckets")), items(before.get("buckets")))
    ]
    gauges = {name: after[name] for name in ("connections", "in_flight", "tunnels") if name in after}
    return {
        "requests": _rate(before, after, "exchanges", seconds),
        "classes": {name: _rate(past, classes, name, seconds) for name in classes},
        "received": _rate(before, after, "received", seconds),
        "sent": _rate(before, after, "sent", seconds),
        **({"tunnel_bytes": _rate(before, after, "tunnel_bytes", seconds)} if "tunnel_bytes" in after else {}),
        **{name: percentile(buckets, bounds, part) for name, part in _PERCENTILES.items()},
        **gauges,
    }


def _aligned(now: Sequence[object], then: Sequence[object]) -> list[tuple[object, object]]:
    return list(zip(now, [*then, *[None] * len(now)], strict=False))


def _endpoint(before: Json, after: Json, seconds: float) -> dict[str, object]:
    state, reason = endpoint_state(after)
    kept = (
        "address", "since", "weight", "priority", "backup", "region", "active", "connections", "idle", "ejections",
        "load",
    )  # fmt: skip
    responses = _gained(before, after, "responses")
    return {
        **{name: after.get(name) for name in kept},
        "state": state,
        "reason": reason,
        "requests": _rate(before, after, "requests", seconds),
        "failures": sum(_rate(before, after, name, seconds) for name in _FAILURES),
        "retries": _rate(before, after, "retries", seconds),
        "mean": round(_gained(before, after, "response_seconds") / responses, 6) if responses else None,
    }


def _endpoints(sample: Json) -> dict[tuple[object, object], Json]:
    return {
        (upstream.get("name"), one.get("address")): one
        for upstream in map(mapping, items(sample.get("upstreams")))
        for one in map(mapping, items(upstream.get("endpoints")))
    }


def _named(sample: Json, kind: str, row: Json) -> Json:
    return next((one for one in map(mapping, items(sample.get(kind))) if one.get("name") == row.get("name")), {})


def _rate(before: Json, after: Json, name: str, seconds: float) -> float:
    return round(_gained(before, after, name) / seconds, 3)


def _gained(before: Json, after: Json, name: str) -> float:
    now, then = number(after.get(name)), number(before.get(name))
    return now - then if now >= then else now


def number(value: object) -> float:
    """The value if it is a number, else 0."""
    return float(value) if isinstance(value, int | float) else 0.0


def mapping(value: object) -> Json:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> Sequence[object]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []
