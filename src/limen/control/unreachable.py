"""The checks that `limen check` adds to those of the configuration: routes and rules that no request can ever reach.

Knows how they match, which needs the engine: a supervisor, which must not load that, does without.
"""

from __future__ import annotations

from collections.abc import Iterator

from limen.config import Config
from limen.config.findings import Finding
from limen.config.models.listeners import Listener
from limen.config.positions import Path
from limen.config.refusal import shown
from limen.policy.access import compile_access
from limen.policy.hellos import compile_hello_match, find_unreachable_hellos
from limen.policy.reach import find_covered, why_never
from limen.policy.routes import compile_route_match, find_unreachable


def unreachable_routes(config: Config) -> Iterator[Finding]:
    """Routes that an earlier one of the same listener takes every request from."""
    for number, listener in enumerate(config.listeners):
        specs = [compile_route_match(route.match) for route in listener.routes or ()]
        for index, by in find_unreachable(specs):
            yield Finding(
                ("listeners", number, "routes", index),
                f"no request reaches the route {shown(listener.route_label(index))}: "
                f"{shown(listener.route_label(by))} before it takes all",
                "put the narrower route first",
                warning=True,
            )
        yield from _unreachable_hellos(number, listener)


def unreachable_rules(config: Config) -> Iterator[Finding]:
    """Access rules that an earlier one of the same listener takes every request from, and those that none can fit."""
    for number, listener in enumerate(config.listeners):
        forward = listener.forward
        if forward is None or forward.access is None:
            continue
        specs = compile_access(forward)
        names = [shown(spec.name) if spec.name else f"number {index + 1}" for index, spec in enumerate(specs)]
        place: Path = ("listeners", number, "forward", "access")
        for index, by in find_covered(specs):
            message = f"the rule {names[index]} can never match: the rule {names[by]} before it takes all"
            yield Finding((*place, index), message, "put the narrower rule first", warning=True)
        for index, spec in enumerate(specs):
            reason = why_never(spec, bridged=forward.bridge is not None)
            if reason is not None:
                message = f"the rule {names[index]} can never match: {reason}"
                yield Finding((*place, index), message, "remove it, or change its conditions", warning=True)


def _unreachable_hellos(number: int, listener: Listener) -> Iterator[Finding]:
    opaque = list(listener.opaque_routes())
    for index, by in find_unreachable_hellos([compile_hello_match(route.match) for _, _, route in opaque]):
        place, label, _ = opaque[index]
        yield Finding(
            ("listeners", number, *place),
            f"no connection reaches the route {shown(label)}: {shown(opaque[by][1])} before it takes all",
            "put the narrower route first",
            warning=True,
        )
