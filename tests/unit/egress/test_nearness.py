"""The order of endpoints by nearness, against the naive one; distances against the law of cosines."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.egress.nearness import EARTH, Nearness, Site, distance

PARIS, BERLIN, SYDNEY, NEW_YORK = (48.8566, 2.3522), (52.52, 13.405), (-33.8688, 151.2093), (40.7128, -74.006)
coordinates = st.tuples(st.floats(-90, 90), st.floats(-180, 180))
regions = st.sampled_from(["", "eu", "us", "ap"])
sites = st.builds(Site, regions, st.sampled_from(["", "a", "b"]), st.none() | coordinates)


@pytest.mark.parametrize(
    ("one", "other", "kilometres"),
    [(PARIS, BERLIN, 878), (PARIS, SYDNEY, 16960), (PARIS, NEW_YORK, 5837), ((0, 179.5), (0, -179.5), 111)],
)
def test_known_distances(one, other, kilometres):
    assert distance(one, other) == pytest.approx(kilometres, rel=0.005)


@settings(deadline=None)
@given(coordinates, coordinates)
def test_distance_is_that_on_a_sphere(one, other):
    def point(at):
        latitude, longitude = map(math.radians, at)
        return (
            math.cos(latitude) * math.cos(longitude),
            math.cos(latitude) * math.sin(longitude),
            math.sin(latitude),
        )

    a, b = point(one), point(other)
    cross = math.dist((0, 0, 0), (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]))
    naive = EARTH * math.atan2(cross, sum(x * y for x, y in zip(a, b, strict=True)))
    assert distance(one, other) == pytest.approx(naive, abs=1.0)
    assert distance(one, other) == pytest.approx(distance(other, one))
    assert 0 <= distance(one, other) <= math.pi * EARTH + 1


def naive_less(client, order, one, other):
    """Whether `one` is strictly nearer, by the words of the documentation."""

    def place(site):
        named = order.get(client.region, [])
        here = bool(client.region) and site.region == client.region
        zone = here and bool(client.zone) and site.zone == client.zone
        if named:
            if site.region in named:
                return (0, named.index(site.region), 0 if zone else 1)
            if here:
                return (-1, 0, 0 if zone else 1)
        elif here:
            return (-1, 0, 0 if zone else 1)
        if client.at is None or site.at is None:
            return (2, 0, 0)
        return (1, round(distance(client.at, site.at)), 0)

    return place(one) < place(other)


@settings(deadline=None)
@given(
    sites,
    st.lists(st.tuples(st.integers(0, 2), sites), min_size=1, max_size=8),
    st.dictionaries(regions.filter(bool), st.lists(regions.filter(bool), min_size=1, unique=True), max_size=3),
)
def test_the_order_is_the_naive_one(client, members, order):
    priorities = [priority for priority, _ in members]
    ranks = Nearness([site for _, site in members], priorities, order)(client)
    assert set(ranks) == set(range(len(set(ranks))))
    for one, (priority, site) in zip(ranks, members, strict=True):
        for other, (other_priority, other_site) in zip(ranks, members, strict=True):
            if priority != other_priority:
                assert (one < other) == (priority < other_priority)
            else:
                assert (one < other) == naive_less(client, order, site, other_site)


def test_who_is_nowhere_finds_all_equally_near():
    known = [Site("eu", "a", PARIS), Site("us", "", NEW_YORK), Site("", "", None)]
    assert Nearness(known, [0, 0, 0], {"eu": ["us"]})(Site()) == (0, 0, 0)
    assert Nearness(known, [1, 0, 0], {})(Site()) == (1, 0, 0)
