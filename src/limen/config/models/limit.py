"""Limits: how many requests in a time, and how many at a time."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from limen.config.models.section import Section, Shorthand, exactly_one, given
from limen.config.refusal import Refused
from limen.config.scalars import FieldName, Flag, Name, RateText, Text, choice, optional, whole


class LimitKey(Section):
    """Who has a share of its own; exactly one of its keys."""

    of: Annotated[str, choice("client", "host", "route", "identity")] | None = Field(
        default=None,
        description="`client`: each client address (behind trusted proxies), of IPv6 each network. `host`: each host "
        "of the target; mind that clients choose it where a route takes any. `route`: all together. `identity`: each "
        "name that `identity` found; who is nobody counts by its client address.",
    )
    field: FieldName | None = Field(
        default=None, description="Each value of this request field; a request without it counts by its client address."
    )
    cookie: Text | None = Field(
        default=None, description="Each value of this cookie; a request without it counts by its client address."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> LimitKey:
        exactly_one(self, "of", "field", "cookie")
        return self


class Limit(Section):
    """A bound of `rate` or of `concurrent`; exactly one of both.

    It is kept for all workers together, and over reloads: by its name, or else by what it and its route say.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["rate"]}, {"required": ["concurrent"]}]})

    name: Name | None = Field(
        default=None,
        description="Name in logs, metrics and RateLimit fields. Limits of one name on several routes are one limit, "
        "and must say the same.",
    )
    rate: RateText | None = Field(
        default=None,
        description="Requests in a time: `100/s`, `1000/h`, `5/10s`. They come back evenly, one after each part of it.",
    )
    burst: Annotated[int | None, optional(whole(1, 1_000_000_000))] = Field(
        default=None,
        description="Requests that may come at once after a pause; the number in `rate` by default.",
    )
    concurrent: Annotated[int | None, optional(whole(1, 1_000_000))] = Field(
        default=None, description="Exchanges in flight at a time; a tunnel counts as long as it lasts."
    )
    by: Annotated[LimitKey, Shorthand("of")] = Field(
        default=LimitKey(of="client"),
        description="Who has a share of its own: `client`, `identity`, `host`, `route` for all together, "
        "`{field: X-Api-Key}` or `{cookie: session}`.",
    )
    ipv6_prefix: Annotated[int, whole(16, 128)] = Field(
        default=64,
        description="Bits of an IPv6 client address that count: whoever has one address mostly has its whole /64.",
    )
    dry_run: Flag = Field(default=False, description="Refuse nothing: only count and log what would be refused.")
    fields: Flag = Field(
        default=False,
        description="Add `RateLimit` and `RateLimit-Policy` to answers that were let through, too; a 429 always has "
        "them.",
    )

    @model_validator(mode="after")
    def _one_bound(self) -> Limit:
        exactly_one(self, "rate", "concurrent")
        if self.concurrent is not None and given(self, "burst"):
            raise Refused("a concurrency limit has no `burst`", "remove it", at="burst")
        if self.concurrent is not None and self.fields:
            raise Refused("a concurrency limit has no RateLimit fields", "remove it", at="fields")
        return self
