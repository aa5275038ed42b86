"""Checks for loops: a listener that, through upstreams, ends in itself would serve each request for ever."""

from __future__ import annotations

from collections.abc import Iterator

from limen.config.addresses import Address
from limen.config.findings import Finding
from limen.config.models.root import Config


def own_listeners(config: Config) -> Iterator[Finding]:
    """Endpoints that are listeners from which the same endpoint is reached again.

    Chains of listeners are allowed (a forward listener behind a gateway, say) as long as they end.
    """
    leads = {number: _next(config, number) for number in range(len(config.listeners))}
    reported: set[tuple[str, int]] = set()
    for number, steps in leads.items():
        for name, index, target in steps:
            if (name, index) not in reported and number in _reachable(leads, target) | {target}:
                reported.add((name, index))
                address = config.upstreams[name].endpoints[index].address
                message = f"{address} is the own listener listeners[{target}]: a loop"
                yield Finding(("upstreams", name, "endpoints", index), message, "name the origin's address")


def _next(config: Config, number: int) -> list[tuple[str, int, int]]:
    """The listeners that one listener leads to: upstream, index of its endpoint, number of the next listener."""
    listener = config.listeners[number]
    names = {name for route in listener.routes or () for name in route.upstreams}
    if listener.stream is not None and listener.stream.upstream is not None:
        names.add(listener.stream.upstream)
    names.update(route.upstream for _, _, route in listener.opaque_routes())
    found = []
    for name in sorted(names & config.upstreams.keys()):
        for index, endpoint in enumerate(config.upstreams[name].endpoints):
            for target, other in enumerate(config.listeners):
                if serves(other.bind, endpoint.address):
                    found.append((name, index, target))
    return found


def _reachable(leads: dict[int, list[tuple[str, int, int]]], start: int) -> set[int]:
    seen: set[int] = set()
    waiting = [start]
    while waiting:
        for _, _, target in leads[waiting.pop()]:
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen


def serves(bind: Address, dialled: Address) -> bool:
    """Whether a connection to `dialled` surely arrives at `bind`."""
    if bind.path or dialled.path or bind.port != dialled.port or not bind.port:
        return False
    if bind.host == dialled.host:
        return True
    if bind.is_wildcard:
        return dialled.is_loopback
    # localhost is either loopback address.
    return "localhost" in (bind.host, dialled.host) and bind.is_loopback and dialled.is_loopback
