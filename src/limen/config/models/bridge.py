"""Bridging: a forward listener opens the TLS inside CONNECT, under the authority of the organisation that runs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import Field, model_validator

from limen.config.bridge import STATE, LeafDirectory
from limen.config.models.bridge_rules import CertificateRule, ConnectRule, HelloRule
from limen.config.models.section import NoneWord, Section, Several
from limen.config.refusal import Refused
from limen.config.scalars import FilePath, Flag, TargetHost, TlsVersion, duration, whole
from limen.config.units import parse_duration


class BridgeAuthority(Section):
    """The authority that signs leaves, which clients must have been told to trust: `limen ca create` makes one."""

    certificate: FilePath = Field(
        description="Its certificate (PEM), followed by those above it if it is an intermediate one."
    )
    key: FilePath = Field(
        description="Its private key (PEM, not encrypted), with mode 0600: whoever has it can be any site to your "
        "clients."
    )


class Learn(Section):
    """When a host counts as one that pins: after its clients have refused our leaf repeatedly."""

    after: Annotated[int, whole(1, 1000)] = Field(
        default=3, description="How many times clients must refuse the leaf of a host."
    )
    within: Annotated[float, duration("1s", "7d")] = Field(
        default=parse_duration("10m"), description="The time within which they must."
    )
    keep: Annotated[float, duration("1m", "365d")] = Field(
        default=parse_duration("7d"), description="How long the host is passed then, until it is tried again."
    )


class Pinned(Section):
    """Hosts whose clients accept one certificate only and would fail when bridged: they pass instead."""

    known: Flag = Field(
        default=True,
        description="Pass the hosts that Limen knows to pin: update, push and store services of Apple, Google, "
        "Microsoft and some others, by their own documentation.",
    )
    hosts: Annotated[tuple[TargetHost, ...], Several(single=True, empty=True)] = Field(
        default=(), description="More hosts that pass, with the patterns of access rules."
    )
    learn: Annotated[Learn | None, NoneWord()] = Field(
        default_factory=Learn,
        description="Pass hosts whose clients have refused the leaf with an alert that says so (`unknown_ca`, "
        "`bad_certificate`, `certificate_unknown`); `none` learns nothing.",
    )
    must_bridge: Annotated[tuple[TargetHost, ...], Several(single=True, empty=True)] = Field(
        default=(),
        description="Hosts that never pass, whatever rules and the lists above say: what would pass is refused. They "
        "are bridged unless a rule refuses them.",
    )


class Leaves(Section):
    """The certificates made for bridged hosts."""

    lifetime: Annotated[float, duration("1h", "90d")] = Field(
        default=parse_duration("7d"),
        description="How long a leaf holds at most, from when it is made; never longer than the authority.",
    )
    directory: LeafDirectory = Field(
        default=STATE,
        description="Where leaves and their key are kept (mode 0700). `state` is `leaves` in $STATE_DIRECTORY, "
        "$XDG_STATE_HOME/limen, /var/lib/limen (root) or ~/.local/state/limen; `none` keeps them in memory only.",
    )
    memory: Annotated[int, whole(1, 1_000_000)] = Field(
        default=1000, description="How many leaves a worker keeps in memory; the one unused for longest goes."
    )


class BridgeTls(Section):
    """TLS towards origins of bridged tunnels. All are verified; rules of `certificate` decide about those that fail."""

    ca: FilePath | None = Field(
        default=None, description="Authorities (PEM) that origins must come from, instead of the system's."
    )
    minimum: TlsVersion = Field(default="1.2", description="Oldest version spoken: `1.2` or `1.3`.")


class Bridge(Section):
    """Opens the TLS of CONNECT tunnels: origin verified first, a leaf from the authority shown to the client.

    Three decisions, at CONNECT, at the client hello and at the origin's certificate: rules in order, the first match
    decides, and each list has its default. Read docs/bridge.md before switching it on.
    """

    authority: BridgeAuthority = Field(description="The authority that signs leaves.")
    hosts: Annotated[tuple[TargetHost, ...], Several(single=True)] | None = Field(
        default=None,
        description="Hosts to bridge where no rule of `hello` decides, with the patterns of access rules; "
        "needed unless `hello` is given. Where CONNECT names an IP address, the name in the client hello counts.",
    )
    connect: Annotated[tuple[ConnectRule, ...], Several(empty=True)] = Field(
        default=(),
        description="Rules at CONNECT: `pass`, `look`, `refuse`. By default the tunnels of hosts that may be bridged "
        "are looked into, with `fronting: refuse` all of them, and the others passed.",
    )
    hello: Annotated[tuple[HelloRule, ...], Several(empty=True)] = Field(
        default=(),
        description="Rules at the client hello: `pass`, `bridge`, `refuse`. By default `hosts` are bridged, and the "
        "others passed.",
    )
    certificate: Annotated[tuple[CertificateRule, ...], Several(empty=True)] = Field(
        default=(),
        description="Rules at the origin's certificate: `bridge`, `pass`, `refuse`. By default sound ones are bridged, "
        "origins that want a client certificate passed, and all others refused.",
    )
    pinned: Pinned = Field(default_factory=Pinned, description="Hosts that pass because their clients pin.")
    leaves: Leaves = Field(default_factory=Leaves, description="How leaves are made and kept.")
    tls: BridgeTls = Field(default_factory=BridgeTls, description="TLS towards the origins.")

    def uses_of_lists(self) -> Iterator[tuple[tuple[str | int, ...], tuple[str, ...]]]:
        """Each place with names of lists, and those."""
        points: Mapping[str, Sequence[ConnectRule | HelloRule | CertificateRule]] = {
            "connect": self.connect,
            "hello": self.hello,
            "certificate": self.certificate,
        }
        for point, rules in points.items():
            for number, rule in enumerate(rules):
                if rule.condition.host_lists is not None:
                    yield (point, number, rule.action, "host_lists"), rule.condition.host_lists

    @model_validator(mode="after")
    def _something_to_bridge(self) -> Bridge:
        if self.hosts is None and not self.hello:
            raise Refused(
                "says not what to bridge", 'name `hosts`, such as ["*.example.org"], or give rules in `hello`'
            )
        if self.hosts is None and not any(rule.bridge is not None for rule in self.hello):
            raise Refused("no rule of `hello` bridges anything", "add a rule `bridge`, or name `hosts`", at="hello")
        return self
