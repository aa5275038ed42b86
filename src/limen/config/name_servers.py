"""Name servers as people write them: `192.0.2.53`, `tls://9.9.9.9#dns.quad9.net`, `https://dns.quad9.net/dns-query`.

What stands behind `#` is whom the certificate must be for, where the server is named by its address.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from limen.config.addresses import Address, parse_address
from limen.config.findings import Finding
from limen.config.refusal import Refused, shown
from limen.config.tls import parse_server_name

if TYPE_CHECKING:
    from limen.config.models.root import Config

#: Where each kind is spoken: RFC 1035, RFC 7858 (section 3.1), RFC 8484.
PORTS = {"plain": 53, "tls": 853, "https": 443}
#: The path that servers have by custom; RFC 8484 has none.
PATH = "/dns-query"

_EXAMPLE = (
    "write an IP address, such as 192.0.2.53, tls://192.0.2.53#dns.example.com or https://dns.example.com/dns-query"
)
_URL = re.compile(r"([A-Za-z0-9+.-]+)://([^/?#]*)([^#]*)(?:#(.*))?", re.DOTALL)
_PATH = re.compile(r"/[\x21-\x7e]*")


@dataclass(frozen=True, slots=True)
class NameServer:
    """One server, and how it is asked. The host is an address unless a `bootstrap` says where the name is."""

    kind: Literal["plain", "tls", "https"]
    address: Address
    name: str = ""
    """Whom its certificate must be for, a name or an address; empty for a plain one."""
    path: str = ""

    @property
    def label(self) -> str:
        """For logs: without the path, which may tell who asks."""
        if self.kind == "plain":
            return str(self.address)
        told = f"#{self.name}" if self.name != self.address.host else ""
        return f"{self.kind}://{self.address}{told}"

    def __str__(self) -> str:
        """As `parse_name_server` reads it."""
        head, mark, name = self.label.partition("#")
        return f"{head}{self.path}{mark}{name}"


def parse_name_server(text: str) -> NameServer:
    """Raises Refused."""
    if "://" not in text:
        return NameServer("plain", _plain(text))
    found = _URL.fullmatch(text)
    assert found is not None  # noqa: S101 the colon and the slashes are there
    scheme, authority, path, name = found[1].lower(), found[2], found[3], found[4]
    if scheme not in ("tls", "https"):
        raise Refused(f"a name server cannot be asked by {shown(scheme)}", "tls, https, or an IP address alone")
    if "@" in authority:
        raise Refused("the URL of a name server has no user name", "take out all before the @")
    address = parse_address(authority, default_port=PORTS[scheme])
    if address.path:
        raise Refused(f"{shown(text)} is not a name server", _EXAMPLE)
    if name is not None:
        if address.ip is None:
            hint = f"keep it, or name its address: {scheme}://192.0.2.53{path}#{name}"
            raise Refused(f"{shown(text)} names the server twice", hint)
        name = parse_server_name(name)
    if scheme == "https":
        # some write the template of RFC 8484 for GET; the question goes into the content of a POST here
        path = path.removesuffix("{?dns}")
        path = PATH if path in ("", "/") else path
        if not _PATH.fullmatch(path) or "{" in path:
            raise Refused(f"{shown(path)} is not a path", f"write it like https://dns.example.com{PATH}")
        return NameServer("https", address, name or address.host, path)
    if path not in ("", "/"):
        raise Refused(f"a server that is asked over TLS has no path, such as {shown(path)}", "https:// has one")
    return NameServer("tls", address, name or address.host)


def _plain(text: str) -> Address:
    # A bare IPv6 address has no port to be mistaken for, so brackets are not asked for.
    bare = Address(text.lower())
    if ":" in text and bare.ip is not None:
        return Address(str(bare.ip), PORTS["plain"])
    address = parse_address(text, default_port=PORTS["plain"])
    if address.ip is None:
        raise Refused(f"{shown(text)} is not the address of a name server", _EXAMPLE)
    return address


def libraries(config: Config) -> Iterator[Finding]:
    """What asking over HTTPS needs, which not every installation has."""
    for number, server in enumerate(config.resolver.servers):
        if server.kind == "https" and importlib.util.find_spec("h2") is None:
            hint = "pip install 'limen[doh]', or ask by tls://"
            yield Finding(("resolver", "servers", number), "asking name servers over HTTPS needs h2", hint)
