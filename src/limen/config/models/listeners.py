"""Listeners: bound addresses, what they accept, and which of routes, forward and stream they serve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from limen.config.models.forward import Forward, Socks
from limen.config.models.hello import OpaqueRoute
from limen.config.models.identities import Demand
from limen.config.models.masks import ErrorPages
from limen.config.models.routes import Route
from limen.config.models.section import Listed, NoneWord, Section, Several, WrittenAs, changed, exactly_one
from limen.config.models.shield import CLOSED, Addresses, Maintenance
from limen.config.models.stream import Stream
from limen.config.models.tls import HttpsRedirect, ListenerTls
from limen.config.refusal import Refused
from limen.config.scalars import Bind, FieldName, Flag, Name, Network, duration, optional, size, whole
from limen.config.units import parse_duration, parse_size

ListenerCap = Annotated[int | None, optional(whole(1, 1_000_000))]


class Head(Section):
    """Limits of a request head, which is at most 64 KiB in all; what is larger is answered with 414 or 431 and the
    connection closed.
    """

    line: Annotated[int, size("256B", "16KiB")] = Field(
        default=parse_size("8KiB"), description="Largest request line, target included (414 beyond)."
    )
    fields: Annotated[int, size("1KiB", "47KiB")] = Field(
        default=parse_size("32KiB"), description="Largest size of all fields together (431 beyond)."
    )
    count: Annotated[int, whole(8, 256)] = Field(default=100, description="Largest number of fields (431 beyond).")
    trailers: Annotated[int, whole(0, 100)] = Field(
        default=16, description="Largest number of trailer fields after chunked content."
    )
    underscores: Flag = Field(
        default=False,
        description="Whether field names may hold `_`. Refused by default, because CGI-like origins cannot tell "
        "`X_User` from `X-User`, which lets a client forge a field that a gateway sets.",
    )


class ListenerTimeouts(Section):
    """How long a listener waits for its clients."""

    handshake: Annotated[float, duration("100ms", "10m")] = Field(
        default=parse_duration("10s"), description="From accepting a connection until its TLS handshake is done."
    )
    head: Annotated[float, duration("100ms", "10m")] = Field(
        default=parse_duration("10s"),
        description="From the first byte of a request (or from accepting the connection) until its whole head is read.",
    )
    idle: Annotated[float, duration("1s", "24h")] = Field(
        default=parse_duration("60s"), description="How long a kept connection may wait for its next request."
    )
    body: Annotated[float, duration("100ms", "1h")] = Field(
        default=parse_duration("30s"),
        description="How long a client may send nothing of a body that it announced, or take nothing of a response. "
        "See also `min_rate`.",
    )
    tunnel_idle: Annotated[float, duration("1s", "24h")] = Field(
        default=parse_duration("5m"), description="How long a tunnel (CONNECT, upgrade) may be silent both ways."
    )
    tunnel_half_closed: Annotated[float, duration("1s", "24h")] = Field(
        default=parse_duration("30s"), description="How long a tunnel lives on after one side has ended its half."
    )
    tunnel_life: Annotated[float, duration("1s", "365d")] = Field(
        default=parse_duration("24h"), description="Longest life of a tunnel, busy or not."
    )


class MinRate(Section):
    """The slowest body that is waited for."""

    bytes: Annotated[int, size("1B", "1GiB")] = Field(
        default=parse_size("500B"), description="Bytes per second of a request body, on average since its beginning."
    )
    after: Annotated[float, duration("1s", "1h")] = Field(
        default=parse_duration("10s"), description="Grace time after the head before the rate counts."
    )


class ProxyProtocolIn(Section):
    """From whom PROXY protocol headers are accepted."""

    from_: Annotated[tuple[Network, ...], Several(single=True, needed=True)] = Field(
        alias="from",
        description="Networks of the load balancers in front. Their connections must begin with a PROXY header of "
        "version 1 or 2, whose source counts as the client; connections from elsewhere must not send one.",
    )


class RequestId(Section):
    """A field with an identifier of each exchange, for the origin and the log."""

    field: FieldName = Field(default="X-Request-Id", description="Name of the field.")
    trust: Flag = Field(
        default=False,
        description="Whether an identifier that the client sends is kept (if it is up to 128 visible characters). "
        "Otherwise it is replaced.",
    )


class ForwardedFields(Section):
    """Which fields tell an origin who the client was (gateway only)."""

    forwarded: Flag = Field(default=True, description="Add `Forwarded` (RFC 7239).")
    x_forwarded: Flag = Field(default=True, description="Add `X-Forwarded-For`, `-Proto` and `-Host`.")
    client_certificate: Flag = Field(
        default=False,
        description="Add `Client-Cert` (RFC 9440) with the certificate that the client has shown. What clients send "
        "in `Client-Cert` and `Client-Cert-Chain` is dropped with this key, and on every listener with `tls`.",
    )


SERVICES = ("routes", "forward", "socks", "stream", "https")
"""Keys of a listener that say what it serves; it has one of them."""

HTTP_KEYS = ("maintenance", "errors", "trusted", "head", "timeouts", "min_rate", "via", "request_id", "forwarded")
"""Keys of a listener that mean nothing on one that carries opaque bytes."""


class Listener(Section):
    """One bound address.

    It has exactly one of `routes` (gateway), `forward` (proxy), `socks` (SOCKS proxy), `stream` (opaque TCP) and
    `https` (on to HTTPS).
    """

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [key]} for key in SERVICES]},
    )

    bind: Bind = Field(
        description="Where to listen: `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:80` for all addresses, or `unix:/path`. "
        "Port 0 takes a free port. A privileged port is bound by the supervisor before it gives up rights.",
    )
    name: Name | None = Field(
        default=None,
        description="Name in logs, metrics and reports; the bind by default. Keep it over a change of the bind, and "
        "counters live on.",
    )
    routes: Annotated[tuple[Route, ...], Several(needed=True)] | None = Field(
        default=None,
        description="A gateway (reverse proxy): routes in order, the first match wins. A request that matches none is "
        "answered with 404.",
    )
    identity: Annotated[Demand, Listed("by", items="string", single=True)] | None = Field(
        default=None,
        description="Who clients are, asked before a route is chosen, for `match: {users: …}` and `groups`; names of "
        "`identities`, in order, or a section. Where all routes ask the same, `identity` of a route will do.",
    )
    forward: Forward | None = Field(
        default=None, description="A forward proxy: the target comes from the request. `{}` takes the safe defaults."
    )
    socks: Socks | None = Field(
        default=None,
        description="A SOCKS proxy (4, 4a, 5); it takes the keys of `forward`. For HTTP and SOCKS on one port write "
        "`forward: {socks: true}`.",
    )
    stream: Stream | None = Field(
        default=None, description="Opaque TCP to an upstream, which the TLS client hello may choose."
    )
    https: Annotated[HttpsRedirect | None, WrittenAs(("redirect", {}))] = Field(
        default=None,
        description="On a plain listener: send every request to HTTPS on the same host. `redirect`, or "
        "`{redirect: 8443}` for another port than 443.",
    )
    tls: ListenerTls | None = Field(
        default=None,
        description="Terminate TLS here. With `forward` clients speak to the proxy by TLS (`https://`); with `stream` "
        "what is inside goes on as it is.",
    )
    proxy_protocol: ProxyProtocolIn | None = Field(
        default=None, description="Accept the PROXY protocol from the load balancers named; off by default."
    )
    trusted: Annotated[tuple[Network, ...], Several(single=True, empty=True)] = Field(
        default=(),
        description="Networks of proxies in front, whose `Forwarded` and `X-Forwarded-*` are believed and kept. From "
        "everybody else these fields are dropped. Never name networks of clients here: they could claim any address.",
    )
    head: Head = Field(default_factory=Head, description="Limits of request heads.")
    timeouts: ListenerTimeouts = Field(default_factory=ListenerTimeouts, description="Patience with clients.")
    min_rate: Annotated[MinRate | None, NoneWord()] = Field(
        default_factory=MinRate,
        description="The slowest request body that is waited for; `none` turns it off.",
    )
    per_client: ListenerCap = Field(
        default=None,
        description="Replaces the root's `limits.per_client` for connections to this listener. What is compared with "
        "it is the same count: a client address's connections to the worker over all listeners. Spares only `trusted` "
        "addresses. `none` leaves it at the root's.",
    )
    log: Flag = Field(
        default=True, description="Whether its exchanges are in the access log; counted they are in any case."
    )
    connections: ListenerCap = Field(
        default=None,
        description="Connections of this listener at a time, all workers together; what comes beyond is closed at "
        "once. `none` for no bound.",
    )
    allow: Addresses | None = Field(
        default=None,
        description="Only clients of these addresses may connect; others are closed at once, before a byte is read.",
    )
    deny: Addresses | None = Field(
        default=None,
        description="Clients of these addresses are closed at once, also those in `allow`. Who is connected is asked "
        "(or whom the PROXY protocol names), once per connection; behind trusted proxies use `deny` of a route.",
    )
    maintenance: Annotated[Maintenance | None, CLOSED] = Field(
        default=None, description="`true` closes all routes that do not say otherwise: 503."
    )
    errors: ErrorPages = Field(
        default_factory=dict, description="Pages for errors, by status or class (`502`, `4xx`, `5xx`)."
    )
    via: Annotated[Name | None, NoneWord()] = Field(
        default="limen",
        description="Pseudonym in the `Via` field (RFC 9110 section 7.6.3), also used to recognise loops. `none` "
        "adds none.",
    )
    request_id: Annotated[RequestId | None, NoneWord()] = Field(
        default_factory=RequestId,
        description="Give each exchange an identifier, for the origin and the log; `none` turns it off.",
    )
    forwarded: ForwardedFields = Field(
        default_factory=ForwardedFields, description="Which fields name the client to origins (gateway only)."
    )

    @property
    def label(self) -> str:
        """The name, or the bind where none is given: the identity of a listener over reloads."""
        return self.name or str(self.bind)

    @property
    def demands(self) -> Iterator[Demand]:
        """Whatever asks its clients who they are."""
        own = self.forward.identity if self.forward is not None else self.identity
        yield from (one for one in (own, *(route.identity for route in self.routes or ())) if one is not None)

    @property
    def captures(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Every place in it that names a capture, and the name."""
        for number, route in enumerate(self.routes or ()):
            if route.capture is not None:
                yield ("routes", number, "capture"), route.capture
        if self.forward is None:
            return
        if self.forward.capture is not None:
            yield ("forward", "capture"), self.forward.capture
        for number, rule in enumerate(self.forward.access or ()):
            if rule.capture is not None:
                yield ("forward", "access", number, "capture"), rule.capture

    def route_label(self, index: int) -> str:
        """What logs and metrics call a route: its name, or the listener's label and its number from 0."""
        routes = self.routes or ()
        return routes[index].name or f"{self.label}#{index}"

    def opaque_routes(self) -> Iterator[tuple[tuple[str | int, ...], str, OpaqueRoute]]:
        """Routes chosen by the client hello, in the order in which they are asked: place, label and route.

        Those of `tls.pass` come first, and pass whatever the listener does; those of a stream follow.
        """
        for number, route in enumerate((self.tls.pass_ if self.tls is not None else None) or ()):
            yield ("tls", "pass", number), route.name or f"{self.label}#pass{number}", route
        for number, route in enumerate((self.stream.routes if self.stream is not None else None) or ()):
            yield ("stream", "routes", number), route.name or f"{self.label}#{number}", route

    @model_validator(mode="after")
    def _one_service(self) -> Listener:
        exactly_one(self, *SERVICES)
        if self.socks is not None:
            # one pipeline, one section: from here on it is a forward proxy that speaks nothing but SOCKS
            self.__dict__["forward"], self.__dict__["socks"] = self.socks.as_forward(), None
        self._fitting_tls()
        if self.stream is not None:
            for useless in changed(self, *HTTP_KEYS):
                hint = "set `timeouts` inside `stream`" if useless == "timeouts" else "remove it"
                raise Refused(f"`{useless}` has no meaning on a stream listener", hint, at=useless)
        if self.identity is not None and self.routes is None:
            hint = "write it inside `forward`" if self.forward is not None else "remove it"
            raise Refused("`identity` of a listener goes with `routes`", hint, at="identity")
        if self.forward is not None and changed(self, "forwarded"):
            raise Refused("`forwarded` has no meaning on a forward listener", "use `forward.anonymity`", at="forwarded")
        return self

    def _fitting_tls(self) -> None:
        self._fitting_client_facts()
        if self.tls is None:
            looks = self.forward is not None and (self.forward.bridge is not None or self.forward.refuses_fronting)
            if changed(self.timeouts, "handshake") and not looks:
                raise Refused("a handshake without `tls`", "remove it, or add `tls`", at=("timeouts", "handshake"))
            return
        if self.stream is not None and self.tls.hsts is not None:
            raise Refused("`hsts` has no meaning on a stream listener", "remove it", at=("tls", "hsts"))
        if self.https is not None:
            hint = "give it to the listener without `tls`"
            raise Refused("`https` on a listener with `tls`: who comes here is there already", hint, at="https")
        if self.forward is not None and self.forward.transparent is not None:
            hint = "clients of a transparent listener mean to speak to their target: no TLS of ours is theirs"
            raise Refused("`tls` on a transparent listener", hint, at="tls")
        if self.forward is not None and self.tls.hsts is not None:
            raise Refused("`hsts` has no meaning on a forward listener", "remove it", at=("tls", "hsts"))

    def _fitting_client_facts(self) -> None:
        """Conditions that never hold, or always, because nobody asks the client."""
        asks = self.tls is not None and self.tls.client is not None
        places: list[tuple[str | int, ...]] = []
        for number, route in enumerate(self.routes or ()):
            if route.match.client_certificate is not None and not asks:
                places.append(("routes", number, "match", "client_certificate"))
            if route.client_certificate is not None and not asks:
                places.append(("routes", number, "client_certificate"))
            if route.match.ja4 is not None and self.tls is None:
                raise Refused("`ja4` without TLS", "remove it, or add `tls`", at=("routes", number, "match", "ja4"))
        if self.forwarded.client_certificate and not asks:
            places.append(("forwarded", "client_certificate"))
        if places:
            raise Refused("no client is asked for a certificate here", "add `tls: {client: {ca: …}}`", at=places[0])
