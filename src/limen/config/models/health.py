"""Health of endpoints: probes that ask them, and what their answers to exchanges say of them (outliers)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from limen.config.models.section import Section, Several, Shorthand, WrittenAs, changed
from limen.config.refusal import Refused
from limen.config.scalars import (
    FieldName,
    FieldValue,
    Flag,
    Method,
    OriginHost,
    Presence,
    Regex,
    Text,
    choice,
    duration,
    ratio,
    whole,
)
from limen.config.statuses import RequestTarget, Statuses, StatusRange
from limen.config.units import parse_duration


class ProbeBody(Section):
    """What the content of a probe's response must hold, within its first 64 KiB; one of both keys or both."""

    contains: Text | None = Field(default=None, description="A text that stands in it.")
    pattern: Regex | None = Field(
        default=None, description="A regular expression found in it. Only the first 4 KiB are searched."
    )

    @model_validator(mode="after")
    def _something(self) -> ProbeBody:
        if not self.contains and self.pattern is None:
            raise Refused("`body` expects nothing", "write a text, or {pattern: a regular expression}")
        return self


class Probe(Section):
    """Asks each endpoint at intervals whether it is well; done once, by the supervisor, for all workers.

    The first probe is made at once and its result counts at once; later ones count in rows (`rise`, `fall`).
    """

    type: Annotated[str, choice("http", "tcp", "tls")] = Field(
        default="http",
        description="`http`: a request and what is expected of its response. `tcp`: a connection can be made. `tls`: "
        "and a handshake.",
    )
    path: RequestTarget = Field(default="/", description="Path of the request, with a query where one is wanted.")
    method: Method = Field(default="GET", description="Method of the request.")
    host: OriginHost = Field(
        default="endpoint", description="The `Host` of the request; `endpoint` is the endpoint's own address."
    )
    port: Annotated[int, whole(1, 65535)] | None = Field(
        default=None, description="Another port than the one of the exchanges."
    )
    plain: Flag = Field(
        default=False,
        description="Do not speak TLS although the upstream does, for instance to another `port`. Otherwise probes use "
        "the upstream's `tls`, and verify what it verifies.",
    )
    send: dict[FieldName, FieldValue] = Field(default_factory=dict, description="Fields of the request.")
    interval: Annotated[float, duration("100ms", "24h")] = Field(
        default=parse_duration("5s"), description="From the end of one probe to the next."
    )
    jitter: Annotated[float, ratio(0, 0.5)] = Field(
        default=0.1, description="Part of the `interval` by which each is longer or shorter, at random."
    )
    timeout: Annotated[float, duration("10ms", "10m")] = Field(
        default=parse_duration("2s"), description="For one probe in all, name resolution included."
    )
    rise: Annotated[int, whole(1, 100)] = Field(
        default=2, description="Successes in a row that bring an endpoint back."
    )
    fall: Annotated[int, whole(1, 100)] = Field(default=3, description="Failures in a row that take it out.")
    initial: Annotated[str, choice("up", "down")] = Field(
        default="up", description="Whether an endpoint is used before its first probe has ended."
    )
    status: Annotated[tuple[StatusRange, ...], Several(single=True)] = Field(
        default=(Statuses(200, 399),), description="Statuses that mean it is well."
    )
    fields: dict[FieldName, Presence] = Field(
        default_factory=dict,
        description="Fields that the response must have: a text is the exact value, `true` any, `false` absent.",
    )
    load: FieldName | None = Field(
        default=None,
        description="Field of the response that says how busy the endpoint is: a number from 0 to 1, a percentage, or "
        "a load report in ORCA's text or JSON form (`endpoint-load-metrics`). Its weight shrinks by that part, down "
        "to a twentieth. A response without it changes nothing.",
    )
    body: Annotated[ProbeBody, Shorthand("contains")] | None = Field(
        default=None, description="What its content must hold: a text, or a section."
    )

    @model_validator(mode="after")
    def _fitting(self) -> Probe:
        if self.type != "http":
            only_http = ("path", "method", "host", "send", "status", "fields", "load", "body")
            for key in changed(self, *only_http):
                raise Refused(f"a `{self.type}` probe has no `{key}`", "leave it or the `type` out", at=key)
        if self.type == "tls" and self.plain:
            raise Refused("a `tls` probe cannot be `plain`", "use `type: tcp`", at="plain")
        if self.method in ("CONNECT", "HEAD") and (self.method == "CONNECT" or self.body is not None):
            raise Refused(f"a response to {self.method} has no content to look at", "use GET", at="method")
        return self


class ErrorRate(Section):
    """Too large a part of an endpoint's exchanges fails."""

    above: Annotated[float, ratio(0.01, 1)] = Field(default=0.5, description="Part of failures that is too large.")
    requests: Annotated[int, whole(1, 1_000_000)] = Field(
        default=50, description="Attempts within the `interval` without which nothing is concluded."
    )


class Slow(Section):
    """An endpoint takes many times as long as the others."""

    times: Annotated[float, ratio(1.5, 1000)] = Field(
        default=3.0,
        description="How many times the median of the others' mean response times its own may be. Needs two others.",
    )
    least: Annotated[float, duration("1ms", "10m")] = Field(
        default=parse_duration("20ms"), description="A mean response time that is never too slow."
    )
    requests: Annotated[int, whole(1, 1_000_000)] = Field(
        default=50, description="Responses within the `interval` without which an endpoint is not compared."
    )


class Ejection(Section):
    """How long an outlier stays out, and how many may be."""

    base: Annotated[float, duration("100ms", "24h")] = Field(
        default=parse_duration("30s"), description="The first time; doubled with each ejection in a row."
    )
    most: Annotated[float, duration("100ms", "24h")] = Field(
        default=parse_duration("5m"), description="The longest time."
    )
    share: Annotated[float, ratio(0, 1)] = Field(
        default=0.5, description="Part of the upstream's endpoints that may be ejected at a time, rounded down."
    )

    @model_validator(mode="after")
    def _growing(self) -> Ejection:
        if self.most < self.base:
            raise Refused("`most` is shorter than `base`", "raise it", at="most")
        return self


class Outlier(Section):
    """Takes endpoints out by what exchanges see of them. What counts as a failure: a dial that fails, a connection
    that ends or is silent before a whole response head, a head that is malformed, and the statuses of `failures`.
    """

    consecutive: Annotated[int, whole(0, 10_000)] = Field(
        default=5, description="Failures in a row, all workers together, that eject; 0 is any number."
    )
    failures: Annotated[tuple[StatusRange, ...], Several(single=True, empty=True)] = Field(
        default=(Statuses(502, 504),), description="Statuses that count as failures; `[]` is none."
    )
    error_rate: Annotated[ErrorRate | None, WrittenAs((True, {}), (False, None))] = Field(
        default=None, description="Eject by the part of failures; `true` for the defaults."
    )
    slow: Annotated[Slow | None, WrittenAs((True, {}), (False, None))] = Field(
        default=None, description="Eject by response time; `true` for the defaults."
    )
    interval: Annotated[float, duration("100ms", "1h")] = Field(
        default=parse_duration("10s"), description="Over which `error_rate` and `slow` are reckoned."
    )
    ejection: Ejection = Field(default_factory=Ejection, description="How long and how many.")

    @model_validator(mode="after")
    def _something(self) -> Outlier:
        if not self.consecutive and self.error_rate is None and self.slow is None:
            raise Refused("nothing can eject", "leave `outlier` out, or give it `error_rate` or `slow`")
        return self
