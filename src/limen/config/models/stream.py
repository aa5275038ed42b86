"""Opaque TCP on a listener: bytes both ways between a client and an endpoint."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from limen.config.models.section import Section
from limen.config.scalars import Name, duration
from limen.config.units import parse_duration


class StreamTimeouts(Section):
    """How long a stream may wait and live."""

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
    """Passes every connection to one upstream, without looking into it."""

    upstream: Name = Field(description="The upstream, by name.")
    timeouts: StreamTimeouts = Field(default_factory=StreamTimeouts, description="Patience with both sides.")
