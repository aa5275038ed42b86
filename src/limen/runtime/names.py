"""The names that get numbers on the board: listeners, routes and endpoints of a configuration.

The same names label the metrics, so they are made in one place and are the same on every reload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from limen.observe.board import ENDPOINTS, LISTENERS, ROUTES

if TYPE_CHECKING:
    from limen.config import Config

LISTENER = "listener"
ROUTE = "route"
ENDPOINT = "endpoint"
CAPACITY = {LISTENER: LISTENERS, ROUTE: ROUTES, ENDPOINT: ENDPOINTS}


def endpoint_name(upstream: str, address: object) -> str:
    """`UPSTREAM/ADDRESS`: the same address in two upstreams counts apart."""
    return f"{upstream}/{address}"


def slot_names(config: Config) -> dict[str, list[str]]:
    """All names by kind, in the order of the configuration.

    A forward or stream listener has one route, named as the listener: its exchanges are counted like a route's.
    """
    routes: list[str] = []
    for listener in config.listeners:
        if listener.routes is None:
            routes.append(listener.label)
        else:
            routes += [listener.route_label(index) for index in range(len(listener.routes))]
    return {
        LISTENER: [listener.label for listener in config.listeners],
        ROUTE: routes,
        ENDPOINT: [
            endpoint_name(name, endpoint.address)
            for name, upstream in config.upstreams.items()
            for endpoint in upstream.endpoints
        ],
    }
