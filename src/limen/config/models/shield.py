"""What shields origins: who may come, and maintenance."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from limen.config.models.masks import ErrorPage
from limen.config.models.section import Section, Several, WrittenAs, given
from limen.config.refusal import Refused
from limen.config.scalars import Flag, Name, Network, duration, optional

CLOSED = WrittenAs((True, {}), (False, {"closed": False}))


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
