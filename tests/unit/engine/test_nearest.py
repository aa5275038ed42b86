"""Balancers by place: the nearest group, fail-over and spill-over to the next, one balancer per order."""

from collections import Counter

import pytest

from limen.engine import _engine_probe as probe
from limen.engine.balance import Balancer
from limen.engine.engine import Engine
from limen.engine.nearest import Nearest
from limen.engine.places import Places
from limen.engine.upstream import Endpoint, Upstream

ROUND_ROBIN, LEAST_REQUESTS = 0, 1
NOW = 1_000_000_000_000


@pytest.fixture(scope="module")
def engine():
    return Engine()


@pytest.fixture
def places():
    """Clients' regions are the last byte of their address, even and odd."""
    return Places([], lambda address, _: ("", "", 0, f"r{address[-1] % 2}", "", None, None))


def upstream_of(engine, *, policy=ROUND_ROBIN, each=4, most=0, spill=0.7, weights=None):
    """Two groups of endpoints: the nearest of clients with even addresses, and of those with odd ones."""
    count = 2 * each
    members = [Endpoint(engine, key=str(i), host=f"10.0.0.{i + 1}", port=80) for i in range(count)]
    labels = [member.label for member in members]
    asked = []

    def make(priorities):
        return Balancer(
            labels, weights=weights, priorities=list(priorities), most=[most] * count, policy=policy, spill=spill
        )

    def rank(facts):
        asked.append(facts)
        if facts is None:
            return (0,) * count
        first, second = (0, 1) if facts[3] == "r0" else (1, 0)
        return (first,) * each + (second,) * each

    upstream = Upstream("near", members, balancer=make((0,) * count), nearest=Nearest(rank, make, count))
    return upstream, asked


def chosen(upstream, places, address, times=400):
    picked = Counter(probe.choose_near(upstream, places, address, NOW) for _ in range(times))
    return [picked[member] for member in upstream.members]


def test_each_has_its_own_group_and_is_asked_of_once(engine, places):
    upstream, asked = upstream_of(engine)
    for _ in range(3):
        assert chosen(upstream, places, "192.0.2.2") == [100] * 4 + [0] * 4
        assert chosen(upstream, places, "192.0.2.4") == [100] * 4 + [0] * 4
        assert chosen(upstream, places, "192.0.2.3") == [0] * 4 + [100] * 4
    assert len(asked) == 2
    assert upstream.nearest.orders == 2


def test_losses_spill_over_and_the_rest_takes_all(engine, places):
    upstream, _ = upstream_of(engine)
    first = upstream.members[:4]
    probe.dial_failed(first[0], NOW)
    # three of four: 75 % is above 70 %
    assert chosen(upstream, places, "192.0.2.2", 300) == [0, 100, 100, 100, 0, 0, 0, 0]
    probe.dial_failed(first[1], NOW)
    found = chosen(upstream, places, "192.0.2.2", 28_000)
    # 50 % of 70 %: five sevenths stay; it is drawn who does, and 800 are ten standard deviations
    assert sum(found[:4]) == pytest.approx(20_000, abs=800)
    # to whom they are the second choice, nothing has changed
    assert chosen(upstream, places, "192.0.2.3") == [0] * 4 + [100] * 4
    for member in first[2:]:
        probe.dial_failed(member, NOW)
    assert chosen(upstream, places, "192.0.2.2") == [0] * 4 + [100] * 4


def test_full_groups_spill_over(engine, places):
    upstream, _ = upstream_of(engine, most=1)
    for member in upstream.members[:4]:
        probe.enter(member, 1)
    assert chosen(upstream, places, "192.0.2.2", 40) == [0] * 4 + [10] * 4
    for member in upstream.members[4:]:
        probe.enter(member, 1)
    assert probe.choose_near(upstream, places, "192.0.2.2", NOW) is None
    for member in upstream.members:
        probe.leave(member)


def test_load_is_that_of_all_clients(engine, places):
    upstream, _ = upstream_of(engine, policy=LEAST_REQUESTS, each=2)
    for _ in range(3):
        probe.enter(upstream.members[0])
    assert {probe.choose_near(upstream, places, "192.0.2.2", NOW) for _ in range(10)} == {upstream.members[1]}
    for _ in range(3):
        probe.leave(upstream.members[0])


def test_orders_are_bounded(engine):
    count = 8
    members = [Endpoint(engine, key=str(i), host=f"10.0.0.{i + 1}", port=80) for i in range(count)]
    labels = [member.label for member in members]
    places = Places([], lambda address, _: ("", "", int.from_bytes(address[-2:], "big") + 1, "", "", None, None))

    def rank(facts):
        return tuple((facts[2] * (7 * number + 1)) % 97 for number in range(count))

    nearest = Nearest(rank, lambda priorities: Balancer(labels, priorities=list(priorities)), count)
    upstream = Upstream("near", members, nearest=nearest)
    for number in range(3000):
        address = f"10.0.{number >> 8}.{number & 255}"
        expected = rank(("", "", number + 1))
        found = probe.choose_near(upstream, places, address, NOW)
        assert expected[members.index(found)] == min(expected)
        assert nearest.orders <= 1024


def test_a_mistake_of_ours_makes_all_equally_near(engine, places):
    def broken(facts):
        raise LookupError

    members = [Endpoint(engine, key=str(i), host=f"10.0.0.{i + 1}", port=80) for i in range(2)]
    upstream = Upstream("near", members, nearest=Nearest(broken, broken, 2))
    assert chosen(upstream, places, "192.0.2.2", 10) == [5, 5]
