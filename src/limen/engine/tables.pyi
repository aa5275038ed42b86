"""The route table; matching is for compiled code (tables.pxd)."""

from collections.abc import Iterable, Mapping
from typing import Protocol, Self, final, type_check_only

from limen.engine.certificates import CertificateMatch
from limen.engine.lists import AddressList
from limen.engine.places import PlaceMatch

METHODS: dict[str, int]

@type_check_only
class Certificate(Protocol):
    """Conditions on a certificate, as limen.policy has them."""

    @property
    def subjects(self) -> tuple[str, ...]: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def fingerprints(self) -> tuple[str, ...]: ...

@type_check_only
class Place(Protocol):
    """Conditions on a client's place, as limen.policy has them."""

    @property
    def countries(self) -> tuple[str, ...]: ...
    @property
    def continents(self) -> tuple[str, ...]: ...
    @property
    def asns(self) -> tuple[int, ...]: ...
    @property
    def regions(self) -> tuple[str, ...]: ...

@type_check_only
class Route(Protocol):
    """What the table reads of a route; limen.policy.specs.RouteSpec is one."""

    @property
    def action(self) -> object: ...
    @property
    def hosts(self) -> tuple[str, ...]: ...
    @property
    def path_kind(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def methods(self) -> tuple[str, ...]: ...
    @property
    def fields(self) -> tuple[tuple[str, str | bool], ...]: ...
    @property
    def query(self) -> tuple[tuple[str, str | bool], ...]: ...
    @property
    def clients(self) -> tuple[str, ...]: ...
    @property
    def client_lists(self) -> tuple[str, ...]: ...
    @property
    def certificate(self) -> Certificate | bool | None: ...
    @property
    def ja4(self) -> tuple[str, ...]: ...
    @property
    def place(self) -> Place | None: ...
    @property
    def users(self) -> tuple[str, ...]: ...
    @property
    def groups(self) -> tuple[str, ...]: ...

@final
class RouteTable:
    """Routes of a listener, compiled from RouteSpecs. ValueError (re.error for a regex) names what is malformed.

    `lists` are those that specs name.
    """

    def __new__(cls, routes: Iterable[Route] = (), lists: Mapping[str, AddressList] | None = None) -> Self: ...
    def __len__(self) -> int:
        """How many routes there are."""

    @property
    def actions(self) -> list[object]:
        """The `action` of each route, in order: what match() numbers."""

    @property
    def asks_certificate(self) -> bool:
        """Whether a route has a condition on the client's certificate."""

    @property
    def asks_ja4(self) -> bool:
        """Whether a route has a condition on the hello's fingerprint."""

    @property
    def asks_place(self) -> bool:
        """Whether a route has a condition on the client's place."""

    @property
    def asks_identity(self) -> bool:
        """Whether a route has a condition on who the client is."""

    @property
    def errors(self) -> int:
        """How often a regex raised; such a route did not match."""

def match_of(spec: Certificate | bool) -> CertificateMatch:
    """The condition that a spec's `certificate` stands for."""

def place_match(spec: Place) -> PlaceMatch:
    """The condition that a spec's `place` stands for."""

def normal_path(path: str) -> bytes:
    """`path` as it is matched. ValueError if it does not begin with "/" or has a malformed escape."""

def normal_pattern(pattern: str) -> bytes:
    """The same for a glob, which may also begin with a star; its stars and question marks stay."""
