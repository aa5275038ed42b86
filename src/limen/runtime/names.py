"""The names that get numbers on the board: listeners, routes and endpoints of a configuration.

The same names label the metrics, so they are made in one place and are the same on every reload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from limen.observe.board import ENDPOINTS, LISTENERS, ROUTES
from limen.observe.limits import SLOTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from limen.config import Config
    from limen.config.models.limit import Limit

LISTENER = "listener"
ROUTE = "route"
ENDPOINT = "endpoint"
LIMIT = "limit"
# Of a listener without rules of its own; limen.policy.access has them, which the supervisor does not load.
DEFAULT_RULES = ("default-tunnel", "default-tunnel-ports", "default-plain")
DEFAULT_SOCKS_RULES = ("default-datagrams", "default-datagram-ports", "default-bind", *DEFAULT_RULES)
CAPACITY = {LISTENER: LISTENERS, ROUTE: ROUTES, ENDPOINT: ENDPOINTS, LIMIT: SLOTS}


def endpoint_name(upstream: str, address: object) -> str:
    """`UPSTREAM/ADDRESS`: the same address in two upstreams counts apart."""
    return f"{upstream}/{address}"


WHOLE, RETRIES, HEDGES, LINKS = "*", "*retries", "*hedges", "*connections"


def count_name(upstream: str, what: str) -> str:
    """Of what counts something at a whole upstream, all workers together: a place among endpoints, but none of them."""
    return f"{upstream}/{what}"


def counts(config: Config) -> Iterator[tuple[str, str]]:
    """Upstreams with what is counted of them: exchanges and connections where they are bounded, retries of those that
    routes retry, hedges where a route bounds them.
    """
    routes = [route for listener in config.listeners for route in listener.routes or ()]
    retried = {name for route in routes if route.retry.attempts or route.hedge is not None for name in route.upstreams}
    hedged = {
        name for route in routes if route.hedge is not None and route.hedge.most is not None for name in route.upstreams
    }
    for listener in config.listeners:
        retried.update(route.upstream for _, _, route in listener.opaque_routes())
    for name, upstream in config.upstreams.items():
        wanted = {
            WHOLE: upstream.max_requests is not None,
            RETRIES: name in retried,
            HEDGES: name in hedged,
            LINKS: upstream.max_connections is not None,
        }
        yield from ((name, what) for what, is_counted in wanted.items() if is_counted)


def share_name(route: str, upstream: str) -> str:
    """`ROUTE/UPSTREAM`: what a share of a split route counts under, so that shares can be compared."""
    return f"{route}/{upstream}"


def rule_label(name: str, number: int) -> str:
    """What an access rule is called in logs and metrics: its name, or its place in the list, from 0 as in messages."""
    return name or f"#{number}"


def rule_slot(listener: str, rule: str) -> str:
    """What a rule counts under, beside the routes. No route is called so: names hold no line end."""
    return f"{listener}\n{rule}"


def _rule_slots(config: Config) -> Iterator[str]:
    for listener in config.listeners:
        if listener.forward is None:
            continue
        rules = listener.forward.access
        if rules is not None:
            names: Iterable[str] = [rule.name or "" for rule in rules]
        else:
            names = DEFAULT_RULES if listener.forward.socks is None else DEFAULT_SOCKS_RULES
        yield from (rule_slot(listener.label, rule_label(name, number)) for number, name in enumerate(names))


def limit_label(place: str, limits: Sequence[Limit], number: int) -> str:
    """What a limit is called: its name, or that of its route (with a number where there are several)."""
    return limits[number].name or (place if len(limits) == 1 else f"{place}/{number + 1}")


def limit_labels(config: Config) -> Iterator[str]:
    """All of them, in order; a name may come several times."""
    for listener in config.listeners:
        places = [(listener.route_label(index), route.limit) for index, route in enumerate(listener.routes or ())]
        if listener.forward is not None:
            places.append((listener.label, listener.forward.limit))
            rules = listener.forward.access or ()
            places += [
                (f"{listener.label}/{rule_label(rule.name or '', number)}", rule.limit)
                for number, rule in enumerate(rules)
            ]
        if listener.stream is not None:
            places.append((listener.label, listener.stream.limit))
        for place, limits in places:
            yield from (limit_label(place, limits, number) for number in range(len(limits)))


def slot_names(config: Config) -> dict[str, list[str]]:
    """All names by kind, in the order of the configuration.

    A route's name may also be a listener's: that of the exchanges of a forward or stream listener, and of those of a
    gateway that ended before a route took them.
    """
    routes: list[str] = []
    for listener in config.listeners:
        routes.append(listener.label)
        if listener.routes is not None:
            for index, route in enumerate(listener.routes):
                label = listener.route_label(index)
                routes.append(label)
                if route.split is not None:
                    routes += [share_name(label, name) for name in route.upstreams]
        routes += [label for _, label, _ in listener.opaque_routes()]
    routes += _rule_slots(config)
    found = {
        LISTENER: [listener.label for listener in config.listeners],
        ROUTE: routes,
        ENDPOINT: [
            endpoint_name(name, endpoint.address)
            for name, upstream in config.groups.items()
            for endpoint in upstream.endpoints
        ]
        + [count_name(name, what) for name, what in counts(config)],
    }
    limits = list(limit_labels(config))
    return {**found, LIMIT: limits} if limits else found
