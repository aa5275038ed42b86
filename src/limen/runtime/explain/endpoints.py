"""The endpoints of an upstream in the order in which its balancer would choose them, each with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from limen.config.models.balance import NEAREST, POLICIES
from limen.engine.explain import Question, bounds_of, standing

if TYPE_CHECKING:
    from limen.config.models.upstreams import Endpoint, Upstream
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
_STICKY = {
    "none": "the client has no cookie of it: it is given one",
    "unknown": "the client's cookie is forged, or its endpoint is gone: it is given another one",
    "out": "the endpoint of the client's cookie is out: it is given another one",
    "full": "the endpoint of the client's cookie is full: elsewhere this once",
    "kept": "the client's cookie names its endpoint",
}
# What the supervisor says of an endpoint, the gravest first.
_BARRED = {
    "disabled": "disabled at run time",
    "draining": "draining: only clients that stick to it",
    "down": "down by its probe",
    "ejected": "ejected as an outlier",
}


@dataclass(frozen=True, slots=True)
class _View:
    """What reasons depend on beside the endpoint itself."""

    policy: str
    is_nearest: bool
    all_out: bool
    own: int
    """Index of the endpoint that the client keeps by its cookie; -1: none."""


def endpoints(name: str, model: Upstream, compiled: Compiled, question: Question | None) -> dict[str, object]:
    """The upstream with its endpoints; those with a place in the order come first."""
    rows, order = standing(compiled, question, CHOICES)
    policy = POLICIES[compiled.balancer.policy]
    sticky = question.kept() if question is not None else None
    own = sticky[0] if sticky is not None and sticky[1] == "kept" else -1
    if own >= 0:
        order = [own, *(index for index in order if index != own)]
    place = {index: number for number, index in enumerate(order, 1)}
    indices = sorted(range(len(rows)), key=lambda index: (place.get(index, len(rows) + 1), index))
    # By address: what is discovered may change while an explanation waits for a name.
    models = {str(endpoint.address): endpoint for endpoint in model.endpoints}
    all_out = bool(rows) and not any(row["live"] for row in rows)
    view = _View(policy, model.balance.policy == NEAREST, all_out, own)
    answer: dict[str, object] = {
        "name": name,
        "policy": model.balance.policy,
        "meaning": _WORDS.get(policy, policy),
        "exact": policy not in _DRAWN,
        "live": sum(row["live"] for row in rows),
        "count": len(rows),
        "bounds": [{"name": key, "now": now, "most": most} for key, now, most in bounds_of(compiled)],
        "endpoints": [
            _row(rows[index], index, place.get(index), view, models.get(rows[index]["address"]))
            for index in indices[:SHOWN]
        ],
    }
    if view.is_nearest:
        answer["meaning"] = f"the nearest to the client, among them {answer['meaning']}"
        answer["then"] = policy
    if sticky is not None and model.sticky is not None:
        answer["sticky"] = {"found": sticky[1], "reason": _STICKY[sticky[1]]}
    if policy == "hash":
        key = model.balance.hash
        answer["key"] = {"by": key.by, "name": key.name} if key is not None else {"by": "client", "name": None}
    if model.queue is not None:
        answer["queue"] = {"size": model.queue.size, "timeout": model.queue.timeout}
    return answer


def full(upstream: object) -> str | None:
    """Which bound of an upstream as a whole is reached, in words."""
    bounds = upstream.get("bounds") if isinstance(upstream, dict) else None
    for one in bounds if isinstance(bounds, list) else ():
        # connections that rest are closed for those that are needed
        if one["name"] == "max_requests" and one["now"] >= one["most"]:
            return f"the upstream is full: {one['now']} of {one['most']} exchanges"
    return None


def _row(row: Standing, index: int, place: int | None, view: _View, model: Endpoint | None) -> dict[str, object]:
    return {
        "place": place,
        "address": row["address"],
        "usable": row["live"],
        "reason": "; ".join(_reasons(row, index, place, view)),
        "words": row["words"],
        "weight": row["weight"],
        "share": round(row["share"] * row["portion"], 4),
        "in_flight": row["in_flight"],
        "most": row["most"] or None,
        "priority": model.priority if model is not None else row["priority"],
        "backup": row["backup"],
        "region": model.region if model is not None else None,
        "zone": model.zone if model is not None else None,
        "out_for": round(row["out_for"], 3),
        "failures": row["failures"],
        "busy": round(row["busy"], 3),
        "peak": round(row["peak"], 6) or None,
    }


def _reasons(row: Standing, index: int, place: int | None, view: _View) -> list[str]:
    """In the order of weight: why it stands where it stands."""
    found = ["the client keeps it by its cookie"] if index == view.own else []
    found += [words for word, words in _BARRED.items() if word in row["words"]]
    if "panic" in row["words"]:
        found.append("used all the same: too few others are well")
    if not row["live"]:
        if row["out_for"] or not found:
            found.append(f"out for another {row['out_for']:.1f} s" if row["out_for"] else "out")
        if row["failures"]:
            found.append(f"{row['failures']} failed dials in a row")
        if view.all_out:
            found.append("asked all the same: all are out" if place is not None else "not even now that all are out")
        return found
    if row["most"] and row["in_flight"] >= row["most"]:
        found.append(f"full: {row['in_flight']} of {row['most']} exchanges")
    elif place is None:
        found.append("usable, not among the first choices")
    else:
        found.append(_because(row, view.policy))
    return found + list(_circumstances(row, view))


def _circumstances(row: Standing, view: _View) -> Iterator[str]:
    """Of one that is usable: what else bears on its share."""
    if row["backup"]:
        yield "a backup: used when all others are out or full"
        if "called" in row["words"]:
            yield "called in: too few others are well"
    elif row["group"]:
        before = "nearer ones" if view.is_nearest else "those before"
        name = f"group {row['group'] + 1} by nearness" if view.is_nearest else f"priority {row['priority']}"
        yield f"{name}: takes {row['portion']:.0%} of what {before} leave"
    if row["busy"]:
        yield f"says it is {row['busy']:.0%} busy"
    elif row["warming"]:
        yield "warming up"


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
