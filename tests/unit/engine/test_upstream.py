"""Balancers give exact shares and avoid what failed; pools give back the connection used last."""

import os
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.engine import _engine_probe as probe
from limen.engine.balance import Balancer
from limen.engine.board import Board
from limen.engine.engine import Engine
from limen.engine.upstream import Endpoint, Upstream
from limen.observe import board as layout

ROUND_ROBIN, LEAST_REQUESTS = 0, 1
KINDS = [(ROUND_ROBIN, [1, 1, 1]), (ROUND_ROBIN, [3, 1, 2]), (LEAST_REQUESTS, [1, 1, 1])]
NOW = 1_000_000_000_000
SECOND = 1_000_000_000
TARGETS_RESTING = 1024


@pytest.fixture
def engine():
    # one for each test: it has a list of what rests, and what rests here ends with its test
    return Engine()


def endpoints_of(engine, count):
    return [Endpoint(engine, key=str(i), host="127.0.0.1", port=8000 + i) for i in range(count)]


def upstream_of(members, weights=None, policy=ROUND_ROBIN):
    balancer = Balancer([member.label for member in members], weights=weights, policy=policy)
    return Upstream("web", members, balancer=balancer)


def picks(upstream, times, now=NOW, avoid=None):
    return [probe.choose(upstream, now, avoid) for _ in range(times)]


def test_round_robin_goes_round(engine):
    members = endpoints_of(engine, 3)
    chosen = picks(Upstream("web", members), 9)
    assert chosen[:3] == chosen[3:6] == chosen[6:]
    assert set(chosen) == set(members)


@settings(deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers(1, 3))
def test_weights_are_exact_over_their_sum(weights, rounds):
    members = endpoints_of(Engine(), len(weights))
    upstream = upstream_of(members, weights)
    for _ in range(rounds):
        found = Counter(picks(upstream, sum(weights) if len(set(weights)) > 1 else len(weights)))
        if len(set(weights)) > 1:
            assert [found[member] for member in members] == weights
        else:
            assert set(found.values()) == {1}


def test_weights_are_spread(engine):
    members = endpoints_of(engine, 3)
    chosen = picks(upstream_of(members, [5, 1, 1]), 7)
    a, b, c = members
    assert chosen == [a, a, a, b, c, a, a]


@pytest.mark.parametrize(("balance", "weights"), KINDS)
def test_what_has_just_failed_is_avoided(engine, balance, weights):
    members = endpoints_of(engine, 3)
    upstream = upstream_of(members, weights, balance)
    found = Counter(picks(upstream, 30, avoid=members[0]))
    assert set(found) == set(members[1:])


@pytest.mark.parametrize(("balance", "weights"), KINDS)
def test_endpoints_that_are_out_wait_until_nothing_else_is_there(engine, balance, weights):
    members = endpoints_of(engine, 3)
    upstream = upstream_of(members, weights, balance)
    ends = [probe.dial_failed(members[0], NOW)]
    assert ends == [NOW + SECOND]
    assert set(picks(upstream, 30, NOW)) == set(members[1:])
    assert set(picks(upstream, 30, ends[0])) == set(members)
    for member in members[1:]:
        probe.dial_failed(member, NOW)
    assert set(picks(upstream, 30, NOW)) == set(members), "all are out: a doubtful one is better than none"
    assert set(picks(upstream, 30, NOW, members[0])) == set(members[1:])
    probe.dial_done(members[2])
    assert set(picks(upstream, 30, NOW)) == {members[2]}
    # the only one in is the one to avoid: those that are out are asked rather than it
    assert set(picks(upstream, 30, NOW, members[2])) == set(members[:2])


def test_a_single_endpoint_is_chosen_whatever_happened(engine):
    (member,) = endpoints_of(engine, 1)
    probe.dial_failed(member, NOW)
    assert picks(Upstream("web", [member]), 2, avoid=member) == [member, member]


def test_no_endpoint_at_all():
    assert probe.choose(Upstream("web", []), NOW) is None


def test_the_pause_doubles_up_to_half_a_minute(engine):
    (member,) = endpoints_of(engine, 1)
    pauses = [(probe.dial_failed(member, NOW) - NOW) // SECOND for _ in range(8)]
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert member.failures == 8
    probe.dial_done(member)
    assert member.failures == 0
    assert probe.dial_failed(member, NOW) == NOW + SECOND


def test_least_requests(engine):
    members = endpoints_of(engine, 3)
    upstream = upstream_of(members, None, LEAST_REQUESTS)
    assert set(picks(upstream, 3)) == set(members), "ties go round"
    for _ in range(2):
        probe.enter(members[0])
    probe.enter(members[1])
    assert set(picks(upstream, 5)) == {members[2]}
    for _ in range(3):
        probe.enter(members[2])
    assert set(picks(upstream, 5)) == {members[1]}
    for _ in range(3):
        probe.leave(members[2])
    assert set(picks(upstream, 5)) == {members[2]}


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=5))
def test_least_requests_fills_by_weight(weights):
    members = endpoints_of(Engine(), len(weights))
    upstream = upstream_of(members, weights, LEAST_REQUESTS)
    for _ in range(10 * sum(weights)):
        probe.enter(probe.choose(upstream, NOW))
    for member, weight in zip(members, weights, strict=True):
        assert abs(member.active - 10 * weight) <= 1


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=5))
def test_least_requests_shares_an_idle_pool_by_weight(weights):
    members = endpoints_of(Engine(), len(weights))
    upstream = upstream_of(members, weights, LEAST_REQUESTS)
    chosen = picks(upstream, 3 * sum(weights))
    for member, weight in zip(members, weights, strict=True):
        assert chosen.count(member) == 3 * weight


def test_the_connection_used_last_comes_first(engine):
    (endpoint,) = endpoints_of(engine, 1)
    resting = [probe.resting(engine, endpoint) for _ in range(4)]
    for connection in resting:
        probe.give(endpoint, connection, 10)
    assert endpoint.idle_count == 4
    probe.lift(endpoint, resting[2])
    probe.lift(endpoint, resting[2])
    assert [probe.take(endpoint) for _ in range(4)] == [resting[3], resting[1], resting[0], None]
    assert endpoint.idle_count == 0


def test_over_the_bound_the_one_idle_longest_goes(engine):
    (endpoint,) = endpoints_of(engine, 1)
    resting = [probe.resting(engine, endpoint) for _ in range(5)]
    for connection in resting:
        probe.give(endpoint, connection, 3)
    assert [connection.ended for connection in resting] == [True, True, False, False, False]
    assert endpoint.idle_count == 3
    probe.give(endpoint, lone := probe.resting(engine, endpoint), 0)
    assert lone.ended is False or endpoint.idle_count < 4


def test_targets_of_requests_share_one_bound(engine):
    targets = [
        Endpoint(engine, key="", host="127.0.0.1", port=8000 + i, is_target=True) for i in range(TARGETS_RESTING + 10)
    ]
    resting = [probe.resting(engine, target) for target in targets]
    for target, connection in zip(targets, resting, strict=True):
        probe.give(target, connection, 256)
    assert engine.resting == TARGETS_RESTING
    assert [connection.ended for connection in resting] == [True] * 10 + [False] * TARGETS_RESTING
    assert probe.take(targets[-1]) is resting[-1]
    probe.lift(targets[20], resting[20])
    assert engine.resting == TARGETS_RESTING - 2
    for target in targets:
        target.retire()
    assert engine.resting == 0


def test_a_pool_of_none_keeps_none(engine):
    (endpoint,) = endpoints_of(engine, 1)
    probe.give(endpoint, lone := probe.resting(engine, endpoint), 0)
    assert lone.ended
    assert endpoint.idle_count == 0
    assert probe.take(endpoint) is None


def test_a_retired_endpoint_keeps_nothing(engine):
    (endpoint,) = endpoints_of(engine, 1)
    resting = [probe.resting(engine, endpoint) for _ in range(3)]
    for connection in resting[:2]:
        probe.give(endpoint, connection, 10)
    endpoint.retire()
    assert [connection.ended for connection in resting] == [True, True, False]
    probe.give(endpoint, resting[2], 10)
    assert resting[2].ended
    assert endpoint.idle_count == 0


@settings(deadline=None)
@given(st.lists(st.one_of(st.just("give"), st.just("take"), st.integers(0, 20)), max_size=60))
def test_pool_against_a_list(todo):
    engine = Engine()
    (endpoint,) = endpoints_of(engine, 1)
    model = []
    for what in todo:
        if what == "give":
            model.append(probe.resting(engine, endpoint))
            probe.give(endpoint, model[-1], 8)
            del model[:-8]
        elif what == "take":
            assert probe.take(endpoint) is (model.pop() if model else None)
        elif model:
            probe.lift(endpoint, model.pop(what % len(model)))
        assert endpoint.idle_count == len(model)


@pytest.mark.parametrize(
    ("host", "label"),
    [
        ("a.example", b"a.example:80"),
        ("10.0.0.1", b"10.0.0.1:80"),
        ("::1", b"[::1]:80"),
        ("unix:/run/a", b"unix:/run/a"),
    ],
)
def test_labels(engine, host, label):
    assert Endpoint(engine, key="", host=host, port=80).label == label


def test_long_unix_paths_are_refused(engine):
    with pytest.raises(ValueError, match="107"):
        Endpoint(engine, key="", host="unix:/" + "x" * 107, port=0)


def adopted(upstream, members, **options):
    balancer = Balancer([member.label for member in members], **options)
    upstream.adopt(Upstream("web", members, balancer=balancer))


def test_adopted_endpoints_take_over_in_one_step(engine):
    members = endpoints_of(engine, 4)
    upstream = upstream_of(members[:2])
    picks(upstream, 3)
    adopted(upstream, members[1:])
    assert upstream.members == members[1:]
    assert upstream.count == 3
    assert set(picks(upstream, 6)) == set(members[1:])
    # an endpoint that has left is no longer one to be avoided
    assert set(picks(upstream, 6, avoid=members[0])) == set(members[1:])
    assert members[2] not in picks(upstream, 6, avoid=members[2])
    adopted(upstream, [])
    assert picks(upstream, 2) == [None, None]
    adopted(upstream, members[:1])
    assert picks(upstream, 2) == members[:1] * 2
    upstream.adopt(upstream)
    assert picks(upstream, 1) == members[:1]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 5), min_size=2, max_size=6), st.integers(2, 40), st.data())
def test_turns_go_on_over_adoptions(weights, rounds, data):
    """However often the same list is put in force again, shares stay exact: nobody begins anew."""
    members = endpoints_of(Engine(), len(weights))
    upstream = upstream_of(members, weights)
    found = Counter()
    for _ in range(rounds):
        times = data.draw(st.integers(1, 2 * sum(weights)))
        found.update(picks(upstream, times))
        adopted(upstream, list(members), weights=weights)
    total = sum(found.values())
    if len(set(weights)) > 1:
        for member, weight in zip(members, weights, strict=True):
            assert abs(found[member] - total * weight / sum(weights)) <= len(weights)


def test_turns_of_equals_begin_anywhere_after_an_adoption(engine):
    members = endpoints_of(engine, 4)
    upstream = upstream_of(members)
    found = Counter()
    for _ in range(400):
        adopted(upstream, list(members))
        found.update(picks(upstream, 1))
    assert min(found[member] for member in members) > 40


def test_a_newcomer_gets_its_share_and_no_more(engine):
    members = endpoints_of(engine, 3)
    upstream = upstream_of(members[:2], [3, 1])
    picks(upstream, 4001)
    adopted(upstream, members, weights=[3, 1, 2])
    found = Counter(picks(upstream, 600))
    for member, weight in zip(members, (3, 1, 2), strict=True):
        assert abs(found[member] - 100 * weight) <= 3


@pytest.mark.parametrize("policy", range(7))
@pytest.mark.parametrize("count", [1, 3, 40])
def test_every_policy_goes_on_over_adoptions(engine, policy, count):
    members = endpoints_of(engine, count + 1)
    upstream = upstream_of(members[:count], policy=policy)
    for round_ in range(6):
        picks(upstream, 10)
        chosen = members[round_ % 2 : count + round_ % 2]
        weights = [1 + (i + round_) % 3 for i in range(count)]
        priorities = [(i + round_) % 2 for i in range(count)]
        adopted(upstream, chosen, policy=policy, weights=weights, priorities=priorities)
        assert set(picks(upstream, 50)) <= set(chosen)


def test_a_name_may_stand_for_the_host_in_tls(engine):
    plain = Endpoint(engine, key="a", host="10.0.0.1", port=443)
    named = Endpoint(engine, key="b", host="10.0.0.1", port=443, server_name="a.test")
    assert (plain.server_name, named.server_name) == (b"10.0.0.1", b"a.test")
    assert named.label == b"10.0.0.1:443"


def test_a_worker_keeps_so_many_in_all():
    """Of all endpoints together; the one idle longest goes, whosoever it is."""
    engine = Engine()
    engine.resting_most = 4
    members = endpoints_of(engine, 3)
    resting = [probe.resting(engine, members[number % 3]) for number in range(6)]
    for number, connection in enumerate(resting):
        probe.give(members[number % 3], connection, 10)
    assert [connection.ended for connection in resting] == [True, True, False, False, False, False]
    assert engine.resting_endpoints == 4
    assert probe.take(members[0]) is resting[3]
    probe.give(members[1], last := probe.resting(engine, members[1]), 10)
    assert not any(connection.ended for connection in (*resting[2:], last))
    engine.resting_most = 0
    probe.give(members[0], resting[3], 10)
    assert resting[2].ended
    for member in members:
        member.retire()
    assert engine.resting_endpoints == 0


def test_what_is_taken_out_keeps_nothing():
    descriptor, header = layout.create(1)
    engine = Engine(board=Board(descriptor, 0))
    member = Endpoint(engine, key="a", host="127.0.0.1", port=80, slot=3)
    try:
        probe.give(member, first := probe.resting(engine, member), 10)
        assert member.shed_idle() == 0
        assert not first.ended
        for flag in (layout.HealthFlag.DRAINING, layout.HealthFlag.DISABLED):
            at = (layout.HEALTH + 3 * layout.HEALTH_CELLS) * layout.CELL
            header[at : at + 8] = int(flag).to_bytes(8, "little")
            probe.give(member, late := probe.resting(engine, member), 10)
            assert late.ended, "what its exchanges still use ends with them"
            header[at : at + 8] = bytes(8)
        probe.give(member, second := probe.resting(engine, member), 10)
        header[at : at + 8] = int(layout.HealthFlag.DRAINING).to_bytes(8, "little")
        assert member.shed_idle() == 2
        assert first.ended
        assert second.ended
        assert member.idle_count == 0
    finally:
        header.close()
        os.close(descriptor)


def test_level_ones_at_work_are_not_equal_if_one_is_much_slower():
    engine = Engine()
    upstream = upstream_of(members := endpoints_of(engine, 3), policy=LEAST_REQUESTS)
    for member, time in zip(members, (10, 100, 12), strict=True):
        probe.measured(member, NOW, time * 1_000_000, 10.0)
    # idle ones have turns
    assert Counter(picks(upstream, 9)) == dict.fromkeys(members, 3)
    for _ in range(3):
        found = probe.claim(upstream, NOW)
    assert [probe.total(member) for member in members] == [1, 1, 1]
    # level and at work: not the slow one, as long as another has no more to do
    found = [probe.claim(upstream, NOW) for _ in range(3)]
    assert set(found[:2]) == {members[0], members[2]}
    assert found[2] is members[1]
    for member in members:
        for _ in range(probe.total(member)):
            probe.leave(member)
    # that it was slow long ago counts no more
    for member in members:
        assert probe.enter(member)
    later = NOW + 60 * SECOND
    for member in (members[0], members[2]):
        probe.measured(member, later, 5_000_000, 10.0)
    assert Counter(picks(upstream, 9, now=later)) == dict.fromkeys(members, 3)
