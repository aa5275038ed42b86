"""The endpoints of an upstream in the order in which its balancer would choose them, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from limen.config.models.balance import POLICIES
from limen.engine.explain import Question, standing

if TYPE_CHECKING:
    from limen.config.models.upstreams import Upstream
    from limen.engine.explain import Standing
    from limen.engine.upstream import Upstream as Compiled

CHOICES = 16
"""So many places of the order are asked for."""
SHOWN = 64
"""Endpoints of one explanation."""

_WORDS = {
    "round_robin": "in turn by weight",
    "least_requests": "fewest exchanges in flight per weight",
    "two_choices": "the better of two drawn by weight",
    "random": "drawn by weight",
    "peak_ewma": "least of peak response time times exchanges in flight",
    "hash": "by its key",
    "first": "the first that has room",
}
_DRAWN = ("random", "two_choices")


def endpoints(name: str, model: Upstream, compiled: Compiled, question: Question | None) -> dict[str, object]:
    """The upstream with its endpoints; those with a place in the order come first."""
    rows, order = standing(compiled, question, CHOICES)
    policy = POLICIES[compiled.balancer.policy]
    place = {index: number for number, index in enumerate(order, 1)}
    indices = sorted(range(len(rows)), key=lambda index: (place.get(index, len(rows) + 1), index))
    # By address: what is discovered may change while an explanation waits for a name.
    regions = {str(endpoint.address): endpoint.region for endpoint in model.endpoints}
    all_out = bool(rows) and not any(row["live"] for row in rows)
    answer: dict[str, object] = {
        "name": name,
        "policy": policy,
        "meaning": _WORDS.get(policy, policy),
        "exact": policy not in _DRAWN,
        "live": sum(row["live"] for row in rows),
        "count": len(rows),
        "endpoints": [
            _row(rows[index], place.get(index), policy, regions, all_out=all_out) for index in indices[:SHOWN]
        ],
    }
    if policy == "hash":
        key = model.balance.hash
        answer["key"] = {"by": key.by, "name": key.name} if key is not None else {"by": "client", "name": None}
    if model.queue is not None:
        answer["queue"] = {"size": model.queue.size, "timeout": model.queue.timeout}
    return answer


def _row(
    row: Standing, place: int | None, policy: str, regions: Mapping[str, str | None], *, all_out: bool
) -> dict[str, object]:
    return {
        "place": place,
        "address": row["address"],
        "usable": row["live"],
        "reason": "; ".join(_reasons(row, place, policy, all_out=all_out)),
        "weight": row["weight"],
        "share": round(row["share"] * row["portion"], 4),
        "in_flight": row["in_flight"],
        "most": row["most"] or None,
        "priority": row["priority"],
        "backup": row["backup"],
        "region": regions.get(row["address"]),
        "out_for": round(row["out_for"], 3),
        "failures": row["failures"],
        "peak": round(row["peak"], 6) or None,
    }


def _reasons(row: Standing, place: int | None, policy: str, *, all_out: bool) -> list[str]:
    """In the order of weight: why it stands where it stands."""
    found = []
    if not row["live"]:
        found.append(f"out for another {row['out_for']:.1f} s" if row["out_for"] else "out")
        if row["failures"]:
            found.append(f"{row['failures']} failed dials in a row")
        if all_out:
            found.append("asked all the same: all are out")
        return found
    if row["most"] and row["in_flight"] >= row["most"]:
        found.append(f"full: {row['in_flight']} of {row['most']} exchanges")
    elif place is None:
        found.append("usable, not among the first choices")
    else:
        found.append(_because(row, policy))
    if row["backup"]:
        found.append("a backup: used when all others are out or full")
    elif row["group"]:
        found.append(f"priority {row['priority']}: takes {row['portion']:.0%} of what those before leave")
    if row["warming"]:
        found.append("warming up")
    return found


def _because(row: Standing, policy: str) -> str:
    if policy in ("least_requests", "two_choices"):
        return f"{row['in_flight']} in flight, weight {row['weight']}"
    if policy == "peak_ewma":
        peak = f"peak {row['peak'] * 1000:.1f} ms" if row["peak"] else "not measured yet"
        return f"{peak}, {row['in_flight']} in flight, weight {row['weight']}"
    if policy == "random":
        return f"drawn with a chance of {row['share']:.0%}"
    if policy == "hash":
        return "where the key leads from here" if not row["most"] else "where the key leads, as far as there is room"
    return f"weight {row['weight']}, its turn" if policy == "round_robin" else "in the order written"
