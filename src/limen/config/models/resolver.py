"""The resolver: how names of endpoints and targets become addresses."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from limen.config.models.section import Section, Several
from limen.config.refusal import Refused
from limen.config.scalars import FilePath, Flag, ServerAddress, ServerName, duration
from limen.config.units import parse_duration


class ResolverTls(Section):
    """Name servers are asked over TLS (DNS over TLS, RFC 7858), and never in the clear, whatever fails."""

    name: ServerName = Field(description="Whom certificates of the servers must be for, such as `dns.quad9.net`.")
    ca: FilePath | None = Field(default=None, description="Authorities (PEM) instead of the system's.")


class Resolver(Section):
    """Name servers and how long answers are kept."""

    servers: Annotated[tuple[ServerAddress, ...], Several(single=True, empty=True)] = Field(
        default=(),
        description="Name servers as IP addresses, port 53 if none is given (853 with `tls`); those of the system by "
        "default.",
    )
    tls: ResolverTls | None = Field(
        default=None, description="Encrypted questions to `servers`; plain ones by default."
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
        if self.tls is not None and not self.servers:
            raise Refused(
                "`tls` needs `servers`: those of the system are not known to have a name",
                "name them, such as `servers: [9.9.9.9]`",
                at="tls",
            )
        return self
