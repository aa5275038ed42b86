"""Where clients are: looked up once per address, matched and steered by as a number."""

from collections.abc import Callable, Sequence
from typing import Self, TypeAlias, final

CONTINENTS: tuple[str, ...]
"""The codes of continents, as MMDB files have them."""

Facts: TypeAlias = tuple[str, str, int, str, str, float | None, float | None]
"""Country, continent, number of the autonomous system, region, zone, latitude, longitude; empty, 0 or None: unknown."""

@final
class Places:
    """Where clients are."""

    def __new__(cls, networks: list[Sequence[str]], locate: Callable[[bytes, int], Facts]) -> Self:
        """`networks` (CIDR strings) are tried in order; `locate(address, network)` tells of an address (16 bytes, IPv4
        mapped) and its network (-1: none). It must not raise. ValueError for a malformed network.
        """

    @property
    def epoch(self) -> int:
        """Numbers of places belong to it."""

    @property
    def facts(self) -> list[Facts | None]:
        """By number; None for nowhere."""

    @property
    def asked(self) -> int:
        """How often the cache did not know."""

    def facts_of(self, address: str) -> Facts | None:
        """The facts of an address, by the cache as for any client; None for nowhere. ValueError if it is none."""

@final
class PlaceMatch:
    """A condition on a client's place: of each kind that is named one must fit; what is unknown fits none."""

    def __new__(
        cls,
        *,
        countries: Sequence[str] = (),
        continents: Sequence[str] = (),
        asns: Sequence[int] = (),
        regions: Sequence[str] = (),
    ) -> Self:
        """ValueError for what is no code."""

    def fits(self, places: Places, address: str) -> bool:
        """Whether a client with this address fits. ValueError if it is none."""
