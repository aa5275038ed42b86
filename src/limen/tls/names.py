"""Names: those in a certificate, and which certificates serve each.

Exact names go before wildcards; that is the engine's part. Here every name gets its certificates, at most one per
kind of key: the one that stands first in the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from limen.config.refusal import shown

if TYPE_CHECKING:
    from limen.tls.certificates import Certificate

# RFC 1035, 2.3.4; also what the engine takes.
_LONGEST = 253
_NAME = re.compile(r"(?:\*\.)?[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Assigned:
    """Certificates of a listener by name; numbers are places in its list."""

    names: Mapping[str, tuple[int, ...]]
    default: tuple[int, ...]
    """The first one, and one of each other kind of key with the same names: for clients that name nobody known."""
    useless: Mapping[int, int]
    """Certificates that serve no name, each with the one that has its names already."""


def names_of(alternatives: x509.SubjectAlternativeName | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and addresses that a certificate is for, and, shown, those that nobody can ask for.

    Only the subject alternative names count (RFC 9525, 6.3): the common name has had its day.
    """
    good: dict[str, None] = {}
    odd: list[str] = []
    for one in alternatives or ():
        if isinstance(one, x509.DNSName):
            # Names beyond ASCII stand there as A-labels (RFC 5280, 7.2), which is also how clients ask for them.
            name = one.value.lower().removesuffix(".")
            if is_name(name):
                good[name] = None
            else:
                odd.append(shown(one.value))
        elif isinstance(one, x509.IPAddress):
            good[str(one.value)] = None
    return tuple(good), tuple(odd)


def is_name(name: str) -> bool:
    """Whether this is a host name, or a wildcard for one whole label, that a client can ask for."""
    return len(name) <= _LONGEST and _NAME.fullmatch(name) is not None


def assign(certificates: Sequence[Certificate]) -> Assigned:
    """Who serves which name; `certificates` in the order of the configuration, at least one."""
    found: dict[str, dict[str, int]] = {}
    useless: dict[int, int] = {}
    for number, certificate in enumerate(certificates):
        taken, holder = 0, number
        for name in certificate.names:
            holders = found.setdefault(name, {})
            if certificate.kind in holders:
                taken, holder = taken + 1, holders[certificate.kind]
            else:
                holders[certificate.kind] = number
        if certificate.names and taken == len(certificate.names):
            useless[number] = holder
    # few sets stand behind many names: one tuple for each
    tuples: dict[tuple[int, ...], tuple[int, ...]] = {}
    names = {}
    for name, holders in found.items():
        numbers = tuple(sorted(holders.values()))
        names[name] = tuples.setdefault(numbers, numbers)
    return Assigned(names, _default(certificates), useless)


def _default(certificates: Sequence[Certificate]) -> tuple[int, ...]:
    first = certificates[0]
    wanted = frozenset(first.names)
    numbers = {first.kind: 0}
    for number, certificate in enumerate(certificates):
        if certificate.kind not in numbers and frozenset(certificate.names) == wanted:
            numbers[certificate.kind] = number
    return tuple(sorted(numbers.values()))
