"""What policy hands to the engine's tables: plain frozen values, free of configuration models and of the engine.

Nouns: a *spec* describes one route or rule; the tables of `limen.engine` are built from lists of them, in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Condition = tuple[str, str | bool]
"""Name, and: the exact value, True (present with any value) or False (absent)."""


class PathKind(StrEnum):
    """How the path of a route is compared; all see the normalised path."""

    NONE = "none"
    PREFIX = "prefix"
    EXACT = "exact"
    PATTERN = "pattern"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class CertificateSpec:
    """What a client's certificate must be like: patterns with `*`, fingerprints in hexadecimal; empty: any."""

    subjects: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlaceSpec:
    """Where a client must be; an empty tuple sets no condition. What is unknown of a client fits none."""

    countries: tuple[str, ...] = ()
    continents: tuple[str, ...] = ()
    asns: tuple[int, ...] = ()
    regions: tuple[str, ...] = ()


CertificateCondition = CertificateSpec | bool | None
"""On what the client has shown: what it must be like, True for any, False for none, None for no condition."""


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """Conditions of one route, all of which must hold, and what the table gives back for it.

    `hosts` are exact names or `*.suffix` (any number of labels below); an empty tuple sets no condition, here and in
    `methods`, `fields`, `query`, `clients` (CIDR strings), `client_lists` (names of address lists; one condition
    with `clients`), `ja4` (patterns), `users` (names of identities, `*` is whoever is known) and `groups`. `action` is
    opaque.
    """

    action: object = None
    hosts: tuple[str, ...] = ()
    path_kind: PathKind = PathKind.NONE
    path: str = ""
    methods: tuple[str, ...] = ()
    fields: tuple[Condition, ...] = ()
    query: tuple[Condition, ...] = ()
    clients: tuple[str, ...] = ()
    client_lists: tuple[str, ...] = ()
    certificate: CertificateCondition = None
    ja4: tuple[str, ...] = ()
    place: PlaceSpec | None = None
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HelloSpec:
    """Conditions on a client hello; None sets no condition, and of a tuple one value must hold.

    `names` are exact, `*.` and a name (one label more) or `.` and a name (itself and all below); `fingerprints` are
    JA4 patterns.
    """

    names: tuple[str, ...] | None = None
    protocols: tuple[str, ...] | None = None
    fingerprints: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A span of the week: on each of `days` (0 is Monday) from minute `start` of the day, included, to minute `end`,
    excluded, by the clock of `zone`. `end` up to `start` means: on the following day.
    """

    days: frozenset[int]
    start: int
    end: int
    zone: str


@dataclass(frozen=True, slots=True)
class AccessSpec:
    """One access rule; an empty tuple sets no condition, and of a tuple one value must hold.

    `hosts` are exact names or addresses, `.suffix` (the name and all below), `*.suffix` (all below) or globs;
    `addresses` (CIDR strings) judge the target's address, the names of address lists in `client_lists` and
    `address_lists` are one condition with `clients` and `addresses`, `ports` are ranges with both ends included;
    `users` and `groups` judge the client's identity as in a RouteSpec; `target_place` is that of the target's address.
    `host_lists` are one condition with `hosts`; `schemes` are `http`, `https` and `tunnel`, `paths` beginnings
    or globs; sizes are of the request's content in bytes. A rule with conditions on the response denies, and is asked
    when that is there: it counts if it stands before the rule that let the request pass. A rule with `dry_run`
    decides nothing.
    """

    allow: bool
    name: str = ""
    clients: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    ports: tuple[tuple[int, int], ...] = ()
    methods: tuple[str, ...] = ()
    windows: tuple[Window, ...] = ()
    place: PlaceSpec | None = None
    client_lists: tuple[str, ...] = ()
    address_lists: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    egress: object = None
    """What is allowed goes out by this; opaque. None: as the listener says."""
    target_place: PlaceSpec | None = None
    host_lists: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    content_types: tuple[str, ...] = ()
    size_over: int | None = None
    size_upto: int | None = None
    response_types: tuple[str, ...] = ()
    response_over: int | None = None
    response_upto: int | None = None
    dry_run: bool = False
