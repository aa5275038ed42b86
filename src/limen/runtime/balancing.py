"""From an upstream's configuration to what chooses among its endpoints: balancers, a cookie, a queue."""

from __future__ import annotations

from collections.abc import Container
from functools import partial
from typing import TYPE_CHECKING, TypedDict

from limen.config.models.balance import NEAREST, POLICIES
from limen.config.models.health import Outlier
from limen.egress.nearness import Nearness, Site
from limen.engine.balance import Balancer
from limen.engine.nearest import Nearest
from limen.engine.queue import Queue
from limen.runtime.cookies import sticky_cookie

if TYPE_CHECKING:
    from collections.abc import Sequence

    from limen.config.models.upstreams import Upstream as UpstreamModel
    from limen.engine.cookies import Cookie
    from limen.engine.engine import Engine
    from limen.engine.places import Facts

_KEYS = ("client", "host", "path", "field", "cookie", "query")


class Balancing(TypedDict):
    """Arguments of the engine's Upstream."""

    balancer: Balancer
    nearest: Nearest | None
    cookie: Cookie | None
    queue: Queue | None
    key_by: int
    key_name: str
    run_most: int
    failing: Container[int]


class Pooling(TypedDict):
    """Arguments of the engine's Upstream, likewise: connections, and bounds of the whole."""

    dial_timeout: float
    idle_timeout: float
    idle: int
    warm: int
    max_age: float
    max_requests: int
    most: int
    links_most: int
    report: str


def pooling(model: UpstreamModel) -> Pooling:
    """What `model` says about connections, and about the upstream as a whole."""
    return {
        "dial_timeout": model.timeouts.dial,
        "idle_timeout": model.timeouts.idle,
        "idle": model.pool.idle,
        "warm": model.pool.warm,
        "max_age": model.pool.max_age or 0.0,
        "max_requests": model.pool.max_requests or 0,
        "most": model.max_requests or 0,
        "links_most": model.max_connections or 0,
        "report": model.load or "",
    }


def key_of(by: str, name: str | None) -> tuple[int, str]:
    """What keeps exchanges together, as the engine has it: number and name."""
    return _KEYS.index(by), ((name or "").lower() if by == "field" else name or "")


def balancing(engine: Engine, name: str, model: UpstreamModel, labels: list[bytes], secret: bytes = b"") -> Balancing:
    """What `model` says about choosing; `labels` are the endpoints' addresses, by which tables of hash are laid.

    `secret` signs cookies of an upstream that has no key of its own.
    """
    balance = model.balance
    by, key_name = key_of(balance.hash.by, balance.hash.name) if balance.hash is not None else key_of("client", None)
    priorities = tuple(endpoint.priority for endpoint in model.endpoints)
    return {
        "balancer": _balancer(model, labels, priorities),
        "nearest": _nearest(model, labels, priorities) if balance.policy == NEAREST else None,
        "cookie": sticky_cookie(model.sticky.cookie, name, labels, secret) if model.sticky is not None else None,
        "queue": Queue(engine, model.queue.size, model.queue.timeout) if model.queue is not None else None,
        "key_by": by,
        "key_name": key_name,
        "run_most": model.outlier.consecutive if model.outlier is not None else 0,
        "failing": _failing(model.outlier or Outlier()),
    }


def _failing(outlier: Outlier) -> frozenset[int]:
    """Statuses that speak against an endpoint."""
    return frozenset(status for statuses in outlier.failures for status in range(statuses.first, statuses.last + 1))


def _balancer(model: UpstreamModel, labels: list[bytes], priorities: Sequence[int]) -> Balancer:
    balance = model.balance
    return Balancer(
        labels,
        weights=[endpoint.weight for endpoint in model.endpoints],
        priorities=list(priorities),
        backups=[endpoint.backup for endpoint in model.endpoints],
        most=[endpoint.max_requests or 0 for endpoint in model.endpoints],
        policy=POLICIES.index(balance.among),
        bound=balance.bound or 0.0,
        decay=balance.decay,
        spill=model.spill_below,
        slow_start=model.slow_start or 0.0,
    )


def _nearest(model: UpstreamModel, labels: list[bytes], priorities: Sequence[int]) -> Nearest:
    sites = [Site(endpoint.region or "", endpoint.zone or "", endpoint.at) for endpoint in model.endpoints]
    nearness = Nearness(sites, priorities, model.balance.order)

    def rank(facts: Facts | None) -> tuple[int, ...]:
        return nearness(site_of(facts))

    return Nearest(rank, partial(_balancer, model, labels), len(labels))


def site_of(facts: Facts | None) -> Site:
    """Where a client is, by what the engine's places know of it."""
    if facts is None:
        return Site()
    _, _, _, region, zone, latitude, longitude = facts
    return Site(region, zone, None if latitude is None or longitude is None else (latitude, longitude))
