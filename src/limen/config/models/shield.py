"""What shields origins: address lists, who may come, and maintenance."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from limen.config.models.masks import ErrorPage
from limen.config.models.section import Section, Several, WrittenAs, given
from limen.config.refusal import Refused
from limen.config.scalars import FilePath, Flag, Name, Network, duration, optional, whole

CLOSED = WrittenAs((True, {}), (False, {"closed": False}))


class AddressList(Section):
    """A file of addresses, which may be millions.

    One address, prefix or range `first-last` per line; `#` and `;` begin a comment. The file is watched. One that
    cannot be read leaves the list as it was, and is told with the number of the line.
    """

    file: FilePath = Field(description="The file.")
    max: Annotated[int, whole(1, 16_000_000)] = Field(
        default=2_000_000, description="Most entries; a longer file is refused. An IPv4 entry takes 8 bytes at most."
    )


class Addresses(Section):
    """A set of addresses: what is in one of the networks, or on one of the lists."""

    networks: Annotated[tuple[Network, ...], Several(single=True)] | None = Field(
        default=None, description="Networks and addresses."
    )
    lists: Annotated[tuple[Name, ...], Several(single=True)] | None = Field(
        default=None, description="Names of address lists (`lists` of the root)."
    )

    @model_validator(mode="after")
    def _some(self) -> Addresses:
        if not given(self, "networks", "lists"):
            raise Refused("no addresses are named", "write `networks` or `lists`")
        return self


class Maintenance(Section):
    """Closed for maintenance: 503."""

    closed: Flag = Field(default=True, description="Whether it is closed.")
    allow: Annotated[tuple[Network, ...], Several(single=True, empty=True)] = Field(
        default=(), description="Networks of clients that are served all the same."
    )
    page: ErrorPage | None = Field(default=None, description="The page for it; that for 503 in `errors` otherwise.")
    retry_after: Annotated[float | None, optional(duration("1s", "30d"))] = Field(
        default=None, description="Tell clients in `Retry-After` when to come back."
    )
