"""The resolver: how names of endpoints and targets become addresses."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from limen.config.models.section import Section, Several
from limen.config.refusal import Refused
from limen.config.scalars import FilePath, Flag, HostName, IpAddress, NameServer, ServerName, duration
from limen.config.units import parse_duration


class ResolverTls(Section):
    """What holds for all name servers that are asked over TLS or HTTPS (RFC 7858, RFC 8484)."""

    name: ServerName | None = Field(
        default=None,
        description="`servers` that are plain addresses are asked over TLS, and must show a certificate for this.",
    )
    ca: FilePath | None = Field(default=None, description="Authorities (PEM) instead of the system's.")
    idle: Annotated[float, duration("1s", "10m")] = Field(
        default=parse_duration("10s"), description="How long a connection is kept while nothing is asked."
    )


class Resolver(Section):
    """Name servers and how long answers are kept.

    Servers are asked in the clear, or all of them over TLS or HTTPS, and then never in the clear, whatever fails.
    """

    servers: Annotated[tuple[NameServer, ...], Several(single=True, empty=True)] = Field(
        default=(),
        description="Name servers: IP addresses (port 53 by default), `tls://192.0.2.53#dns.example.com` (port 853), "
        "`https://192.0.2.53/dns-query#dns.example.com` (port 443, HTTP/2; needs `pip install 'limen[doh]'`). The "
        "certificate must be for what stands behind `#`, or else for the host. Those of the system by default.",
    )
    bootstrap: dict[HostName, Annotated[tuple[IpAddress, ...], Several(single=True)]] = Field(
        default_factory=dict,
        description="Where servers are that are written with their name, such as `tls://dns.example.com`: addresses by "
        "name. They are tried in turn, and nobody is asked for the name.",
    )
    tls: ResolverTls | None = Field(default=None, description="What holds for all encrypted questions.")
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

    @model_validator(mode="after")
    def _encrypted_or_not(self) -> Resolver:
        plain = [number for number, server in enumerate(self.servers) if server.kind == "plain"]
        if self.tls is not None and not self.servers:
            raise Refused(
                "`tls` needs `servers`: those of the system are not known to have a name",
                "name them, such as `servers: [tls://9.9.9.9#dns.quad9.net]`",
                at="tls",
            )
        if self.tls is not None and self.tls.name is not None:
            if not plain:
                raise Refused("no server is without a name of its own", "take it out", at=("tls", "name"))
        elif plain and (self.tls is not None or len(plain) < len(self.servers)):
            # a server that is asked in the clear when others fail would be the leak that encryption is to prevent
            server = self.servers[plain[0]]
            raise Refused(
                f"{server.address.host} would be asked in the clear",
                f"write tls://{server.address.host}#NAME, or leave it out",
                at=("servers", plain[0]),
            )
        return self

    @model_validator(mode="after")
    def _reachable(self) -> Resolver:
        named = {server.address.host for server in self.servers if server.address.ip is None}
        for number, server in enumerate(self.servers):
            host = server.address.host
            if host in named and host not in self.bootstrap:
                raise Refused(
                    f"nobody says where {host} is",
                    f"write `bootstrap: {{{host}: ADDRESS}}`, or the address in the URL and #{host} at its end",
                    at=("servers", number),
                )
        for host in self.bootstrap:
            if host not in named:
                raise Refused("none of `servers` has this name", "take it out", at=("bootstrap", host))
        return self
