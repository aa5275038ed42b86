"""From an upstream's configuration to its balancer and its queue."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING, TypedDict

from limen.config.models.balance import POLICIES
from limen.config.models.health import Outlier
from limen.engine.balance import Balancer
from limen.engine.queue import Queue

if TYPE_CHECKING:
    from limen.config.models.upstreams import Upstream as UpstreamModel
    from limen.engine.engine import Engine

_KEYS = ("client", "host", "path", "field", "cookie", "query")


class Balancing(TypedDict):
    """Arguments of the engine's Upstream."""

    balancer: Balancer
    queue: Queue | None
    key_by: int
    key_name: str
    run_most: int
    failing: Container[int]


def balancing(engine: Engine, model: UpstreamModel, labels: list[bytes]) -> Balancing:
    """What `model` says about choosing; `labels` are the endpoints' addresses, by which tables of hash are laid."""
    balance = model.balance
    by = balance.hash.by if balance.hash is not None else "client"
    name = (balance.hash.name if balance.hash is not None else None) or ""
    return {
        "balancer": Balancer(
            labels,
            weights=[endpoint.weight for endpoint in model.endpoints],
            priorities=[endpoint.priority for endpoint in model.endpoints],
            backups=[endpoint.backup for endpoint in model.endpoints],
            most=[endpoint.max_requests or 0 for endpoint in model.endpoints],
            policy=POLICIES.index(balance.policy),
            bound=balance.bound or 0.0,
            decay=balance.decay,
            spill=model.spill_below,
            slow_start=model.slow_start or 0.0,
        ),
        "queue": Queue(engine, model.queue.size, model.queue.timeout) if model.queue is not None else None,
        "key_by": _KEYS.index(by),
        "key_name": name.lower() if by == "field" else name,
        "run_most": model.outlier.consecutive if model.outlier is not None else 0,
        "failing": _failing(model.outlier or Outlier()),
    }


def _failing(outlier: Outlier) -> frozenset[int]:
    """Statuses that speak against an endpoint."""
    return frozenset(status for statuses in outlier.failures for status in range(statuses.first, statuses.last + 1))
