"""The proxy auto-configuration file that a listener serves, and what `limen env` prints."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from limen.config import addresses
from limen.config.models.section import Section, Several
from limen.config.refusal import Refused, shown
from limen.config.scalars import Flag, Loading, Network, Scalar, TargetHost, as_text, choice

SCHEMES = ("http", "https", "socks5", "socks4")


def _proxy_url(value: object, loading: Loading) -> str:
    text = as_text(value, loading, "a proxy")
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in SCHEMES:
        raise Refused(f"{shown(text)} is no proxy", "write it like http://proxy.example:3128 or socks5://10.0.0.1:1080")
    address = addresses.parse_address(rest.rstrip("/"))
    if address.path:
        raise Refused("clients do not find unix sockets", "write host:port")
    return f"{scheme.lower()}://{address}"


ProxyUrl = Annotated[
    str,
    Scalar(
        _proxy_url,
        {"type": "string", "pattern": f"^({'|'.join(SCHEMES)})://", "examples": ["http://proxy.example:3128"]},
        "`http://`, `https://`, `socks5://` or `socks4://` and an address",
    ),
]


class Pac(Section):
    """A PAC file at `/proxy.pac` and `/wpad.dat` of the listener's own port, for everybody who may connect.

    This machine (`localhost`, loopback addresses) is always direct.
    """

    proxies: Annotated[tuple[ProxyUrl, ...], Several(single=True)] | None = Field(
        default=None,
        description="Proxies for clients to try in this order. By default this listener at the address it is bound to; "
        "a listener on all addresses has to say by which one clients reach it.",
    )
    direct: Annotated[tuple[TargetHost, ...], Several(single=True, empty=True)] = Field(
        default=(),
        description="Hosts that clients reach themselves: exact, `.example.com` for the name itself and all below, or "
        "a glob such as `cdn*.example.com` (`*` stays within a label, `**` crosses dots).",
    )
    networks: Annotated[tuple[Network, ...], Several(single=True, empty=True)] = Field(
        default=(),
        description="Networks that clients reach themselves, where a URL names an address. Names are not resolved.",
    )
    plain_names: Flag = Field(default=False, description="Names without a dot are reached directly.")
    fallback: Annotated[str, choice("none", "direct")] = Field(
        default="none", description="`direct`: clients go without a proxy when none answers. Not unless written."
    )
