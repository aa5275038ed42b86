"""The forward proxy of a listener: who may use it, which targets it reaches, and how much it tells them."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from limen.config.addresses import parse_host
from limen.config.fields import parse_redirect_target
from limen.config.models import places
from limen.config.models.bridge import Bridge
from limen.config.models.edits import FieldEdits
from limen.config.models.egress import UseOfEgress
from limen.config.models.icap import Icap
from limen.config.models.identities import Demand
from limen.config.models.limit import Limit
from limen.config.models.pac import Pac
from limen.config.models.places import Asns, Continents, Countries, Regions
from limen.config.models.routes import SIZE_CAP
from limen.config.models.section import Listed, Section, Sections, Several, WrittenAs, exactly_one, given
from limen.config.models.socks import SocksTerms, SocksWays
from limen.config.refusal import Refused
from limen.config.scalars import (
    Clock,
    ContentType,
    Flag,
    Hook,
    Method,
    Name,
    Network,
    PathPattern,
    PortRange,
    RuledHost,
    Text,
    Zone,
    choice,
    duration,
    optional,
    size,
)
from limen.config.units import parse_duration

Day = Annotated[str, choice("mon", "tue", "wed", "thu", "fri", "sat", "sun")]


class Times(Section):
    """A span of the week."""

    days: Annotated[tuple[Day, ...], Several(single=True)] = Field(
        default=("mon", "tue", "wed", "thu", "fri", "sat", "sun"), description="Days on which the span begins."
    )
    from_: Clock = Field(default="00:00", alias="from", description="Beginning of the span, included.")
    to: Clock = Field(
        default="24:00", description="End of the span, excluded; earlier than `from` means: on the next day."
    )
    zone: Zone = Field(default="UTC", description="Time zone of the clock, by its IANA name.")

    @model_validator(mode="after")
    def _not_empty(self) -> Times:
        if self.from_ == self.to:
            raise Refused("the span is empty", "leave out `from` and `to` for the whole day", at="to")
        return self


class ContentSize(Section):
    """How large the content of a message is, as its head says; one that does not tell (chunked) counts as endless.

    Tunnels never match.
    """

    over: Annotated[int | None, optional(size("0B", "1024GiB"))] = Field(default=None, description="More than this.")
    upto: Annotated[int | None, optional(size("0B", "1024GiB"))] = Field(default=None, description="This, or less.")

    @model_validator(mode="after")
    def _some(self) -> ContentSize:
        if not given(self, "over", "upto"):
            raise Refused("no size is given", "write `over` or `upto`")
        if self.over is not None and self.upto is not None and self.over >= self.upto:
            raise Refused("no size is over the one and up to the other", "write the smaller one at `over`", at="upto")
        return self


class ResponseCondition(Section):
    """What a rule asks of the response, before anything of it reaches the client. Tunnels never match."""

    content_types: Annotated[tuple[ContentType, ...], Several(single=True)] | None = Field(
        default=None, description="Content type, without parameters: `application/zip`, `video/*`."
    )
    size: ContentSize | None = Field(default=None, description="Size of its content, as its head says.")

    @model_validator(mode="after")
    def _some(self) -> ResponseCondition:
        if self.content_types is None and self.size is None:
            raise Refused("nothing is asked of the response", "write `content_types` or `size`")
        return self


class Condition(Section):
    """What a rule asks for; all keys given must hold, and one of the values of each list. `{}` matches everything."""

    clients: Annotated[tuple[Network, ...], Several(single=True)] | None = Field(
        default=None, description="Networks of the client address."
    )
    client_lists: Annotated[tuple[Name, ...], Several(single=True)] | None = Field(
        default=None,
        description="Address lists (`lists` of the root) of the client address; together with `clients`, one of both "
        "must hold.",
    )
    users: Annotated[tuple[Text, ...], Several(single=True)] | None = Field(
        default=None,
        description="Names of clients, as `identity` found them, exactly; `*` for everybody who is known.",
    )
    groups: Annotated[tuple[Text, ...], Several(single=True)] | None = Field(
        default=None, description="Groups of clients, as `identity` found them."
    )
    hosts: Annotated[tuple[RuledHost, ...], Several(single=True)] | None = Field(
        default=None,
        description="Host of the target, as the client wrote it: exact, `.example.com` for the name itself and all "
        "below, or a glob such as `cdn*.example.com` (`*` stays within a label, `**` crosses dots). The end `.<suffix>`, "
        "as in `.google.<suffix>`, stands for any public suffix (`com`, `co.uk`) and needs a list of the format "
        "`suffixes`; who owns a name under one suffix need not own it under another. A client can "
        "name an address instead of a host: to keep it from something, use `addresses`.",
    )
    addresses: Annotated[tuple[Network, ...], Several(single=True)] | None = Field(
        default=None,
        description="Networks of the target's address, after resolving. Rules with it are decided when the name is "
        "resolved, and the address that was checked is the one dialled.",
    )
    address_lists: Annotated[tuple[Name, ...], Several(single=True)] | None = Field(
        default=None,
        description="Address lists of the target's address, after resolving; together with `addresses`, one of both "
        "must hold.",
    )
    host_lists: Annotated[tuple[Name, ...], Several(single=True)] | None = Field(
        default=None,
        description="Lists of names (`lists` of the root) of the target's host; together with `hosts`, one of both "
        "must hold.",
    )
    ports: Annotated[tuple[PortRange, ...], Several(single=True)] | None = Field(
        default=None, description='Ports of the target: numbers, and ranges such as `"1025-65535"`.'
    )
    methods: Annotated[tuple[Method, ...], Several(single=True)] | None = Field(
        default=None, description="Request methods; CONNECT is what tunnels (https) are asked with."
    )
    schemes: Annotated[tuple[Annotated[str, choice("http", "https", "tunnel")], ...], Several(single=True)] | None = (
        Field(
            default=None,
            description="How the request comes: `http` (in absolute form), `https` (inside TLS that was bridged), "
            "`tunnel` (CONNECT: nothing of what is inside is seen).",
        )
    )
    path: Annotated[tuple[PathPattern, ...], Several(single=True)] | None = Field(
        default=None,
        description="Beginning of the path up to a segment's border, or a glob for all of it (`*` within a segment, "
        "`**` across segments, `?` one character); normalised before. A tunnel has no path that could be seen: it "
        "never matches.",
    )
    content_types: Annotated[tuple[ContentType, ...], Several(single=True)] | None = Field(
        default=None,
        description="Content type of the request, without parameters: `application/json`, `image/*`. Tunnels, and "
        "requests that name none, never match.",
    )
    size: ContentSize | None = Field(default=None, description="Size of the request's content.")
    response: ResponseCondition | None = Field(
        default=None,
        description="With `deny`: what the response is. The rule is asked when the response is there, and counts if it "
        "stands before the rule that let the request pass.",
    )
    country: Countries = Field(default=None, description=places.COUNTRY)
    continent: Continents = Field(default=None, description=places.CONTINENT)
    asn: Asns = Field(default=None, description=places.ASN)
    region: Regions = Field(default=None, description=places.REGION)
    times: Annotated[tuple[Times, ...], Several(single=False)] | None = Field(
        default=None, description="Spans of the week; one of them must hold when the request arrives."
    )


class Rule(Section):
    """One rule of `access`: exactly one of `allow` and `deny`."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["allow"]}, {"required": ["deny"]}]})

    name: Name | None = Field(default=None, description="Name in logs, so that a denied client can be told why.")
    allow: Condition | None = Field(default=None, description="Let requests pass that match this; `{}` matches all.")
    deny: Condition | None = Field(default=None, description="Answer requests with 403 that match this.")
    egress: UseOfEgress | None = Field(
        default=None,
        description="Way out of what this rule allows, instead of the listener's: a name, `direct` for none, or a "
        "section with the labels that the way must have.",
    )

    redirect: Text | None = Field(
        default=None,
        description="With `allow`: a host that is dialled instead of the target, at the same port; the request and the "
        "name in TLS stay as they are (so is safe search enforced: `forcesafesearch.google.com`). With `deny`: a URL "
        "that is answered (302) instead of 403, in which `{host}`, `{hostname}`, `{path}` and `{query}` are filled in; "
        "CONNECT is answered 403 all the same.",
    )
    limit: Annotated[tuple[Limit, ...], Sections()] = Field(
        default=(), description="With `allow`: rate and concurrency limits of what this rule lets pass; at most 8."
    )
    dry_run: Flag = Field(
        default=False,
        description="The rule decides nothing: that it would have is logged (`dry_rule`) and counted, and the next "
        "rules are asked.",
    )

    @model_validator(mode="after")
    def _one_verdict(self) -> Rule:
        exactly_one(self, "allow", "deny")
        condition = self.condition
        if self.redirect is not None:
            if self.allow is None:
                parse_redirect_target(self.redirect)
            elif "/" in self.redirect or ":" in self.redirect:
                raise Refused("with `allow` it is a host", "write the name alone, or `deny` to answer", at="redirect")
            else:
                parse_host(self.redirect)
        if self.redirect_host and (condition.addresses is not None or condition.address_lists is not None):
            hint = "leave `redirect` out, or the condition on the address"
            raise Refused("another host is dialled, so the target has no address", hint, at="redirect")
        if self.limit and self.allow is None:
            raise Refused("a rule that denies has nothing to limit", "use it with `allow`", at="limit")
        if condition.response is not None:
            if self.allow is not None:
                raise Refused("the request has passed when the response is there", "use it with `deny`", at="allow")
            if condition.addresses is not None or condition.address_lists is not None:
                hint = "put the condition on the address into a rule before"
                raise Refused("a rule on the response has no condition on addresses", hint, at="deny")
        if self.dry_run and (self.redirect is not None or self.limit):
            what = "redirect" if self.redirect is not None else "limit"
            raise Refused("a rule with `dry_run` does nothing", f"leave out `{what}` until it is in force", at=what)
        if self.egress is not None and self.allow is None:
            raise Refused("what is denied goes out by no way", "remove `egress`, or write `allow`", at="egress")
        return self

    @property
    def redirect_host(self) -> str:
        """The host dialled instead, canonical; empty: none."""
        return parse_host(self.redirect) if self.allow is not None and self.redirect is not None else ""

    @property
    def location(self) -> str | None:
        """Where who is denied is sent."""
        return self.redirect if self.allow is None else None

    @property
    def condition(self) -> Condition:
        """The condition, whichever verdict it has."""
        return self.allow or self.deny or Condition()


class Targets(Section):
    """Which addresses may be reached at all, whatever `access` says."""

    private: Annotated[str, choice("allow", "deny")] = Field(
        default="deny",
        description="Targets that resolve to loopback, link-local, private or other special addresses (RFC 6890). "
        "`allow` opens all of them, also services of this machine; own listeners and the admin address stay closed.",
    )
    allow: Annotated[tuple[Network, ...], Several(single=True, empty=True)] = Field(
        default=(), description="Networks to open although they are private, such as `10.1.0.0/16`."
    )


class ForwardBody(Section):
    """Bounds of the request body through the proxy."""

    max: Annotated[int | None, SIZE_CAP] = Field(
        default=None, description="Largest request body; 413 beyond. `none` by default. Tunnels have no such bound."
    )


class ForwardTimeouts(Section):
    """How long the proxy waits for targets."""

    dial: Annotated[float, duration("10ms", "10m")] = Field(
        default=parse_duration("5s"), description="Making a connection to the target, all its addresses together."
    )
    response: Annotated[float, duration("10ms", "24h")] = Field(
        default=parse_duration("60s"), description="From the request being sent until the head of the response."
    )
    stall: Annotated[float, duration("10ms", "24h")] = Field(
        default=parse_duration("60s"), description="How long a target may send nothing of a response."
    )


class Forward(Section):
    """A forward proxy, on the safe side with `{}`.

    Then it serves clients of loopback and private addresses, CONNECT to port 443, plain http to 80, 443 and 1025-65535.
    """

    access: Annotated[tuple[Rule, ...], Several(empty=True)] | None = Field(
        default=None,
        description="Rules in order: the first match decides, the last word is deny. Left out, clients of loopback "
        "and private addresses may use CONNECT to port 443 and plain http to 80, 443 and 1025-65535. A list replaces "
        "all of that: also the ports.",
    )
    targets: Targets = Field(default_factory=Targets, description="Which addresses may be reached at all.")
    egress: UseOfEgress | None = Field(
        default=None,
        description="Way out: the name of an egress, or a section with the labels that the way must have. Left out, "
        "targets are dialled directly. A rule of `access` may name another.",
    )
    anonymity: Annotated[str, choice("transparent", "anonymous", "elite")] = Field(
        default="anonymous",
        description="What targets learn: `transparent` adds Via, Forwarded and X-Forwarded-* with the client's "
        "address, and the request id; `anonymous` only Via, `elite` nothing. The last two"
        " also drop such fields of the client.",
    )
    identity: Annotated[Demand, Listed("by", items="string", single=True)] | None = Field(
        default=None,
        description="Clients have to say who they are: names of `identities`, in order, or a section. 407 without; "
        "asked before `access`, a look-up or a dial. Credentials for the proxy never leave it.",
    )
    bridge: Bridge | None = Field(
        default=None,
        description="Open the TLS inside CONNECT for some hosts, with an authority that clients trust. Off by default: "
        "tunnels are opaque.",
    )
    fronting: Annotated[str, choice("refuse", "allow")] | None = Field(
        default=None,
        description="Tunnels whose CONNECT host, name in the client hello and (bridged) Host do not agree: `refuse` "
        "closes and logs them, `allow` lets them be. `refuse` is the default with `bridge`; without it tunnels "
        "stay opaque unless `refuse` is written here, which makes Limen look at each client hello. A CONNECT to an IP "
        "address agrees with any name, and a client that names nothing with any host.",
    )
    limit: Annotated[tuple[Limit, ...], Sections()] = Field(
        default=(),
        description="Rate and concurrency limits of all exchanges, asked before `access`; one or a list, at most 8.",
    )
    socks: Annotated[SocksWays | None, WrittenAs((True, {}), (False, None))] = Field(
        default=None,
        description="Speak SOCKS on this port, too: `true`, or which versions and commands. The same rules hold for "
        "it; UDP has the method `UDP`, and BIND `BIND`.",
    )
    transparent: Annotated[str, choice("redirect", "tproxy")] | None = Field(
        default=None,
        description="Connections that the kernel leads here (Linux), `redirect` by a rule of that name or REDIRECT, "
        "`tproxy` by one with TPROXY. They go where the client was going, never to the address of a name; Host and the "
        "name in a client hello matter to rules only. HTTP and TLS are understood. `tproxy` needs CAP_NET_ADMIN.",
    )
    pac: Annotated[Pac | None, WrittenAs((True, {}), (False, None))] = Field(
        default=None, description="Serve a PAC file on this port: `true`, or what it says. Off unless written."
    )
    open: Flag = Field(
        default=False,
        description="Says that a proxy for clients beyond private addresses is meant. Without it such a listener on a "
        "public address is refused, because open proxies are found and abused within hours.",
    )
    hooks: Annotated[tuple[Hook, ...], Several(single=True, empty=True)] = Field(
        default=(), description="Python functions called for each exchange, as `module:function`."
    )
    hook_timeout: Annotated[float, duration("1ms", "10m")] = Field(
        default=parse_duration("5s"), description="Longest time of one hook; the exchange is answered with 504 beyond."
    )
    icap: Icap | None = Field(
        default=None, description="Services that see requests and responses after the hooks; see `icap` of the root."
    )
    body: ForwardBody = Field(default_factory=ForwardBody, description="Bounds of the request body.")
    timeouts: ForwardTimeouts = Field(default_factory=ForwardTimeouts, description="Patience with targets.")
    request: FieldEdits = Field(default_factory=FieldEdits, description="Edit the request fields towards the target.")
    response: FieldEdits = Field(default_factory=FieldEdits, description="Edit the response fields towards the client.")

    @property
    def refuses_fronting(self) -> bool:
        """Whether the names of a tunnel must agree: as written, or else where there is `bridge`."""
        return self.bridge is not None if self.fronting is None else self.fronting == "refuse"

    @model_validator(mode="after")
    def _fitting_ways(self) -> Forward:
        if self.transparent is not None:
            for key in ("socks", "pac", "bridge"):
                if getattr(self, key) is not None:
                    raise Refused(f"`{key}` on a transparent listener", "give it to a listener of its own", at=key)
            if self.refuses_fronting:
                # what CONNECT would name is the name in the hello
                raise Refused("`fronting` on a transparent listener", "remove it", at="fronting")
        if self.socks is not None and self.socks.udp is not None and self.hooks:
            hint = "use a listener of its own for UDP"
            raise Refused("`hooks` do not see datagrams: `socks.udp` would pass by them", hint, at=("socks", "udp"))
        if self.pac is not None and self.socks is not None and self.socks.only:
            raise Refused("`pac` on a listener that speaks no HTTP", "give it to one with `forward`", at="pac")
        return self


class Socks(SocksTerms, Forward):
    """A SOCKS proxy: the keys of `forward`, and what is spoken. `{}` is as safe as there."""

    @model_validator(mode="after")
    def _has_no_other(self) -> Socks:
        if self.socks is not None:
            raise Refused("`socks` inside of `socks`", "write `versions`, `udp` and `bind` here", at="socks")
        if self.pac is not None or self.transparent is not None:
            key = "pac" if self.pac is not None else "transparent"
            raise Refused(f"`{key}` on a listener that speaks SOCKS only", "give it to one with `forward`", at=key)
        if self.udp is not None and self.hooks:
            raise Refused("`hooks` do not see datagrams: `udp` would pass by them", "remove one of both", at="udp")
        return self

    def as_forward(self) -> Forward:
        """The same as a forward proxy whose port speaks nothing but SOCKS."""
        values = {name: getattr(self, name) for name in Forward.model_fields if name != "socks"}
        terms = {name: getattr(self, name) for name in SocksTerms.model_fields}
        made = Forward.model_construct(_fields_set=self.model_fields_set & set(values), **values)
        made.__dict__["socks"] = SocksWays(only=True, **terms)
        made.model_fields_set.add("socks")
        return made
