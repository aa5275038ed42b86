"""Ways out: parents, sources, how one is chosen, and who may use which."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from limen.config.addresses import Address
from limen.config.exits import ParentUrl
from limen.config.labels import LABELS
from limen.config.models.balance import Balance
from limen.config.models.health import Probe
from limen.config.models.section import Section, Several, Shorthand, given
from limen.config.models.tls import UpstreamTls
from limen.config.models.upstreams import Endpoint, Pool, Upstream, UpstreamTimeouts
from limen.config.refusal import Refused
from limen.config.scalars import Country, HttpUrl, Name, Network, OriginAddress, Parent, Text, choice, duration, whole
from limen.config.statuses import StatusRange
from limen.config.units import parse_duration

DIRECT = "direct"
"""A name that no egress has: without one."""
GROUP = "egress/"
"""What the names of ways begin with where they stand among upstreams: in logs, metrics, status and API."""


class _Way(Section):
    """What all ways have."""

    name: Name | None = Field(
        default=None, description="What logs and metrics call it; by default the first parent's address, or the source."
    )
    country: Country | None = Field(default=None, description="Where it comes out: a country, by its two letters.")
    region: Name | None = Field(default=None, description="Where it comes out: any name.")
    city: Name | None = Field(default=None, description="Where it comes out: any name.")
    provider: Name | None = Field(default=None, description="Whose it is: any name.")
    weight: Annotated[int, whole(1, 65535)] = Field(
        default=1, description="Share of the load in proportion to the other ways' weights."
    )
    max_requests: Annotated[int, whole(1, 1_000_000)] | None = Field(
        default=None, description="Exchanges at a time, all workers together; tunnels count. Without it: any number."
    )


class ParentWay(_Way):
    """A parent, or a chain of them; exactly one of `url` and `chain`."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["url"]}, {"required": ["chain"]}]})

    url: Parent | None = Field(
        default=None,
        repr=False,
        description="The next proxy: `http://`, `https://` or `socks5://`, with `user:password@` where it wants them "
        "(percent-encoded; best as `${NAME}`), and a port.",
    )
    chain: Annotated[tuple[Parent, ...], Several()] | None = Field(
        default=None, repr=False, description="Several proxies, in the order they are passed; of any kinds."
    )

    @model_validator(mode="after")
    def _fitting(self) -> ParentWay:
        found = given(self, "url", "chain")
        if len(found) != 1:
            raise Refused("needs exactly one of url and chain", "write it like `url: http://proxy.example:3128`")
        if len(self.hops) > 8:
            raise Refused("a chain has at most 8 parents", at="chain")
        return self

    @property
    def hops(self) -> tuple[ParentUrl, ...]:
        """The parents, first one first."""
        return self.chain or ((self.url,) if self.url is not None else ())

    @property
    def label(self) -> str:
        """What it is called."""
        return self.name or str(self.hops[0].address)


class SourceWay(_Way):
    """An address of this machine that targets, or parents, are dialled from."""

    addresses: Annotated[tuple[Network, ...], Several(single=True)] = Field(
        description="The address; or one of each family; or a prefix that is routed here, of which each connection "
        "takes an address at random."
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> SourceWay:
        if len({":" in str(address) for address in self.addresses}) != len(self.addresses):
            raise Refused("two addresses of one family are two sources", "write two list items", at="addresses")
        return self

    @property
    def label(self) -> str:
        """What it is called."""
        return self.name or str(self.addresses[0]).removesuffix("/32").removesuffix("/128")


class StickyWays(Section):
    """Whose exchanges keep their way."""

    by: Annotated[str, choice("client", "connection")] = Field(
        default="client",
        description="`client`: by the client's address, in all workers alike. `connection`: by the client's "
        "connection; a new one may get another way.",
    )
    for_: Annotated[float, duration("1s", "30d")] | None = Field(
        default=None,
        alias="for",
        description="Of `client`: how long. The time ends by the clock, for each client at another moment, so that not "
        "all change together. Without it as long as the ways stay the same.",
    )

    @model_validator(mode="after")
    def _fitting(self) -> StickyWays:
        if self.by == "connection" and self.for_ is not None:
            raise Refused("`for` has no effect on a connection", "remove it", at="for")
        return self


class EgressProbe(Section):
    """Goes to a target through each way at intervals; done once, by the supervisor, for all workers."""

    target: OriginAddress = Field(description="`host:port` to be reached; the name is resolved at the exit.")
    path: Text | None = Field(
        default=None, description="Ask for this path by plain HTTP; without it a connection to the target is enough."
    )
    status: Annotated[tuple[StatusRange, ...], Several(single=True)] | None = Field(
        default=None, description="Statuses that mean the way is well; 200 to 399."
    )
    interval: Annotated[float, duration("100ms", "24h")] = Field(
        default=parse_duration("10s"), description="From the end of one probe to the next, give or take a tenth."
    )
    timeout: Annotated[float, duration("10ms", "10m")] = Field(
        default=parse_duration("5s"), description="For one probe in all."
    )
    rise: Annotated[int, whole(1, 100)] = Field(default=2, description="Successes in a row that bring a way back.")
    fall: Annotated[int, whole(1, 100)] = Field(default=3, description="Failures in a row that take it out.")


class Egress(Section):
    """Ways out of one kind, of which each exchange takes one: `parents`, or `sources`."""

    parents: Annotated[tuple[Annotated[ParentWay, Shorthand("url")], ...], Several()] | None = Field(
        default=None, description="The next proxies, each as a URL or as a section."
    )
    sources: Annotated[tuple[Annotated[SourceWay, Shorthand("addresses")], ...], Several()] | None = Field(
        default=None, description="Addresses of this machine, each as itself or as a section."
    )
    interface: Name | None = Field(
        default=None,
        description="Network interface that its connections are bound to (SO_BINDTODEVICE), also those to parents.",
    )
    mark: Annotated[int, whole(1, 0xFFFFFFFF)] | None = Field(
        default=None,
        description="Mark of its packets (SO_MARK), for routing rules of the system. Needs CAP_NET_ADMIN.",
    )
    balance: Annotated[str, choice("round_robin", "least_requests", "two_choices", "random", "first")] | None = Field(
        default=None,
        description="How a way is chosen for each exchange: `round_robin` (the default), `least_requests`, "
        "`two_choices`, `random`, by weight; or `first`: the first that works, in the order written.",
    )
    sticky: Annotated[StickyWays, Shorthand("by")] | None = Field(
        default=None, description="Keep a way for a client or for its connection: `client`, `connection`, or a section."
    )
    fallback: Annotated[str, choice(DIRECT)] | None = Field(
        default=None,
        description="`direct`: where no way can be used, go without. Left out, such exchanges are refused with 503 and "
        "never go directly.",
    )
    resolve: Annotated[str, choice("exit", "here")] = Field(
        default="exit",
        description="Where names of targets are resolved. `exit`: by the last parent, so this machine's resolver never "
        "learns them, and rules on addresses see only literal ones. `here`: parents are asked for the address.",
    )
    tls: UpstreamTls | None = Field(
        default=None, description="How `https://` parents are verified; by the authorities of the system without it."
    )
    timeouts: UpstreamTimeouts = Field(
        default_factory=UpstreamTimeouts,
        description="Times of its connections; `dial` is for all of a chain together.",
    )
    pool: Pool = Field(
        default_factory=Pool, description="Idle connections kept, per way, identity and target: nothing is shared."
    )
    probe: Annotated[EgressProbe, Shorthand("target")] | None = Field(
        default=None, description="Try the ways at intervals: a target, or a section."
    )

    echo: HttpUrl = Field(
        default="https://checkip.amazonaws.com/",
        description="URL whose answer holds the address it was asked from, for `limen egress test`.",
    )

    @model_validator(mode="after")
    def _fitting(self) -> Egress:
        if self.parents is not None and self.sources is not None:
            raise Refused(
                "has both `parents` and `sources`", "make two; `interface` and `mark` go with both", at="sources"
            )
        if not given(self, "parents", "sources", "interface", "mark"):
            raise Refused("says no way", "write it like `parents: [http://proxy.example:3128]`")
        seen: set[str] = set()
        for number, way in enumerate(self.ways):
            if way.label in seen:
                at = ("parents" if self.parents is not None else "sources", number)
                raise Refused(f"two ways are called {way.label}", "give one a `name`", at=at)
            seen.add(way.label)
        if self.tls is not None and not self.is_encrypted:
            raise Refused("`tls` without an `https://` parent", "remove it", at="tls")
        if self.sticky is not None and self.sticky.by == "client" and self.balance is not None:
            raise Refused("`sticky: client` chooses by the client", "leave `balance` out", at="balance")
        if self.parents is None and self.resolve == "here" and "resolve" in self.model_fields_set:
            raise Refused("without parents names are resolved here anyway", "remove it", at="resolve")
        return self

    @property
    def ways(self) -> tuple[ParentWay | SourceWay, ...]:
        """All of them; an interface or mark alone is one."""
        if self.parents is not None or self.sources is not None:
            return self.parents or self.sources or ()
        name = self.interface or f"mark-{self.mark}"
        return (SourceWay.model_construct(name=name, addresses=()),)

    @property
    def is_encrypted(self) -> bool:
        """Whether some parent is asked by TLS."""
        return any(hop.encrypted for way in self.parents or () for hop in way.hops)

    @property
    def group(self) -> Upstream:
        """The ways as endpoints of an upstream: what balances them, counts them and tells of their health."""
        policy = "hash" if self.sticky is not None and self.sticky.by == "client" else self.balance or "round_robin"
        endpoints = tuple(
            Endpoint.model_construct(
                address=WayAddress(way.label), weight=way.weight, max_requests=way.max_requests, region=way.region
            )
            for way in self.ways
        )
        return Upstream.model_construct(
            endpoints=endpoints,
            balance=Balance(policy=policy),
            tls=(self.tls or UpstreamTls()) if self.is_encrypted else None,
            timeouts=self.timeouts,
            pool=self.pool,
            probe=self._probe(),
            panic_below=0.0,
        )

    def _probe(self) -> Probe | None:
        if self.probe is None:
            return None
        own = self.probe
        made = Probe(type="tcp" if own.path is None else "http", interval=own.interval, timeout=own.timeout)
        changes: dict[str, object] = {"rise": own.rise, "fall": own.fall}
        if own.path is not None:
            changes.update(path=own.path, host=str(own.target), status=own.status or made.status)
        return made.model_copy(update=changes)


class WayAddress(Address):
    """Stands for a way where an endpoint has its address."""

    __slots__ = ()

    def __init__(self, label: str) -> None:
        super().__init__(host=label)

    def __str__(self) -> str:
        return self.host


class EgressUse(Section):
    """A way out by its name, and which of its ways."""

    name: Name = Field(description="Name of an egress; `direct` for none.")
    country: Country | None = Field(default=None, description="Only ways of this country.")
    region: Name | None = Field(default=None, description="Only ways of this region.")
    city: Name | None = Field(default=None, description="Only ways of this city.")
    provider: Name | None = Field(default=None, description="Only ways of this provider.")

    @property
    def labels(self) -> dict[str, str]:
        """What a way must have."""
        return {label: value for label in LABELS if (value := getattr(self, label)) is not None}

    def fits(self, way: ParentWay | SourceWay) -> bool:
        """Whether a way has all that is asked for."""
        return all(getattr(way, label) == value for label, value in self.labels.items())

    def chosen(self, egress: Egress) -> Iterator[int]:
        """The numbers of the ways that fit."""
        return (number for number, way in enumerate(egress.ways) if self.fits(way))


UseOfEgress = Annotated[EgressUse, Shorthand("name")]
