"""Upstreams: named groups of endpoints, how one is chosen, and how connections to them are kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from limen.config.models.section import Section, Several, Shorthand
from limen.config.refusal import Refused
from limen.config.scalars import Name, OriginAddress, choice, duration, whole
from limen.config.units import parse_duration


class Endpoint(Section):
    """One address of an upstream."""

    address: OriginAddress = Field(
        description="`host:port` or `[v6]:port`. A name is resolved by Limen, again when its time to live is over; "
        "all its addresses count as one endpoint."
    )
    weight: Annotated[int, whole(1, 65535)] = Field(
        default=1, description="Share of the load in proportion to the other endpoints' weights."
    )
    region: Name | None = Field(default=None, description="Where it is; shown in logs and metrics.")


class UpstreamTimeouts(Section):
    """Times of connections to endpoints."""

    dial: Annotated[float, duration("10ms", "10m")] = Field(
        default=parse_duration("5s"), description="Making one connection, name resolution included."
    )
    idle: Annotated[float, duration("100ms", "24h")] = Field(
        default=parse_duration("55s"),
        description="How long an unused connection is kept. Keep it below the idle time of the origin (commonly 60 s): "
        "a connection that the origin closes just as it is used costs a retry.",
    )


class Pool(Section):
    """Idle connections kept for the next request."""

    idle: Annotated[int, whole(0, 65535)] = Field(
        default=512, description="Idle connections kept per endpoint and worker; 0 closes each after its exchange."
    )


class Upstream(Section):
    """A named group of endpoints that serve the same."""

    endpoints: Annotated[tuple[Annotated[Endpoint, Shorthand("address")], ...], Several(needed=True)] = Field(
        description="The addresses, each as `host:port` or as a section with a weight."
    )
    balance: Annotated[str, choice("round_robin", "least_requests")] = Field(
        default="round_robin",
        description="How an endpoint is chosen: `round_robin` in turn by weight, `least_requests` the one with the "
        "fewest live exchanges per weight. An endpoint that cannot be dialled is left out for 1 s, growing to 30 s.",
    )
    timeouts: UpstreamTimeouts = Field(default_factory=UpstreamTimeouts, description="Times of its connections.")
    pool: Pool = Field(default_factory=Pool, description="Idle connections kept.")
    proxy_protocol: Annotated[str, choice("v1", "v2")] | None = Field(
        default=None,
        description="Begin each connection with a PROXY protocol header of this version, which names the client. Such "
        "connections belong to their client: they are never kept for the next request.",
    )

    @model_validator(mode="after")
    def _no_twins(self) -> Upstream:
        seen: set[str] = set()
        for number, endpoint in enumerate(self.endpoints):
            address = str(endpoint.address)
            if address in seen:
                raise Refused(
                    f"the endpoint {address} stands twice", "give it a `weight` instead", at=("endpoints", number)
                )
            seen.add(address)
        return self
