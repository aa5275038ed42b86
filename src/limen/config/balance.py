"""Checks of how upstreams choose: keys that cannot work together, or have no effect."""

from __future__ import annotations

from collections.abc import Iterator

from limen.config.findings import Finding
from limen.config.models.root import Config
from limen.config.refusal import shown


def balancing(config: Config) -> Iterator[Finding]:
    """Upstreams of backups only, bounds that nothing makes use of, policies without what they need."""
    for name, upstream in config.upstreams.items():
        at = ("upstreams", name)
        ordinary = [endpoint for endpoint in upstream.endpoints if not endpoint.backup]
        bounded = [endpoint for endpoint in upstream.endpoints if endpoint.max_requests is not None]
        policy = upstream.balance.among
        if not ordinary and upstream.discover is None:
            message = f"all endpoints of the upstream {shown(name)} are backups"
            yield Finding((*at, "endpoints"), message, "leave `backup` out at those to be used")
        is_bounded = (
            upstream.max_requests is not None
            or upstream.max_connections is not None
            or len(bounded) == len(upstream.endpoints)
        )
        if upstream.queue is not None and not is_bounded:
            message = "the queue is never used: an endpoint without `max_requests` is never full"
            yield Finding(
                (*at, "queue"), message, "give every endpoint, or the upstream, `max_requests`", warning=True, key=True
            )
        unbounded = [number for number, endpoint in enumerate(upstream.endpoints) if endpoint.max_requests is None]
        if policy == "first" and unbounded and unbounded[0] < len(upstream.endpoints) - 1:
            message = f"endpoint {unbounded[0] + 1} has no `max_requests`: with `first` those behind it are never used"
            hint = "give it `max_requests`, or make those behind it `backup`"
            yield Finding((*at, "endpoints", unbounded[0]), message, hint, warning=True)
        probed = upstream.probe is not None and upstream.probe.load is not None
        if (probed or upstream.load is not None) and policy in ("hash", "first"):
            message = f"the policy {policy} cannot go by the `load` of endpoints"
            where = (*at, "probe", "load") if probed else (*at, "load")
            yield Finding(where, message, "leave it out, or choose another `balance`", key=True)
        if upstream.slow_start is not None and policy in ("hash", "first"):
            message = f"`slow_start` has no effect: the policy {policy} does not share by weight in force"
            yield Finding((*at, "slow_start"), message, "leave it out", warning=True, key=True)


def urgency(config: Config) -> Iterator[Finding]:
    """Routes that are to go first where nobody waits."""
    for number, listener in enumerate(config.listeners):
        for place, route in enumerate(listener.routes or ()):
            # an unknown name is told elsewhere
            known = [config.upstreams[name] for name in route.upstreams if name in config.upstreams]
            if route.urgent and known and all(upstream.queue is None for upstream in known):
                message = "`urgent` has no effect: the upstream has no `queue`"
                at = ("listeners", number, "routes", place, "urgent")
                yield Finding(at, message, "give it one, or leave `urgent` out", warning=True, key=True)
