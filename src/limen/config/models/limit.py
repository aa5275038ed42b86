"""Limits: how many requests in a time, how many at a time, how fast their bytes go, and how much in all."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from limen.config.models.section import Section, Several, Shorthand, changed, exactly_one, given
from limen.config.refusal import Refused
from limen.config.scalars import (
    BandwidthText,
    FieldName,
    Flag,
    Name,
    QuotaText,
    RateText,
    Text,
    choice,
    duration,
    optional,
    size,
    whole,
)

LEAST_BURST = 4096
MOST_WARNINGS = 4
BOUNDS = ("rate", "concurrent", "bandwidth", "quota", "life")


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
    """A bound: exactly one of `rate`, `concurrent`, `bandwidth`, `quota` and `life`.

    It is kept for all workers together, and over reloads: by its name, or else by what it and its route say.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [key]} for key in BOUNDS]})

    name: Name | None = Field(
        default=None,
        description="Name in logs, metrics and RateLimit fields. Limits of one name on several routes are one limit, "
        "and must say the same.",
    )
    rate: RateText | None = Field(
        default=None,
        description="Requests in a time: `100/s`, `1000/h`, `5/10s`. They come back evenly, one after each part of it.",
    )
    burst: Annotated[int | None, optional(size("1B", "1GiB"))] = Field(
        default=None,
        description="Requests that may come at once after a pause; the number in `rate` by default. Of a `bandwidth` "
        "bytes, at least 4KiB; by default what passes in a quarter of a second, at least 16KiB.",
    )
    concurrent: Annotated[int | None, optional(whole(1, 1_000_000))] = Field(
        default=None, description="Exchanges in flight at a time; a tunnel counts as long as it lasts."
    )
    bandwidth: BandwidthText | None = Field(
        default=None,
        description="Bytes per second of tunnels and of bodies from and to origins: `10MiB/s`. Each way has as much, "
        "like a line. What is over it waits: less is read, and the peer slows down.",
    )
    quota: QuotaText | None = Field(
        default=None,
        description="Bytes of tunnels and bodies, both ways together, or requests, in each hour, day or month of UTC: "
        "`10GiB/d`, `500MiB/h`, `100000/month`. Then requests are answered with 429 until the period ends, and what is "
        "under way is cut. The count is kept in a file (`limits.quota_file`) and outlives restarts.",
    )
    life: Annotated[float | None, optional(duration("1s", "365d"))] = Field(
        default=None,
        description="How long a tunnel or an association may last; then it is ended (fault `tunnel_idle`). The "
        "shortest of the listener, the route and the rule counts.",
    )
    warn: Annotated[tuple[Annotated[int, whole(1, 100)], ...], Several(single=True, empty=True)] = Field(
        default=(80, 100),
        description="Percent of a quota whose use is told in the log and counted, at most four.",
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
        exactly_one(self, *BOUNDS)
        kind = "a quota" if self.quota is not None else "a life" if self.life is not None else "a concurrency limit"
        if self.life is not None:
            for key in ("by", "ipv6_prefix", "dry_run"):
                if changed(self, key):
                    raise Refused(f"{kind} is that of each tunnel by itself", "remove it", at=key)
        if self.rate is None and self.bandwidth is None and given(self, "burst"):
            raise Refused(f"{kind} has no `burst`", "remove it", at="burst")
        if self.bandwidth is not None:
            kind = "a bandwidth limit"
            if self.burst is not None and self.burst < LEAST_BURST:
                raise Refused("the burst of a bandwidth is at least 4KiB", at="burst")
        if self.rate is None and self.fields:
            raise Refused(f"{kind} has no RateLimit fields", "remove it", at="fields")
        if self.quota is None and changed(self, "warn"):
            raise Refused("only a quota warns", "remove it", at="warn")
        if len(self.warn) > MOST_WARNINGS:
            raise Refused(f"{len(self.warn)} thresholds", f"at most {MOST_WARNINGS}", at="warn")
        return self
