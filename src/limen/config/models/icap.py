"""Services that examine or adapt content over ICAP (RFC 3507): virus scanners, filters, loss prevention."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from limen.config.models.section import Section, Several
from limen.config.refusal import Refused
from limen.config.scalars import Flag, Name, Text, choice, duration, size, whole
from limen.config.units import parse_duration, parse_size


class IcapService(Section):
    """One service."""

    url: Text = Field(description="Where it is: `icap://127.0.0.1:1344/avscan`; port 1344 where none is given.")
    body: Annotated[int, size("1KiB", "64MiB")] = Field(
        default=parse_size("16MiB"),
        description="Largest content that is examined. It is held in memory until the service has spoken.",
    )
    larger: Annotated[str, choice("refuse", "pass")] = Field(
        default="refuse",
        description="What becomes of larger content: `refuse` answers with 413 (requests) or 502 (responses), `pass` "
        "lets it through unexamined, which is logged.",
    )
    failure: Annotated[str, choice("refuse", "pass")] = Field(
        default="refuse",
        description="What happens when the service is not there, is too slow or answers nonsense: `refuse` answers "
        "with 503, `pass` lets messages through unexamined, which is logged.",
    )
    timeout: Annotated[float, duration("10ms", "10m")] = Field(
        default=parse_duration("30s"), description="Longest time for one message, from connecting to the whole answer."
    )
    connections: Annotated[int, whole(1, 10_000)] = Field(
        default=32, description="Connections of a worker at a time; further messages wait for one within `timeout`."
    )
    preview: Flag = Field(
        default=True,
        description="Send as much ahead as the service asks for, and the rest only if it wants it.",
    )
    client_address: Flag = Field(default=False, description="Tell the service the client's address, as X-Client-IP.")

    @field_validator("url")
    @classmethod
    def _is_icap(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise Refused(f"{url!r} is no URL: {error}", "write `icap://host:1344/service`") from None
        if parts.scheme != "icap" or not parts.hostname or parts.username or parts.fragment or port == 0:
            raise Refused(f"{url!r} is no ICAP URL", "write `icap://host:1344/service`")
        if any(not "!" <= character <= "~" for character in url):
            raise Refused(f"{url!r} holds what a URL cannot", "write it in percent-encoded ASCII")
        return url

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 1344

    @property
    def authority(self) -> str:
        """For its Host field."""
        return urlsplit(self.url).netloc


class Icap(Section):
    """Which services see the messages of a listener or route, after hooks and in this order."""

    request: Annotated[tuple[Name, ...], Several(single=True, empty=True)] = Field(
        default=(), description="Services (`icap` of the root) that requests go through (REQMOD); one or a list."
    )
    response: Annotated[tuple[Name, ...], Several(single=True, empty=True)] = Field(
        default=(), description="Services that responses go through (RESPMOD); one or a list."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Icap:
        if not self.request and not self.response:
            raise Refused("no service is named", "give `request`, `response` or both")
        return self
