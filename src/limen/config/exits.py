"""URLs of parents: `http://user:password@proxy.example:3128`, `https://…`, `socks5://…`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from limen.config.addresses import Address, parse_address
from limen.config.refusal import Refused

PARENT_PATTERN = r"^(https?|socks5h?)://"
_SCHEMES = {"http": "http", "https": "http", "socks5": "socks5", "socks5h": "socks5"}
_URL = re.compile(r"([A-Za-z0-9+.-]+)://(?:([^@/]*)@)?([^@/?#]+)/?")


@dataclass(frozen=True, slots=True)
class ParentUrl:
    """One proxy on a way out."""

    kind: str
    """`http` or `socks5`."""
    address: Address
    encrypted: bool = False
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        """Without credentials."""
        scheme = "https" if self.encrypted else self.kind
        return f"{scheme}://{self.address}"


def parse_parent(text: str) -> ParentUrl:
    """Raises Refused; no message shows credentials."""
    found = _URL.fullmatch(text.strip())
    if found is None:
        raise Refused("this is not the URL of a proxy", "write it like http://proxy.example:3128")
    scheme, credentials, authority = found[1].lower(), found[2], found[3]
    if scheme not in _SCHEMES:
        raise Refused(f"a parent cannot be asked by '{scheme}'", "http, https or socks5")
    address = parse_address(authority)
    user, _, password = (credentials or "").partition(":")
    user, password = unquote(user), unquote(password)
    if credentials and not user:
        raise Refused("the URL has a password, but no user name", "write it like http://user:password@proxy.example:1")
    kind = _SCHEMES[scheme]
    if any(ord(character) < 32 or ord(character) == 127 for character in user + password):
        raise Refused("the credentials hold a control character")
    if kind == "http" and ":" in user:
        raise Refused("a user name with a colon cannot be sent (RFC 7617)")
    if kind == "socks5" and max(len(user.encode()), len(password.encode())) > 255:
        raise Refused("SOCKS5 has user names and passwords of at most 255 bytes")
    return ParentUrl(kind, address, scheme == "https", user, password)


def written(parent: object) -> str:
    """What stands for a parent in a dump: all of it, so that digests tell revisions apart."""
    assert isinstance(parent, ParentUrl)  # noqa: S101 the type of the field
    return f"{parent} {parent.user}:{parent.password}" if parent.user else str(parent)
