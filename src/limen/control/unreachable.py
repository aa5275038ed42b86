"""The check that `limen check` adds to those of the configuration: routes that no request can ever reach.

Knows how routes match, which needs the engine: a supervisor, which must not load that, does without.
"""

from __future__ import annotations

from collections.abc import Iterator

from limen.config import Config
from limen.config.findings import Finding
from limen.config.models.listeners import Listener
from limen.config.refusal import shown
from limen.policy.hellos import compile_hello_match, find_unreachable_hellos
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
