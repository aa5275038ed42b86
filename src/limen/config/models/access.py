"""The rules of a proxy: `access` of a forward listener, what they ask for, and what follows."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from limen.config.addresses import parse_host
from limen.config.fields import parse_redirect_target
from limen.config.models import places
from limen.config.models.capture import CAPTURE
from limen.config.models.egress import UseOfEgress
from limen.config.models.limit import Limit
from limen.config.models.places import Asns, Continents, Countries, Regions
from limen.config.models.section import Section, Sections, Several, exactly_one, given
from limen.config.refusal import Refused
from limen.config.scalars import (
    Clock,
    ContentType,
    Flag,
    Method,
    Name,
    Network,
    PathPattern,
    PortRange,
    RuledHost,
    Text,
    Zone,
    choice,
    optional,
    size,
)

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


class TargetPlace(Section):
    """Where the target's address is, by `places`. Decided when the name is resolved, as `addresses` is."""

    country: Countries = Field(
        default=None, description="Countries: codes of ISO 3166 such as `DE`; unknown fits none."
    )
    continent: Continents = Field(default=None, description="Continents.")
    asn: Asns = Field(default=None, description="Numbers of autonomous systems.")
    region: Regions = Field(default=None, description="Regions, by the names that `places` gives.")

    @model_validator(mode="after")
    def _some(self) -> TargetPlace:
        if not given(self, "country", "continent", "asn", "region"):
            raise Refused("no place is given", "write `country`, `continent`, `asn` or `region`")
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
        "below, or a glob such as `cdn*.example.com` (`*` stays within a label, `**` crosses dots). The end "
        "`.<suffix>`, as in `.google.<suffix>`, stands for any public suffix (`com`, `co.uk`) and needs a list of the "
        "format `suffixes`; who owns a name under one suffix need not own it under another. A client can name an "
        "address instead of a host: to keep it from something, use `addresses`.",
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
    target: TargetPlace | None = Field(
        default=None,
        description="Where the target's address is, after resolving: country, autonomous system and so on.",
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

    @property
    def asks_address(self) -> bool:
        """Whether the target's address has to be known."""
        return any(one is not None for one in (self.addresses, self.address_lists, self.target))


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
        default=(),
        description="With `allow`: limits of what this rule lets pass, beside those of the listener; at most 8.",
    )
    capture: Name | None = Field(
        default=None, description=f"With `allow`, instead of the listener's: {CAPTURE[0].lower()}{CAPTURE[1:]}"
    )
    dry_run: Flag = Field(
        default=False,
        description="The rule decides nothing: that it would have is logged (`dry_rule`) and counted, and the next "
        "rules are asked.",
    )

    @model_validator(mode="after")
    def _one_verdict(self) -> Rule:
        exactly_one(self, "allow", "deny")
        if self.redirect is not None:
            self._check_redirect(self.redirect)
        if self.allow is None:
            if self.limit:
                raise Refused("a rule that denies has nothing to limit", "use it with `allow`", at="limit")
            if self.egress is not None:
                raise Refused("what is denied goes out by no way", "remove `egress`, or write `allow`", at="egress")
            if self.capture is not None:
                hint = "use it with `allow`; `capture` of the listener has what is denied, too"
                raise Refused("a rule that denies has nothing to record", hint, at="capture")
        done = [key for key in ("redirect", "limit", "capture") if getattr(self, key)]
        if self.dry_run and done:
            what = done[0]
            raise Refused("a rule with `dry_run` does nothing", f"leave out `{what}` until it is in force", at=what)
        return self

    def _check_redirect(self, to: str) -> None:
        if self.allow is not None and ("/" in to or ":" in to):
            raise Refused("with `allow` it is a host", "write the name alone, or `deny` to answer", at="redirect")
        try:
            parse_redirect_target(to) if self.allow is None else parse_host(to)
        except Refused as error:
            raise Refused(error.message, error.hint, at="redirect") from None

    @model_validator(mode="after")
    def _knows_the_address(self) -> Rule:
        condition = self.condition
        if condition.response is not None and self.allow is not None:
            raise Refused("the request has passed when the response is there", "use it with `deny`", at="allow")
        if not condition.asks_address:
            return self
        if self.redirect_host:
            hint = "leave `redirect` out, or the condition on the address"
            raise Refused("another host is dialled, so the target has no address", hint, at="redirect")
        if condition.response is not None:
            hint = "put the condition on the address into a rule before"
            raise Refused("a rule on the response has no condition on addresses", hint, at="deny")
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
