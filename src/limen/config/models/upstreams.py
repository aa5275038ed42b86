"""Upstreams: named groups of endpoints, how one is chosen, and how connections to them are kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from limen.config.models.balance import Balance, Queue
from limen.config.models.discover import Sources
from limen.config.models.health import Outlier, Probe
from limen.config.models.section import Section, Several, Shorthand, WrittenAs
from limen.config.models.steering import Sticky, StickyWord
from limen.config.models.tls import UpstreamTls
from limen.config.refusal import Refused
from limen.config.scalars import (
    Coordinates,
    FieldName,
    Flag,
    Name,
    OriginAddress,
    ServerName,
    choice,
    duration,
    ratio,
    whole,
)
from limen.config.tls import is_https, plain_address
from limen.config.units import parse_duration


class Endpoint(Section):
    """One address of an upstream."""

    address: OriginAddress = Field(
        description="`host:port` or `[v6]:port`. A name is resolved by Limen, again when its time to live is over; "
        "all its addresses count as one endpoint. `https://host` means port 443 and `tls` for the upstream."
    )
    weight: Annotated[int, whole(1, 65535)] = Field(
        default=1, description="Share of the load in proportion to the other endpoints' weights."
    )
    priority: Annotated[int, whole(0, 127)] = Field(
        default=0, description="The lowest number is used first, the next ones as the endpoints before are out."
    )
    backup: Flag = Field(default=False, description="Used only when all endpoints without this key are out or full.")
    max_requests: Annotated[int, whole(1, 1_000_000)] | None = Field(
        default=None, description="Exchanges at a time, all workers together; tunnels count. Without it: any number."
    )
    region: Name | None = Field(default=None, description="Where it is, for `nearest`: any name.")
    zone: Name | None = Field(default=None, description="Where in the region, for `nearest`: any name.")
    at: Coordinates | None = Field(
        default=None, description="Its latitude and longitude in degrees, for `nearest`: `[50.1, 8.7]`."
    )
    server_name: ServerName | None = Field(
        default=None,
        description="The name that stands for its address in TLS, if `tls.server_name` of the upstream gives none. "
        "Discovery by DNS sets it.",
    )


class Discover(Sources):
    """Where the endpoints come from: one of `dns`, `srv`, `file` and `http`."""

    initial: Annotated[tuple[Annotated[Endpoint, Shorthand("address")], ...], Several(empty=True)] = Field(
        default=(), description="Endpoints to begin with as long as the source has never answered."
    )


class UpstreamTimeouts(Section):
    """Times of connections to endpoints."""

    dial: Annotated[float, duration("10ms", "10m")] = Field(
        default=parse_duration("5s"), description="Making one connection, name resolution included."
    )
    handshake: Annotated[float, duration("10ms", "10m")] = Field(
        default=parse_duration("10s"), description="The TLS handshake with an endpoint, if the upstream has `tls`."
    )
    idle: Annotated[float, duration("100ms", "24h")] = Field(
        default=parse_duration("55s"),
        description="How long an unused connection is kept. Keep it below the idle time of the origin (commonly 60 s): "
        "a connection that the origin closes just as it is used costs a retry.",
    )


class Pool(Section):
    """Idle connections kept for the next request."""

    idle: Annotated[int, whole(0, 65535)] = Field(
        default=512, description="Idle connections kept per endpoint and worker; 0 closes each after its exchange."
    )
    warm: Annotated[int, whole(0, 1024)] = Field(
        default=0,
        description="Connections kept open per endpoint and worker, opened ahead: after a start, a reload, an "
        "endpoint's return, or when idle ones have ended. Not to endpoints that are out, drained or disabled. At most "
        "`idle`.",
    )
    max_age: Annotated[float, duration("1s", "30d")] | None = Field(
        default=None,
        description="How long one connection is used; up to a tenth less, by chance, so that not all end at once. An "
        "exchange is never cut off by it. Without it as long as it lives.",
    )
    max_requests: Annotated[int, whole(1, 1_000_000_000)] | None = Field(
        default=None, description="Exchanges on one connection; up to a tenth less, by chance. Without it any number."
    )


class Upstream(Section):
    """A named group of endpoints that serve the same: written down, discovered, or both."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["endpoints"]}, {"required": ["discover"]}]})

    endpoints: Annotated[tuple[Annotated[Endpoint, Shorthand("address")], ...], Several(empty=True)] = Field(
        default=(), description="The addresses, each as `host:port` or as a section with a weight."
    )
    discover: Discover | None = Field(
        default=None,
        description="Where further endpoints come from; changes are put in force in place, without a reload.",
    )
    balance: Annotated[Balance, Shorthand("policy")] = Field(
        default_factory=Balance,
        description="How an endpoint is chosen: a policy, or a section with its parameters. An endpoint that cannot be "
        "dialled is left out for 1 s, growing to 30 s.",
    )
    spill_below: Annotated[float, ratio(0, 1)] = Field(
        default=0.7,
        description="With less than this part of a priority's weight usable, the next priority takes over a part of "
        "the load that grows with what is missing; 0 lets it come in only when nothing is left.",
    )
    slow_start: Annotated[float, duration("100ms", "1h")] | None = Field(
        default=None,
        description="An endpoint that came back or is new begins with 10 % of its weight, which grows to the full in "
        "this time. `hash` and `first` do not use it.",
    )
    max_requests: Annotated[int, whole(1, 10_000_000)] | None = Field(
        default=None,
        description="Exchanges at all of its endpoints together at a time, all workers together; tunnels count. Over "
        "it exchanges wait in the `queue`, or are shed: so an upstream in trouble cannot take everything with it. "
        "Without it: any number.",
    )
    max_connections: Annotated[int, whole(1, 1_000_000)] | None = Field(
        default=None,
        description="Connections to all of its endpoints together at a time, all workers together, idle ones and those "
        "being opened included. Where all are taken, an idle one of this worker is closed for one that is needed; "
        "without such a one exchanges wait in the `queue`, or are shed. Without it: any number.",
    )
    load: FieldName | None = Field(
        default=None,
        description="Field of ordinary responses by which endpoints say how busy they are, such as "
        "`endpoint-load-metrics`: a number from 0 to 1, a percentage, or a load report in ORCA's text or JSON form. "
        "The endpoint's share shrinks by that part, down to a twentieth, in all workers, until it says otherwise or 10 "
        "seconds are over. The field goes no further. `hash` and `first` do not use it.",
    )
    sticky: Annotated[Sticky | None, StickyWord()] = Field(
        default=None,
        description="Let clients keep their endpoint by a signed cookie, for applications that keep sessions in their "
        "memory: `cookie`, or a section. A draining endpoint keeps its clients; one that is out or gone loses them.",
    )
    queue: Queue | None = Field(
        default=None,
        description="Let exchanges wait while all endpoints, or the upstream, are full (`max_requests`); without it "
        "they are shed at once. In order of arrival per worker, retries and `urgent` routes first.",
    )
    probe: Annotated[Probe, Shorthand("path")] | None = Field(
        default=None, description="Ask the endpoints at intervals whether they are well: a path, or a section."
    )
    outlier: Annotated[Outlier | None, WrittenAs((True, {}), (False, None))] = Field(
        default=None, description="Take endpoints out by what exchanges see of them; `true` for the defaults."
    )
    panic_below: Annotated[float, ratio(0, 1)] = Field(
        default=0.5,
        description="With less than this part of a priority's weight neither down by its probe nor ejected, and no "
        "other priority to take over, all of its endpoints are used: better doubtful ones than too few. 0 switches it "
        "off: then they get nothing, and when none is left the answer is 503.",
    )
    tls: UpstreamTls | None = Field(
        default=None,
        description="Speak TLS with the endpoints; `{}` verifies them by the authorities of the system. Given by "
        "itself when the endpoints are written as `https://host`.",
    )
    timeouts: UpstreamTimeouts = Field(default_factory=UpstreamTimeouts, description="Times of its connections.")
    pool: Pool = Field(default_factory=Pool, description="Idle connections kept.")
    proxy_protocol: Annotated[str, choice("v1", "v2")] | None = Field(
        default=None,
        description="Begin each connection with a PROXY protocol header of this version, which names the client. Such "
        "connections belong to their client: they are never kept for the next request.",
    )

    @model_validator(mode="before")
    @classmethod
    def _https(cls, written: object) -> object:
        """Endpoints as URLs: the scheme becomes `tls` of the upstream."""
        endpoints = written.get("endpoints") if isinstance(written, dict) else None
        if not isinstance(written, dict) or not isinstance(endpoints, list | tuple):
            return written
        encrypted = [is_https(_address_of(endpoint)) for endpoint in endpoints]
        if not any(encrypted) or (written.get("tls") is None and not all(encrypted)):
            # a mixture is refused by the addresses themselves
            return written
        plain = [_without_scheme(endpoint, number) for number, endpoint in enumerate(endpoints)]
        return {**written, "endpoints": plain, "tls": written["tls"] if written.get("tls") is not None else {}}

    @model_validator(mode="after")
    def _has_endpoints(self) -> Upstream:
        if not self.endpoints and self.discover is None:
            if "endpoints" in self.model_fields_set:
                raise Refused("the list is empty", "name at least one", at="endpoints")
            raise Refused("has neither `endpoints` nor `discover`", "write it like `endpoints: [127.0.0.1:9001]`")
        return self

    @model_validator(mode="after")
    def _fitting(self) -> Upstream:
        if self.load is not None and self.probe is not None and self.probe.load is not None:
            raise Refused("the load is told twice, by `load` and by `probe.load`", "leave one of both out", at="load")
        if self.pool.warm > self.pool.idle:
            raise Refused(
                f"`warm` is more than the {self.pool.idle} idle connections that are kept",
                "make `idle` larger",
                at=("pool", "warm"),
            )
        if self.pool.warm and self.proxy_protocol is not None:
            raise Refused(
                "connections that begin with a PROXY protocol header cannot be opened before their client is there",
                "leave `warm` out",
                at=("pool", "warm"),
            )
        return self

    @model_validator(mode="after")
    def _no_twins(self) -> Upstream:
        seen: set[str] = set()
        for number, endpoint in enumerate(self.endpoints):
            address = str(endpoint.address)
            if address in seen:
                raise Refused(
                    f"the endpoint {address} stands twice", "give it a `weight` instead", at=("endpoints", number)
                )
            seen.add(address)
        return self


def _address_of(endpoint: object) -> object:
    return endpoint.get("address") if isinstance(endpoint, dict) else endpoint


def _without_scheme(endpoint: object, number: int) -> object:
    address = _address_of(endpoint)
    if not isinstance(address, str) or not is_https(address):
        return endpoint
    try:
        plain = str(plain_address(address))
    except Refused as refused:
        raise Refused(refused.message, refused.hint, at=("endpoints", number)) from None
    return {**endpoint, "address": plain} if isinstance(endpoint, dict) else plain
