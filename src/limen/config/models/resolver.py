"""The resolver: how names of endpoints and targets become addresses."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from limen.config.models.section import Section, Several
from limen.config.refusal import Refused
from limen.config.scalars import Flag, ServerAddress, duration
from limen.config.units import parse_duration


class Resolver(Section):
    """Name servers and how long answers are kept."""

    servers: Annotated[tuple[ServerAddress, ...], Several(single=True, empty=True)] = Field(
        default=(),
        description="Name servers as IP addresses, port 53 if none is given; those of the system by default.",
    )
    timeout: Annotated[float, duration("100ms", "1m")] = Field(
        default=parse_duration("5s"), description="Longest time of a look-up, all servers and attempts together."
    )
    min_ttl: Annotated[float, duration("0s", "24h")] = Field(
        default=parse_duration("5s"), description="Answers are kept at least this long, whatever their time to live."
    )
    max_ttl: Annotated[float, duration("1s", "7d")] = Field(
        default=parse_duration("1h"), description="Answers are kept at most this long."
    )
    negative_ttl: Annotated[float, duration("0s", "1h")] = Field(
        default=parse_duration("30s"), description="How long it is remembered that a name does not exist."
    )
    hosts: Flag = Field(default=True, description="Whether /etc/hosts is read before name servers are asked.")

    @model_validator(mode="after")
    def _ordered(self) -> Resolver:
        if self.min_ttl > self.max_ttl:
            raise Refused("`min_ttl` is larger than `max_ttl`", at="min_ttl")
        return self
