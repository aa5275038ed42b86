"""Where clients are: files and networks that say so, and conditions on it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from limen.config.models.section import Section, Several, given
from limen.config.refusal import Refused
from limen.config.scalars import Continent, Coordinates, Country, FilePath, Name, Network, whole

Asn = Annotated[int, whole(1, 4_294_967_295)]
Countries = Annotated[tuple[Country, ...], Several(single=True)] | None
Continents = Annotated[tuple[Continent, ...], Several(single=True)] | None
Asns = Annotated[tuple[Asn, ...], Several(single=True)] | None
Regions = Annotated[tuple[Name, ...], Several(single=True)] | None

COUNTRY = "Country of the client by `places`: codes of ISO 3166 such as `DE`. One or a list; unknown fits none."
CONTINENT = "Continent of the client by `places`: `AF`, `AN`, `AS`, `EU`, `NA`, `OC`, `SA`. One or a list."
ASN = "Number of the autonomous system of the client's network by `places`. One or a list."
REGION = "Region of the client by `places`: the names given there. One or a list."


class PlaceNetwork(Section):
    """What is known of clients in some networks; goes before what files say of them."""

    clients: Annotated[tuple[Network, ...], Several(single=True)] = Field(description="The networks.")
    region: Name | None = Field(default=None, description="Region, as endpoints name theirs.")
    zone: Name | None = Field(default=None, description="Zone within the region, as endpoints name theirs.")
    country: Country | None = Field(default=None, description="Country, as ISO 3166 has it: `FR`.")
    continent: Continent | None = Field(
        default=None, description="Continent: `AF`, `AN`, `AS`, `EU`, `NA`, `OC` or `SA`."
    )
    asn: Asn | None = Field(default=None, description="Number of the autonomous system.")
    at: Coordinates | None = Field(default=None, description="Latitude and longitude in degrees: `[48.9, 2.4]`.")

    @model_validator(mode="after")
    def _says_something(self) -> PlaceNetwork:
        if not given(self, "region", "zone", "country", "continent", "asn", "at"):
            raise Refused("nothing is said of these clients", "give `region`, `country`, `at` or another key")
        return self


class PlaceRegion(Section):
    """Which clients belong to a region, by what files say of them."""

    countries: Countries = Field(default=None, description="Countries that belong to it; they go before continents.")
    continents: Continents = Field(default=None, description="Continents that belong to it.")

    @model_validator(mode="after")
    def _says_something(self) -> PlaceRegion:
        if not given(self, "countries", "continents"):
            raise Refused("nobody belongs to this region", "give `countries` or `continents`")
        return self


class Places(Section):
    """Where clients are. It is looked up once per connection, and only if a route, a rule or a balancer asks."""

    mmdb: Annotated[tuple[FilePath, ...], Several(single=True, empty=True)] = Field(
        default=(),
        description="Files in the format of MaxMind (GeoLite2, DB-IP, IPinfo), read again when they change. Of "
        "several, as of cities and of autonomous systems, each adds what those before do not say.",
    )
    networks: Annotated[tuple[PlaceNetwork, ...], Several(empty=True)] = Field(
        default=(), description="Networks of which more is known; in order, the first that holds the client."
    )
    regions: dict[Name, PlaceRegion] = Field(
        default_factory=dict,
        description="Regions by name: which countries and continents belong to them. A network's own `region` goes "
        "before.",
    )

    @model_validator(mode="after")
    def _says_something(self) -> Places:
        if not self.mmdb and not self.networks:
            raise Refused("nothing says where clients are", "give `mmdb` or `networks`")
        return self

    def region_names(self) -> frozenset[str]:
        """Every region that a client may be in."""
        return frozenset(self.regions) | {one.region for one in self.networks if one.region is not None}
