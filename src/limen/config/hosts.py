"""Sets of host patterns: whether a host is in one costs a few look-ups, however many patterns there are.

The patterns are those of access rules: an exact name or address, `.example.com` (the name and all below),
`*.example.com` (all below), or a glob (`*` within a label, `**` across dots, `?` one character). `*` alone is any host.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator

_PIECES = re.compile(r"\*\*+|\*|\?|[^*?]+")
_GLOB = {"*": "[^.]*", "?": "[^.]"}


def canonical(host: str) -> str:
    """The form in which hosts are compared: lower case, no trailing dot, an address as `ipaddress` prints it.

    IPv4-mapped IPv6 addresses are the IPv4 ones they mean. Never fails: what is no host stays as it is.
    """
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in bare or bare[-1:].isdigit():
        try:
            address = ipaddress.ip_address(bare)
        except ValueError:
            pass
        else:
            mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
            return str(mapped or address)
    return host.lower().removesuffix(".")


def is_literal(host: str) -> bool:
    """Whether a canonical host is an IP address rather than a name."""
    if ":" not in host and not host[-1:].isdigit():
        # no top-level domain ends with a digit, and an exception costs more than all the rest of a look-up
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def keys_of(host: str) -> Iterator[str]:
    """The plain patterns that take a canonical host: itself, then `.parent` and `*.parent` of it."""
    yield host
    if is_literal(host):
        return
    yield f".{host}"
    dot = host.find(".")
    while dot >= 0:
        parent = host[dot + 1 :]
        yield f".{parent}"
        yield f"*.{parent}"
        dot = host.find(".", dot + 1)


def is_glob(pattern: str) -> bool:
    """Whether a pattern cannot be looked up: it holds a `*` or `?` that is not the `*.` of `*.example.com`."""
    rest = pattern.removeprefix("*.")
    return "*" in rest or "?" in rest


def key_of(pattern: str) -> str:
    """The canonical form of a pattern that is no glob; one of `keys_of` of each host that it takes."""
    for prefix in ("*.", "."):
        if pattern.startswith(prefix):
            return prefix + canonical(pattern[len(prefix) :])
    return canonical(pattern)


def glob(patterns: Iterable[str]) -> re.Pattern[str] | None:
    """One expression for all globs, to be matched fully with a canonical host; None without any.

    A bare `*` is any host, and not only one of a single label.
    """
    expressions = [".*" if pattern == "*" else _expression(pattern) for pattern in patterns]
    return re.compile("|".join(f"(?:{one})" for one in expressions), re.DOTALL) if expressions else None


def _expression(pattern: str) -> str:
    return "".join(
        ".*" if piece.startswith("**") else _GLOB.get(piece, re.escape(piece.lower()))
        for piece in _PIECES.findall(pattern)
    )


class HostSet:
    """An immutable set of hosts, made from patterns."""

    __slots__ = ("_globs", "_keys")

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        listed = list(patterns)
        self._keys = frozenset(key_of(pattern) for pattern in listed if not is_glob(pattern))
        self._globs = glob(pattern for pattern in listed if is_glob(pattern))

    def __bool__(self) -> bool:
        return bool(self._keys) or self._globs is not None

    def __contains__(self, host: object) -> bool:
        """Whether a pattern takes the host, in whatever form it is written; nothing takes the empty host."""
        return isinstance(host, str) and bool(host) and self.has(canonical(host))

    def has(self, host: str) -> bool:
        """As `in`, for a host that is canonical already."""
        if not host:
            return False
        if any(key in self._keys for key in keys_of(host)):
            return True
        return self._globs is not None and self._globs.fullmatch(host) is not None
