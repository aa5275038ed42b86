"""Discovery: where an upstream's endpoints come from, when they are not written down."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from limen.config.models.section import Section, Shorthand, exactly_one
from limen.config.scalars import (
    Coordinates,
    FilePath,
    Flag,
    HostName,
    HttpUrl,
    Name,
    NamedAddress,
    Text,
    choice,
    duration,
    size,
    whole,
)
from limen.config.units import parse_duration, parse_size

SOURCES = ("dns", "srv", "file", "http")
_FAMILY = (
    "Addresses asked for: `ipv4` (A), `ipv6` (AAAA) or `any`, both. Each address is an endpoint, so take one family "
    "where a server has both."
)


class DnsSource(Section):
    """The addresses of a name, each an endpoint; asked for again when their time to live is over."""

    address: NamedAddress = Field(description="`name:port`: whose addresses, and the port of all of them.")
    family: Annotated[str, choice("any", "ipv4", "ipv6")] = Field(default="any", description=_FAMILY)


class SrvSource(Section):
    """The services of a name (SRV records), their targets resolved; asked for again when their time to live is over."""

    name: HostName = Field(description="Name of the service, such as `_http._tcp.web.internal`.")
    family: Annotated[str, choice("any", "ipv4", "ipv6")] = Field(default="any", description=_FAMILY)


class FileSource(Section):
    """A list of endpoints in a file, YAML or JSON, which is read again when it changes."""

    path: FilePath = Field(description="The file; it may be replaced or written in place.")
    interval: Annotated[float, duration("100ms", "1h")] = Field(
        default=parse_duration("1s"),
        description="How often it is looked at. A change is taken when the file looks the same twice.",
    )


class HttpSource(Section):
    """A list of endpoints (JSON) behind a URL, which is asked for again and again."""

    url: HttpUrl = Field(
        description="`https://` or `http://`; the certificate must be valid, redirects are not followed."
    )
    interval: Annotated[float, duration("100ms", "24h")] = Field(
        default=parse_duration("10s"),
        description="Time between two requests, give or take a tenth. They carry the `ETag` of the last answer.",
    )
    timeout: Annotated[float, duration("10ms", "1m")] = Field(
        default=parse_duration("5s"), description="Longest time of a request, from the name look-up to the last byte."
    )
    max: Annotated[int, size("1KiB", "64MiB")] = Field(
        default=parse_size("4MiB"), description="Bytes of an answer at most; a larger one is refused."
    )
    token: Text | None = Field(
        default=None, repr=False, description="Bearer token to send; best as `${NAME}` or `{file: path}`."
    )
    ca: FilePath | None = Field(default=None, description="Authorities (PEM) instead of the system's.")


class EndpointDefaults(Section):
    """What endpoints get that their source says nothing about."""

    weight: Annotated[int, whole(1, 65535)] | None = Field(default=None, description="As of an endpoint.")
    priority: Annotated[int, whole(0, 127)] | None = Field(default=None, description="As of an endpoint.")
    backup: Flag | None = Field(default=None, description="As of an endpoint.")
    max_requests: Annotated[int, whole(1, 1_000_000)] | None = Field(default=None, description="As of an endpoint.")
    region: Name | None = Field(default=None, description="As of an endpoint.")
    zone: Name | None = Field(default=None, description="As of an endpoint.")
    at: Coordinates | None = Field(default=None, description="As of an endpoint.")

    @property
    def written(self) -> dict[str, object]:
        """Those that are given."""
        return self.model_dump(exclude_none=True)


class Sources(Section):
    """Base of `Discover`: exactly one source, and the bounds of what it may say."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [key]} for key in SOURCES]})

    dns: Annotated[DnsSource, Shorthand("address")] | None = Field(
        default=None, description="The addresses of a name, as `name:port`."
    )
    srv: Annotated[SrvSource, Shorthand("name")] | None = Field(
        default=None, description="The services of a name, with their ports, weights and priorities."
    )
    file: Annotated[FileSource, Shorthand("path")] | None = Field(
        default=None, description="A list in a file, watched."
    )
    http: Annotated[HttpSource, Shorthand("url")] | None = Field(
        default=None, description="A list behind a URL, polled."
    )
    defaults: EndpointDefaults = Field(
        default_factory=EndpointDefaults, description="What its endpoints have unless the source says something else."
    )
    allow_empty: Flag = Field(
        default=False,
        description="Whether the source may take all endpoints away by an empty list (or a name without records). "
        "Without it the last list stays. A source that fails never takes any away.",
    )
    most: Annotated[int, whole(1, 65535)] = Field(
        default=10_000, description="Endpoints at most; a longer list is refused, and the last one stays."
    )
    wait: Annotated[float, duration("0s", "1m")] = Field(
        default=parse_duration("3s"),
        description="How long start and reload wait for the first answer, all upstreams at once. After it the last "
        "list that was kept on disk is used, else `initial`, else the answer is 503 until the source has one.",
    )

    @model_validator(mode="after")
    def _one(self) -> Sources:
        exactly_one(self, *SOURCES)
        return self
