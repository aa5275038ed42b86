"""Routes of a gateway: which requests they match, where those go, and what is changed on the way."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from limen.config.bridge import Ja4
from limen.config.models import places
from limen.config.models.capture import CAPTURE
from limen.config.models.certificates import CertificateMatch
from limen.config.models.edits import FieldEdits, refuse_twins
from limen.config.models.icap import Icap
from limen.config.models.identities import Demand
from limen.config.models.limit import Limit
from limen.config.models.masks import MASKED, ErrorPages, Mask
from limen.config.models.places import Asns, Continents, Countries, Regions
from limen.config.models.resilience import Hedge, Mirror, Retry, RouteTimeouts
from limen.config.models.section import Listed, Section, Sections, Several, Shorthand, WrittenAs, exactly_one
from limen.config.models.shield import CLOSED, Addresses, Maintenance
from limen.config.models.steering import Split
from limen.config.refusal import Refused
from limen.config.scalars import (
    EditableField,
    FieldName,
    FieldValue,
    Flag,
    Hook,
    MatchHost,
    Method,
    Name,
    Network,
    OriginHost,
    PathPattern,
    Presence,
    RedirectStatus,
    RedirectTarget,
    Regex,
    Status,
    Text,
    UrlPath,
    duration,
    optional,
    size,
)
from limen.config.units import parse_duration, parse_size

PRESENTED = WrittenAs((True, {}), (False, {"presented": False}))
SIZE_CAP = optional(size("0B", "1024GiB"))


class PathMatch(Section):
    """A condition on the path; exactly one of its keys.

    Paths are compared as received, except that percent-encoded unreserved characters are decoded and dot segments
    removed; `%2F` and `%5C` stay as they are. Case counts.
    """

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [key]} for key in ("prefix", "exact", "pattern", "regex")]},
    )

    prefix: UrlPath | None = Field(
        default=None,
        description="The beginning of the path, on a segment border: `/v1` matches `/v1` and `/v1/x` but not `/v1x`; "
        "`/v1/` matches what starts with `/v1/`.",
    )
    exact: UrlPath | None = Field(default=None, description="The whole path.")
    pattern: PathPattern | None = Field(
        default=None,
        description="A glob for the whole path: `*` within a segment, `**` across segments, `?` one character.",
    )
    regex: Regex | None = Field(
        default=None,
        description="A Python regular expression for the whole path. Slower than the others: it runs in Python.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> PathMatch:
        exactly_one(self, "prefix", "exact", "pattern", "regex")
        return self


class Match(Section):
    """Conditions of a route; all that are given must hold, and one of the values of a list."""

    host: Annotated[tuple[MatchHost, ...], Several(single=True)] | None = Field(
        default=None,
        description="Host of the request, without port, in any case: exact, or `*.example.com` for any number of "
        "labels below `example.com` (not itself). One or a list.",
    )
    path: Annotated[PathMatch, Shorthand("prefix")] | None = Field(
        default=None, description="Path of the request; a plain string is a prefix."
    )
    method: Annotated[tuple[Method, ...], Several(single=True)] | None = Field(
        default=None, description="Request method, in capitals. One or a list."
    )
    fields: dict[FieldName, Presence] | None = Field(
        default=None,
        description="Request fields: a text is the exact value of one of the fields of that name; `true` asks for the "
        "field to be there with any value, `false` for it to be absent.",
    )
    query: dict[Text, Presence] | None = Field(
        default=None,
        description="Parameters of the query, percent-decoded: a text is the exact value, `true` any, `false` absent.",
    )
    clients: Annotated[tuple[Network, ...], Several(single=True)] | None = Field(
        default=None,
        description="Networks of the client address (after the PROXY protocol and trusted forwarded fields).",
    )
    client_lists: Annotated[tuple[Name, ...], Several(single=True)] | None = Field(
        default=None,
        description="Address lists (`lists` of the root) of the client address; together with `clients`, one of both "
        "must hold.",
    )
    users: Annotated[tuple[Text, ...], Several(single=True)] | None = Field(
        default=None,
        description="Names of clients, as `identity` of the listener found them, exactly; `*` for everybody who is "
        "known.",
    )
    groups: Annotated[tuple[Text, ...], Several(single=True)] | None = Field(
        default=None, description="Groups of clients, as `identity` of the listener found them."
    )
    client_certificate: Annotated[CertificateMatch | None, PRESENTED] = Field(
        default=None,
        description="Certificate that the client has shown on a listener with `tls.client`: `true` any, `false` "
        "none, or what it must be like.",
    )
    ja4: Annotated[tuple[Ja4, ...], Several(single=True)] | None = Field(
        default=None,
        description="JA4 fingerprint of the client hello on a listener with `tls`; `*` and `?` stand for characters: "
        "`t13d1516h2_8daaf6152771_*`. One or a list.",
    )

    country: Countries = Field(default=None, description=places.COUNTRY)
    continent: Continents = Field(default=None, description=places.CONTINENT)
    asn: Asns = Field(default=None, description=places.ASN)
    region: Regions = Field(default=None, description=places.REGION)

    @model_validator(mode="after")
    def _no_twins(self) -> Match:
        refuse_twins(list(self.fields or ()), where="fields")
        return self


class Respond(Section):
    """A response made here, without any origin."""

    status: Status = Field(default=200, description="Status code, 200 to 599.")
    body: Text = Field(default="", description="Content, sent as UTF-8. Must be empty with status 204, 205 and 304.")
    fields: dict[EditableField, FieldValue] = Field(
        default_factory=dict, description="Further fields of the response; Content-Type has its own key."
    )
    content_type: FieldValue | None = Field(
        default="text/plain; charset=utf-8",
        description="Content-Type of the body; not sent when the body is empty.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Respond:
        refuse_twins(list(self.fields), where="fields")
        if any(name.lower() == "content-type" for name in self.fields):
            raise Refused("Content-Type stands among the fields", "use the key `content_type`", at="fields")
        if self.body and self.status in (204, 205, 304):
            raise Refused(f"a response of status {self.status} has no body", "leave `body` out", at="body")
        return self


class Redirect(Section):
    """A redirect made here."""

    to: RedirectTarget = Field(
        description="Where to: a URL such as `https://{host}{path}{query}` or a path. `{host}` is the host of the "
        "request with its port, `{hostname}` without, `{path}` the path, normalised, `{query}` the query with its `?`, "
        "or nothing."
    )
    status: RedirectStatus = Field(
        default=308,
        description="308 and 307 keep the method, 301 and 302 let clients change POST to GET, 303 makes it GET; "
        "301 and 308 are permanent and may be remembered.",
    )


class Replace(Section):
    """A replacement in the path."""

    pattern: Regex = Field(description="Python regular expression, searched in the path (every place is replaced).")
    with_: Text = Field(alias="with", description="The replacement; `\\1` and `\\g<name>` stand for groups.")

    @model_validator(mode="after")
    def _groups_exist(self) -> Replace:
        try:
            # The template is parsed even if nothing matches.
            re.compile(self.pattern).sub(self.with_, "")
        except (re.error, IndexError) as error:
            raise Refused(f"the replacement does not fit the pattern: {error}", at="with") from None
        return self


class Rewrite(Section):
    """Changes of the path towards the origin; done in the order strip, replace, add. The query is kept."""

    strip: UrlPath | None = Field(
        default=None,
        description="Prefix taken off, on a segment border; the rest always begins with `/`. Paths without it stay.",
    )
    add: UrlPath | None = Field(default=None, description="Prefix put in front.")
    replace: Replace | None = Field(default=None, description="Regular expression replacement. Runs in Python.")


class Body(Section):
    """Bounds of the request body on a route."""

    max: Annotated[int | None, SIZE_CAP] = Field(
        default=parse_size("16MiB"),
        description="Largest request body; 413 beyond, before or while it is read. `none` for no bound. Bodies are "
        "streamed: this bounds what the origin gets, not memory.",
    )


class Route(Section):
    """Conditions and an action: exactly one of `upstream`, `split`, `respond` and `redirect`."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [key]} for key in ("upstream", "split", "respond", "redirect")]},
    )

    name: Name | None = Field(
        default=None,
        description="Name in logs and metrics; the listener's name and the route's number by default. Counters of a "
        "named route live on when routes move.",
    )
    match: Match = Field(default_factory=Match, description="Which requests; all of them if left out.")
    upstream: Name | None = Field(default=None, description="Pass the request to this upstream, by name.")
    split: Annotated[Split, Listed("to")] | None = Field(
        default=None,
        description="Pass the request to one of several upstreams, by weight: a list of shares, or a section.",
    )
    respond: Respond | None = Field(default=None, description="Answer here.")
    redirect: Redirect | None = Field(default=None, description="Send the client elsewhere.")
    rewrite: Rewrite | None = Field(default=None, description="Change the path towards the origin.")
    request: FieldEdits = Field(default_factory=FieldEdits, description="Edit the request fields towards the origin.")
    response: FieldEdits = Field(default_factory=FieldEdits, description="Edit the response fields towards the client.")
    body: Body = Field(default_factory=Body, description="Bounds of the request body.")
    timeouts: RouteTimeouts = Field(default_factory=RouteTimeouts, description="Patience with the origin.")
    retry: Retry = Field(default_factory=Retry, description="Second attempts.")
    hedge: Annotated[Hedge, Shorthand("after")] | None = Field(
        default=None, description="A second attempt beside a slow one; a time, or a section."
    )
    mirror: Annotated[Mirror, Shorthand("upstream")] | None = Field(
        default=None, description="Copies of the requests for another upstream; its name, or a section."
    )
    urgent: Flag = Field(
        default=False,
        description="Whether its requests go before those of other routes in the `queue` of an upstream that is full, "
        "in their order and together with retries.",
    )
    host: OriginHost = Field(
        default="pass",
        description="Host field towards the origin: `pass` as the client sent it, `endpoint` the endpoint's address as "
        "configured, or a literal such as `api.internal`.",
    )
    hooks: Annotated[tuple[Hook, ...], Several(single=True, empty=True)] = Field(
        default=(),
        description="Python functions called for each exchange, in order, as `module:function`; modules are looked for "
        "beside the configuration file first.",
    )
    hook_timeout: Annotated[float, duration("1ms", "10m")] = Field(
        default=parse_duration("5s"), description="Longest time of one hook; the exchange is answered with 504 beyond."
    )
    icap: Icap | None = Field(
        default=None, description="Services that see requests and responses after the hooks; see `icap` of the root."
    )
    capture: Name | None = Field(default=None, description=CAPTURE)
    client_certificate: Annotated[CertificateMatch | None, PRESENTED] = Field(
        default=None,
        description="Certificate that the client must have shown on a listener with `tls.client`: `true` any, or "
        "what it must be like. Who has none, or another one, is answered with 403; with `false`, who has one.",
    )
    identity: Annotated[Demand, Listed("by", items="string", single=True)] | None = Field(
        default=None,
        description="Clients have to say who they are: names of `identities`, in order, or a section. 401 without. "
        "The origin sees the credentials, too, unless `request` removes `Authorization`.",
    )
    allow: Addresses | None = Field(
        default=None, description="Only clients of these addresses are served; others are answered with 403."
    )
    deny: Addresses | None = Field(
        default=None, description="Clients of these addresses are answered with 403, also those in `allow`."
    )
    limit: Annotated[tuple[Limit, ...], Sections()] = Field(
        default=(), description="Rate and concurrency limits: 429 beyond. One or a list, at most 8."
    )
    maintenance: Annotated[Maintenance | None, CLOSED] = Field(
        default=None,
        description="`true` closes the route: 503 for everybody, or for all but some. `false` keeps it open where the "
        "listener is closed.",
    )
    errors: ErrorPages = Field(
        default_factory=dict,
        description="Pages for errors, by status or class (`502`, `4xx`, `5xx`): shown instead of our own words, and "
        "of an origin's where they say so. What is not named here is the listener's.",
    )
    mask: Annotated[Mask | None, MASKED] = Field(
        default=None, description="Hide what origins tell of themselves; `true` for all of it."
    )
    upgrade: Flag = Field(
        default=True, description="Whether `Upgrade` (such as WebSocket) passes and makes a tunnel; ignored otherwise."
    )

    @model_validator(mode="after")
    def _one_action(self) -> Route:
        exactly_one(self, "upstream", "split", "respond", "redirect")
        for key in ("hedge", "mirror", "urgent"):
            if not self.upstreams and getattr(self, key):
                raise Refused(f"`{key}` needs an `upstream`", "leave it out where the answer is made here", at=key)
        return self

    @property
    def upstreams(self) -> tuple[str, ...]:
        """Every upstream that the route may go to, by name."""
        if self.split is not None:
            return tuple(share.upstream for share in self.split.to)
        return () if self.upstream is None else (self.upstream,)
