"""What a route does beyond one attempt, in the engine's terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from limen.config.models.resilience import CAUSES
from limen.engine.resilience import Resilience

if TYPE_CHECKING:
    from limen.config.models.routes import Route
    from limen.engine.upstream import Upstream


def resilience(route: Route, upstreams: Mapping[str, Upstream]) -> Resilience:
    """Retries, deadline, mirror, hedge and urgency of a route."""
    retry, mirror, deadline = route.retry, route.mirror, route.timeouts.deadline
    most = route.hedge.most if route.hedge is not None else None
    return Resilience(
        # bits of the engine's Cause, in the order of CAUSES
        on=sum(1 << CAUSES.index(cause) for cause in set(retry.conditions) if isinstance(cause, str)),
        statuses=tuple(status for status in retry.conditions if isinstance(status, int)),
        per_try=retry.per_try or 0.0,
        total=route.timeouts.total or 0.0,
        budget_share=retry.budget.share,
        budget_least=retry.budget.least,
        budget_wait=retry.budget.wait,
        backoff_base=retry.backoff.base,
        backoff_most=retry.backoff.most,
        deadline_field=deadline.field if deadline is not None else "",
        deadline_grpc=deadline is not None and deadline.form == "grpc",
        mirror=upstreams[mirror.upstream] if mirror is not None else None,
        mirror_share=mirror.share if mirror is not None else 0.0,
        mirror_most=mirror.most if mirror is not None else 1,
        mirror_field=mirror.field if mirror is not None else "",
        hedge_after=route.hedge.after if route.hedge is not None else 0.0,
        hedge_most=most if isinstance(most, int) else 0,
        hedge_share=most if isinstance(most, float) else 0.0,
        urgent=route.urgent,
    )


def own_fields(route: Route) -> list[str]:
    """Fields towards the origin that nobody but Limen sets on this route."""
    found = []
    if route.timeouts.deadline is not None:
        found.append(route.timeouts.deadline.field)
    if route.mirror is not None:
        found.append(route.mirror.field)
    return found
