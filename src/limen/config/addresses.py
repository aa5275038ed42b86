"""Addresses, networks and port ranges: parsing as people write them, and the frozen values that come out."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from limen.config.names import to_ascii
from limen.config.refusal import Refused, shown

ADDRESS_PATTERN = r"^(unix:.+|\[[0-9A-Fa-f:.]+\]:\d{1,5}|[^:\s/]+:\d{1,5})$"
PORTS_PATTERN = r"^\d{1,5}(-\d{1,5})?$"
NETWORK_PATTERN = r"^[0-9A-Fa-f:.]+(/\d{1,3})?$"

_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?", re.ASCII)
# sun_path of Linux holds 108 bytes with the closing zero.
_LONGEST_SOCKET_PATH = 107


@dataclass(frozen=True, slots=True)
class Address:
    """`host:port`, `[v6]:port` or `unix:/path`; the host is lower case, without brackets and trailing dot.

    `path` is empty unless it is a Unix socket; then host is empty and port 0.
    """

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The host as an IP address; None for a name or a Unix socket."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def is_loopback(self) -> bool:
        """Reachable from this machine only: loopback, `localhost`, or a Unix socket."""
        ip = self.ip
        return bool(self.path) or self.host == "localhost" or (ip is not None and ip.is_loopback)

    @property
    def is_wildcard(self) -> bool:
        """All addresses of the machine: 0.0.0.0 or ::."""
        ip = self.ip
        return ip is not None and ip.is_unspecified


@dataclass(frozen=True, slots=True)
class Ports:
    """A range of ports, both ends included."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and self.first <= port <= self.last


def parse_address(text: str, *, default_port: int | None = None, any_port: bool = False) -> Address:
    """An address from `host:port`, `[v6]:port` or `unix:/path`.

    `default_port` is taken where the text has none; `any_port` allows port 0 (the kernel chooses). Raises Refused.
    """
    if text.startswith("unix:"):
        return _unix(text)
    if "://" in text:
        scheme, _, rest = text.partition("://")
        raise Refused(f"{shown(text)} is a URL, not an address", _scheme_hint(scheme, rest))
    host, port = _split(text, default_port)
    lowest = 0 if any_port else 1
    if not lowest <= port <= 65535:
        raise Refused(f"port {port} of {shown(text)} is out of range", f"ports are {lowest} to 65535")
    return Address(host, port)


def _scheme_hint(scheme: str, rest: str) -> str:
    host = rest.split("/", 1)[0]
    if scheme == "http" and host:
        port = "" if re.search(r":\d+$", host) else ":80"
        return f"did you mean {host}{port}?"
    return "write host:port"


def _unix(text: str) -> Address:
    path = text[5:]
    if not path.startswith("/"):
        raise Refused(f"the socket path of {shown(text)} is not absolute", "write unix:/path")
    if len(path.encode()) > _LONGEST_SOCKET_PATH or "\0" in path:
        raise Refused("the socket path is too long", f"at most {_LONGEST_SOCKET_PATH} bytes")
    return Address(path=path)


def _split(text: str, default_port: int | None) -> tuple[str, int]:
    if text.startswith("["):
        match = re.fullmatch(r"\[([^\]]*)\](?::(\d{1,5}))?", text, re.ASCII)
        if match is None:
            raise Refused(f"{shown(text)} is not an address", "write [v6]:port, such as [::1]:8080")
        host = _ipv6(match[1], text)
        port = match[2]
    elif text.count(":") > 1:
        raise Refused(f"{shown(text)} is not an address", _bracket_hint(text))
    else:
        name, _, port = text.partition(":")
        host = _host(name, text, port)
    if port is None or port == "":
        if default_port is None or text.endswith(":"):
            raise Refused(
                f"{shown(text)} has no port", f"write host:port, such as {text.rstrip(':') or '127.0.0.1'}:8080"
            )
        return host, default_port
    if not re.fullmatch(r"\d{1,5}", port, re.ASCII):
        raise Refused(f"{shown(port)} of {shown(text)} is not a port", "ports are numbers, 1 to 65535")
    return host, int(port)


def _bracket_hint(text: str) -> str:
    head, _, port = text.rpartition(":")
    # ::1:8080 could be one address, but its writer meant a port.
    guesses = [(head, port)] if re.fullmatch(r"\d{2,5}", port, re.ASCII) else []
    for host, suffix in (*guesses, (text, "8080")):
        if Address(host).ip is not None:
            return f"put an IPv6 address in brackets: [{host}]:{suffix}"
    return "write host:port"


def _ipv6(text: str, whole: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise Refused(f"{shown(text)} of {shown(whole)} is not an IPv6 address", "write [v6]:port") from None


def _host(name: str, whole: str, port: str) -> str:
    if name in ("", "*"):
        raise Refused(f"{shown(whole)} has no host", f"write 127.0.0.1:{port or 8080}, or 0.0.0.0 for all addresses")
    host = parse_host(name, whole)
    if host.isdigit():
        raise Refused(f"{shown(whole)} has no host", f"write 127.0.0.1:{host if len(host) < 6 else 8080}")
    return host


def parse_host(name: str, whole: str = "") -> str:
    """A host name or IPv4 address in canonical form: lower case, IDNA, without trailing dot. Raises Refused."""
    whole = whole or name
    if not name.isascii():
        try:
            name = to_ascii(name)
        except ValueError:
            raise Refused(f"{shown(whole)} is not a host name") from None
    if len(name) > 254 or not _HOST_NAME.fullmatch(name):
        raise Refused(f"{shown(whole)} is not a host name", "write a name such as www.example.com, or an IP address")
    host = name.lower().rstrip(".")
    # Dotted numbers that are no address (1.2.3, 127.0.0.01) would be read in surprising ways by the resolver.
    if re.fullmatch(r"[\d.]+", host, re.ASCII) and "." in host:
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise Refused(f"{shown(whole)} is not an IPv4 address", "write four numbers, such as 192.0.2.1") from None
    return host


def parse_ip(text: str) -> str:
    """An IP address in canonical form, without port; brackets may stand around IPv6."""
    address = Address(text.strip("[]").lower()).ip
    if address is None or "%" in text:
        raise Refused(f"{shown(text)} is not an IP address", "write it like 192.0.2.1 or 2001:db8::1")
    return str(address)


def parse_network(text: str) -> str:
    """A network in canonical form from `10.0.0.0/8`, `2001:db8::/32` or a single address; host bits must be zero."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        right = ipaddress.ip_network(text, strict=False)
    except ValueError:
        hint = "write it like 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1"
        raise Refused(f"{shown(text)} is not a network", hint) from None
    raise Refused(f"{shown(text)} has host bits set", f"did you mean {right}?")


def parse_ports(text: str) -> Ports:
    """A port or range from `80` or `1025-65535`; port 0 is refused."""
    match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", text, re.ASCII)
    if match is None:
        raise Refused(f"{shown(text)} is not a port or a range", 'write 80 or "1025-65535"')
    first, last = int(match[1]), int(match[2] or match[1])
    if not (1 <= first <= 65535 and 1 <= last <= 65535):
        raise Refused(f"{shown(text)} is out of range", "ports are 1 to 65535")
    if first > last:
        raise Refused(f"{shown(text)} ends before it begins", f'did you mean "{last}-{first}"?')
    return Ports(first, last)
