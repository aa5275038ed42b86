"""Places: numbers, the cache, and conditions against sets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.engine import _tables_probe as probe
from limen.engine.access import AccessTable
from limen.engine.places import CONTINENTS, PlaceMatch, Places
from limen.engine.tables import RouteTable
from limen.policy.specs import AccessSpec, PlaceSpec, RouteSpec


def facts(country="", continent="", asn=0, region="", zone="", latitude=None, longitude=None):
    return country, continent, asn, region, zone, latitude, longitude


class Atlas:
    """Tells of addresses by their last byte."""

    def __init__(self, known):
        self.known = known
        self.asked = []

    def __call__(self, address, network):
        self.asked.append((address, network))
        return self.known[address[-1] % len(self.known)]


def test_an_address_is_asked_for_once():
    atlas = Atlas([facts("FR"), facts("DE")])
    places = Places([["10.0.0.0/8"], ["0.0.0.0/0"]], atlas)
    # one after the other: where an address is kept depends on a secret, and now and then two have one place
    for address, told in (("10.0.0.1", "DE"), ("192.0.2.2", "FR"), ("2001:db8::1", "DE")):
        for _ in range(3):
            assert places.facts_of(address) == facts(told)
    assert [network for _, network in atlas.asked] == [0, 1, -1]
    assert places.asked == 3
    assert atlas.asked[0][0] == b"\0" * 10 + b"\xff\xff\x0a\0\0\1"
    assert len(places.facts) == 3


def test_the_cache_is_bounded_and_places_are_begun_anew():
    places = Places([], lambda address, _: facts(asn=1 + int.from_bytes(address[-3:], "big")))
    epoch = places.epoch
    for number in range(70_000):
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        assert places.facts_of(address)[2] == 1 + number
    assert places.epoch != epoch
    assert len(places.facts) <= 65536


def test_what_raises_is_nowhere():
    def broken(address, network):
        raise OSError

    places = Places([], broken)
    assert places.facts_of("10.0.0.1") is None
    assert PlaceMatch(countries=["FR"]).fits(places, "10.0.0.1") is False
    assert PlaceMatch().fits(places, "10.0.0.1") is True


codes = st.sampled_from(["", "FR", "DE", "US", "AA", "ZZ"])
continents = st.sampled_from(["", *CONTINENTS])
asns = st.integers(0, 5) | st.just(2**32 - 1)
regions = st.sampled_from(["", "eu", "us", "lab"])


@settings(deadline=None)
@given(
    st.builds(facts, codes, continents, asns, regions),
    st.sets(codes.filter(bool), max_size=3),
    st.sets(continents.filter(bool), max_size=3),
    st.sets(asns.filter(bool), max_size=4),
    st.sets(regions.filter(bool), max_size=3),
)
def test_conditions_are_sets(client, countries, on, numbers, areas):
    places = Places([], lambda *_: client)
    match = PlaceMatch(countries=tuple(countries), continents=tuple(on), asns=tuple(numbers), regions=tuple(areas))
    wanted = all(
        not named or part in named for part, named in zip(client, (countries, on, numbers, areas), strict=False)
    )
    assert match.fits(places, "192.0.2.1") == wanted


@pytest.mark.parametrize("options", [{"countries": ["fr"]}, {"countries": ["FRA"]}, {"continents": ["XX"]}])
def test_what_is_no_code(options):
    with pytest.raises(ValueError):
        PlaceMatch(**options)


def test_tables_ask_only_with_conditions():
    places = Places([], lambda address, _: facts("FR" if address[-1] == 1 else "DE", asn=7))
    table = RouteTable([RouteSpec("a", place=PlaceSpec(countries=("FR",))), RouteSpec("b", place=PlaceSpec(asns=(7,)))])
    assert table.asks_place
    assert [probe.match(table, client=f"192.0.2.{n}", places=places) for n in (1, 2)] == [0, 1]
    assert probe.match(table, client="192.0.2.1") == -1
    assert not RouteTable([RouteSpec("a")]).asks_place
    rules = AccessTable([AccessSpec(False, place=PlaceSpec(countries=("FR",))), AccessSpec(True)])
    assert rules.asks_place
    assert [probe.decide(rules, client=f"192.0.2.{n}", places=places) for n in (1, 2)] == [(0, 0), (1, 1)]
    assert probe.decide(rules, client="192.0.2.1") == (1, 1)
