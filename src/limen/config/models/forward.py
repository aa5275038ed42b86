"""The forward proxy of a listener: who may use it, which targets it reaches, and how much it tells them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from limen.config.models.access import Rule
from limen.config.models.bridge import Bridge
from limen.config.models.capture import CAPTURE
from limen.config.models.edits import FieldEdits
from limen.config.models.egress import UseOfEgress
from limen.config.models.icap import Icap
from limen.config.models.identities import Demand
from limen.config.models.limit import Limit
from limen.config.models.pac import Pac
from limen.config.models.routes import SIZE_CAP
from limen.config.models.scrub import Scrub
from limen.config.models.section import Listed, Section, Sections, Several, WrittenAs
from limen.config.models.socks import SocksTerms, SocksWays
from limen.config.refusal import Refused
from limen.config.scalars import Flag, Hook, Name, Network, choice, duration
from limen.config.units import parse_duration


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
    scrub: Scrub | None = Field(
        default=None, description="Fields that tell one client from another: dropped, cut or replaced."
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
    capture: Name | None = Field(default=None, description=f"{CAPTURE} A rule of `access` may name another.")
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
