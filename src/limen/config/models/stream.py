"""Opaque TCP on a listener: bytes both ways between a client and an endpoint."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from limen.config.models.hello import OpaqueRoute
from limen.config.models.limit import Limit
from limen.config.models.section import Section, Sections, Several, exactly_one
from limen.config.refusal import Refused
from limen.config.scalars import Name, duration
from limen.config.units import parse_duration


class StreamTimeouts(Section):
    """How long a stream may wait and live."""

    handshake: Annotated[float, duration("100ms", "10m")] = Field(
        default=parse_duration("10s"),
        description="From accepting a connection until its client hello is whole (with `routes`) or its TLS handshake "
        "is done (with `tls`).",
    )
    dial: Annotated[float, duration("10ms", "10m")] = Field(
        default=parse_duration("5s"), description="Making the connection to an endpoint, further endpoints included."
    )
    idle: Annotated[float, duration("1s", "365d")] = Field(
        default=parse_duration("5m"), description="Silence in both directions after which the stream is closed."
    )
    half_closed: Annotated[float, duration("1s", "24h")] = Field(
        default=parse_duration("30s"), description="How long it lives on after one side has ended its half."
    )
    life: Annotated[float, duration("1s", "365d")] = Field(
        default=parse_duration("24h"), description="Longest life, busy or not."
    )


class Stream(Section):
    """Carries every connection to an upstream, without looking into it: one upstream, or chosen by the client hello."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [key]} for key in ("upstream", "routes")]},
    )

    upstream: Name | None = Field(default=None, description="The upstream, by name.")
    routes: Annotated[tuple[OpaqueRoute, ...], Several()] | None = Field(
        default=None,
        description="Routes in order, the first match wins; a connection that matches none is closed. Without `tls` "
        "on the listener TLS is passed on unopened, the hello included.",
    )
    limit: Annotated[tuple[Limit, ...], Sections()] = Field(
        default=(),
        description="Limits of all connections that go to `upstream`, each counting as one request; one or a list, at "
        "most 8. A rate or concurrency that is over closes the connection at once.",
    )
    timeouts: StreamTimeouts = Field(default_factory=StreamTimeouts, description="Patience with both sides.")

    @model_validator(mode="after")
    def _one_way(self) -> Stream:
        exactly_one(self, "upstream", "routes")
        if self.limit and self.upstream is None:
            raise Refused("limits are of `upstream`", "remove them", at="limit")
        return self
