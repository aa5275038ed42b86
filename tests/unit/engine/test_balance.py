"""Policies against models: spread, stability, fairness, bounds; and what all of them have in common."""

from __future__ import annotations

import math
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

ROUND_ROBIN, LEAST_REQUESTS, TWO_CHOICES, RANDOM, PEAK_EWMA, HASH, FIRST = range(7)
ALL = range(7)
NOW = 1_000_000_000_000
SECOND = 1_000_000_000
MILLISECOND = 1_000_000


@pytest.fixture(scope="module")
def engine():
    return Engine()


def upstream_of(engine, count, **options):
    members = [Endpoint(engine, key=str(i), host=f"10.0.{i // 250}.{i % 250 + 1}", port=80) for i in range(count)]
    return Upstream("web", members, balancer=Balancer([member.label for member in members], **options))


def keys(count):
    return [probe.key_of(str(number).encode()) for number in range(count)]


def picks(upstream, times, *, now=NOW, avoid=None):
    return [probe.choose(upstream, now, avoid, key) for key in keys(times)]


def shares(upstream, times, **options):
    found = Counter(picks(upstream, times, **options))
    return [found[member] / times for member in upstream.members]


# what all have in common


@pytest.mark.parametrize("policy", ALL)
@pytest.mark.parametrize("count", [2, 3, 40])
def test_what_has_just_failed_is_avoided(engine, policy, count):
    upstream = upstream_of(engine, count, policy=policy, weights=[1 + i % 3 for i in range(count)])
    for avoid in upstream.members:
        assert avoid not in picks(upstream, 50, avoid=avoid)


@pytest.mark.parametrize("policy", ALL)
@pytest.mark.parametrize("count", [2, 3, 40])
def test_endpoints_that_are_out_wait_until_nothing_else_is_there(engine, policy, count):
    upstream = upstream_of(engine, count, policy=policy)
    *lost, kept = upstream.members
    for member in lost:
        probe.dial_failed(member, NOW)
    assert set(picks(upstream, 50)) == {kept}
    assert set(picks(upstream, 50, avoid=kept)) <= set(lost)
    probe.dial_failed(kept, NOW)
    # of forty, that many draws leave one out less than once in 10^15
    assert set(picks(upstream, 40 * count)) == set(upstream.members)
    assert kept not in picks(upstream, 50, avoid=kept)
    assert picks(upstream, 50, now=NOW + 2 * SECOND).count(None) == 0


@pytest.mark.parametrize("policy", ALL)
@pytest.mark.parametrize("count", [1, 3, 40])
def test_full_endpoints_are_not_chosen(engine, policy, count):
    upstream = upstream_of(engine, count, policy=policy, most=[2] * count)
    held = [probe.claim(upstream, NOW + step * SECOND, None, key) for step, key in enumerate(keys(2 * count))]
    assert Counter(held) == dict.fromkeys(upstream.members, 2)
    later = NOW + 3 * count * SECOND
    assert probe.claim(upstream, later) is None
    assert not probe.enter(held[0], 2)
    probe.leave(held[0])
    assert probe.claim(upstream, later + SECOND) is held[0]


@pytest.mark.parametrize("policy", ALL)
def test_priorities_fail_over(engine, policy):
    upstream = upstream_of(
        engine, 6, policy=policy, priorities=[1, 0, 0, 1, 2, 2], backups=[0, 0, 0, 0, 0, 1], spill=0.0
    )
    a, b, c, d, e, backup = upstream.members
    reached = []
    for lost in ((), (b,), (c,), (a, d), (e,), (backup,)):
        for member in lost:
            probe.dial_failed(member, NOW)
        # of six, that many draws leave one out less than once in 10^15
        reached.append(set(picks(upstream, 200)))
    first = {b} if policy == FIRST else {b, c}
    second = {a} if policy == FIRST else {a, d}
    assert reached == [first, {c}, second, {e}, {backup}, set(upstream.members)]


@pytest.mark.parametrize("policy", [ROUND_ROBIN, LEAST_REQUESTS, TWO_CHOICES, RANDOM, HASH])
def test_load_spills_over_as_health_falls(engine, policy):
    upstream = upstream_of(engine, 20, policy=policy, priorities=[0] * 10 + [1] * 10, spill=0.7)
    for lost, share in ((0, 1.0), (3, 1.0), (4, 6 / 7), (7, 3 / 7)):
        for member in upstream.members[:lost]:
            probe.dial_failed(member, NOW)
        found = shares(upstream, 4000)
        assert sum(found[:10]) == pytest.approx(share, abs=0.05)
        assert sum(found[:lost]) == 0
    for member in upstream.members[10:18]:
        probe.dial_failed(member, NOW)
    found = shares(upstream, 4000)
    # 3/7 and 2/7 are all there is: they share the whole
    assert sum(found[:10]) == pytest.approx(3 / 5, abs=0.05)
    assert sum(found) == pytest.approx(1)


@pytest.mark.parametrize("policy", [ROUND_ROBIN, LEAST_REQUESTS])
def test_full_endpoints_spill_to_the_next_priority_and_to_backups(engine, policy):
    options = {"most": [1, 1, 1], "priorities": [0, 1, 0], "backups": [False, False, True]}
    upstream = upstream_of(engine, 3, policy=policy, **options)
    assert [probe.claim(upstream, NOW) for _ in range(4)] == [*upstream.members, None]


@pytest.mark.parametrize("policy", [ROUND_ROBIN, LEAST_REQUESTS, TWO_CHOICES, RANDOM])
def test_slow_start_grows_from_a_tenth(engine, policy):
    upstream = upstream_of(engine, 2, policy=policy, slow_start=10.0)
    fresh = upstream.members[1]
    probe.began(fresh, NOW)
    for age, weight in ((0, 0.1), (SECOND // 2, 0.1), (5 * SECOND, 0.5), (10 * SECOND, 1.0), (20 * SECOND, 1.0)):
        share = shares(upstream, 4000, now=NOW + age)[1]
        wanted = weight / (1 + weight)
        if policy == TWO_CHOICES and weight < 1:
            assert 0 < share < 0.6  # both are drawn; level as they are the first drawn wins
        else:
            assert share == pytest.approx(wanted, abs=0.05)


def test_who_comes_back_makes_up_for_nothing(engine):
    for policy in (ROUND_ROBIN, LEAST_REQUESTS):
        upstream = upstream_of(engine, 3, policy=policy, weights=[3, 2, 1])
        lost = upstream.members[1]
        probe.dial_failed(lost, NOW)
        picks(upstream, 6000)
        probe.dial_done(lost)
        found = Counter(picks(upstream, 600))
        assert [found[member] for member in upstream.members] == pytest.approx([300, 200, 100], abs=3)


# each for itself


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 50), min_size=2, max_size=60), st.data())
def test_turns_are_smooth(weights, data):
    """At no time is an endpoint more than one turn and its neighbours' ties away from its share."""
    upstream = upstream_of(Engine(), len(weights), policy=ROUND_ROBIN, weights=weights)
    total = sum(weights)
    length = data.draw(st.integers(1, 2 * total))
    found = Counter(picks(upstream, length))
    for member, weight in zip(upstream.members, weights, strict=True):
        assert abs(found[member] - length * weight / total) <= 1 + len(weights) * weight / total


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.one_of(st.just(None), st.integers(0, 100)), max_size=200),
    st.lists(st.integers(1, 9), min_size=2, max_size=9),
)
def test_least_requests_against_a_model(steps, weights):
    upstream = upstream_of(Engine(), len(weights), policy=LEAST_REQUESTS, weights=weights)
    load = dict.fromkeys(upstream.members, 0)
    weight = dict(zip(upstream.members, weights, strict=True))
    held = []
    for step in steps:
        if step is not None and held:
            gone = held.pop(step % len(held))
            probe.leave(gone)
            load[gone] -= 1
            continue
        chosen = probe.claim(upstream, NOW)
        assert load[chosen] / weight[chosen] == min(load[member] / weight[member] for member in load)
        load[chosen] += 1
        held.append(chosen)
        assert probe.total(chosen) == load[chosen]


def test_least_requests_of_many_is_nearly_even(engine):
    upstream = upstream_of(engine, 1000, policy=LEAST_REQUESTS)
    for key in keys(10_000):
        probe.claim(upstream, NOW, None, key)
    active = [member.active for member in upstream.members]
    assert sum(active) == 10_000
    assert max(active) <= 13
    # drawn blindly, more than two hundred would have less than eight; a single one is left far behind by chance now and then
    assert sum(count < 8 for count in active) <= 10


@pytest.fixture
def descriptor():
    made, header = layout.create(2)
    yield made
    header.close()
    os.close(made)


def workers(descriptor, count, *, endpoints, **options):
    found = []
    for number in range(count):
        engine = Engine(board=Board(descriptor, number))
        members = [Endpoint(engine, key=str(i), host="10.0.0.1", port=80 + i, slot=i) for i in range(endpoints)]
        balancer = Balancer([member.label for member in members], **options)
        found.append(Upstream("web", members, balancer=balancer))
    return found


def test_two_workers_spread_as_one_would(descriptor):
    one, other = workers(descriptor, 2, endpoints=5, policy=LEAST_REQUESTS)
    for number in range(50):
        probe.claim(one if number % 3 else other, NOW)
    assert [probe.total(member) for member in one.members] == [10] * 5
    assert [a.active + b.active for a, b in zip(one.members, other.members, strict=True)] == [10] * 5
    # what one worker alone holds at an endpoint the other stays away from
    for member in one.members[1:]:
        for _ in range(10):
            probe.enter(member)
    assert {probe.claim(other, NOW).key for _ in range(10)} == {"0"}


def test_what_one_worker_has_measured_all_know(descriptor):
    one, other = workers(descriptor, 2, endpoints=2, policy=PEAK_EWMA, decay=10.0)
    slow, fast = one.members
    probe.measured(slow, NOW, 100 * MILLISECOND, 10.0)
    probe.measured(fast, NOW, 10 * MILLISECOND, 10.0)
    held = Counter(probe.claim(other, NOW).key for _ in range(11))
    assert held == {"0": 1, "1": 10}
    # both measure into the same peak, whichever of their clocks is behind
    probe.measured(other.members[0], NOW + 10 * SECOND, 10 * MILLISECOND, 10.0)
    before = probe.measured(slow, NOW, 10 * MILLISECOND, 10.0)
    assert before == pytest.approx((90 / math.e + 10) * MILLISECOND, rel=1e-4)
    # a worker that takes the place of another one knows it, too
    again = workers(descriptor, 1, endpoints=2, policy=PEAK_EWMA)[0]
    assert probe.measured(again.members[0], NOW, MILLISECOND, 10.0) == before


@given(st.lists(st.tuples(st.integers(0, 3 * SECOND), st.integers(1, 10 * SECOND)), min_size=1, max_size=50))
@settings(deadline=None)
def test_a_peak_is_what_it_would_be_in_full_precision(measurements):
    (member,) = upstream_of(Engine(), 1).members
    now, peak, measured = NOW, 0.0, NOW
    for pause, time in measurements:
        now += pause
        if time >= peak:
            peak, measured = float(time), now
        elif (now >> 18) != (measured >> 18):
            kept = math.exp(-((now >> 18) - (measured >> 18)) * (1 << 18) / (10 * SECOND))
            peak, measured = peak * kept + time * (1 - kept), now
        found = probe.measured(member, now, time, 10.0)
        assert found == pytest.approx(peak, rel=1e-4)


def test_max_requests_hold_over_all_workers(descriptor):
    one, other = workers(descriptor, 2, endpoints=2, most=[3, 4])
    held = [probe.claim(upstream, NOW) for upstream in (one, other) * 5]
    assert sum(member is not None for member in held) == 7
    assert [probe.total(member) for member in one.members] == [3, 4]
    probe.leave(next(member for member in held if member is not None))
    assert sum(probe.claim(upstream, NOW) is not None for upstream in (one, other)) == 1


def test_a_replaced_worker_gives_its_places_back(descriptor):
    one, other = workers(descriptor, 2, endpoints=1, most=[5])
    for upstream in (one, one, other):
        probe.claim(upstream, NOW)
    Board(descriptor, 0).reset_gauges()
    assert probe.total(other.members[0]) == 1


def test_a_drawn_share_is_the_weight(engine):
    weights = [1, 2, 3, 10, 50, 4]
    # more than seven standard deviations of so many draws
    found = shares(upstream_of(engine, 6, policy=RANDOM, weights=weights), 120_000)
    assert found == pytest.approx([weight / sum(weights) for weight in weights], abs=0.01)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 65535), min_size=1, max_size=100))
def test_draws_by_any_weight_end(weights):
    upstream = upstream_of(Engine(), len(weights), policy=RANDOM, weights=weights)
    times = 8000
    found = shares(upstream, times)
    for share, weight in zip(found, weights, strict=True):
        wanted = weight / sum(weights)
        # of all these endpoints together, one is farther away once in 10^7 runs at most
        assert abs(share - wanted) <= 6 * math.sqrt(wanted * (1 - wanted) / times) + 0.003


def test_two_choices_take_the_better(engine):
    upstream = upstream_of(engine, 2, policy=TWO_CHOICES)
    probe.enter(upstream.members[0])
    assert set(picks(upstream, 30)) == {upstream.members[1]}
    large = upstream_of(engine, 100, policy=TWO_CHOICES)
    for key in keys(1000):
        probe.claim(large, NOW, None, key)
    assert max(member.active for member in large.members) <= 15


def test_peak_ewma_prefers_who_answers_fast(engine):
    upstream = upstream_of(engine, 3, policy=PEAK_EWMA, decay=10.0)
    fast, slow, middle = upstream.members
    assert {probe.claim(upstream, NOW) for _ in range(3)} == set(upstream.members), "all are measured first"
    for member, time in ((fast, 10), (slow, 100), (middle, 20)):
        probe.measured(member, NOW, time * MILLISECOND, 10.0)
        probe.leave(member)
    held = Counter(probe.claim(upstream, NOW) for _ in range(16))
    assert [held[member] for member in upstream.members] == pytest.approx([10, 1, 5], abs=1)


def test_peaks_rise_at_once_and_fall_slowly(engine):
    (member,) = upstream_of(engine, 1).members
    assert probe.measured(member, NOW, 10 * MILLISECOND, 10.0) == 10 * MILLISECOND
    assert probe.measured(member, NOW, 200 * MILLISECOND, 10.0) == 200 * MILLISECOND
    fallen = probe.measured(member, NOW + 10 * SECOND, 10 * MILLISECOND, 10.0)
    assert fallen == pytest.approx((190 / math.e + 10) * MILLISECOND, rel=1e-6)


def test_a_slow_endpoint_is_tried_again_when_its_peak_is_old(engine):
    upstream = upstream_of(engine, 2, policy=PEAK_EWMA, decay=1.0)
    fast, slow = upstream.members
    for late in range(20):
        now = NOW + late * SECOND
        probe.measured(fast, now, 10 * MILLISECOND, 1.0)
        if not late:
            probe.measured(slow, now, 100 * MILLISECOND, 1.0)
            assert probe.choose(upstream, now) is fast
    assert probe.choose(upstream, now) is slow


def test_first_fills_in_order(engine):
    upstream = upstream_of(engine, 3, policy=FIRST, most=[2, 3, 1])
    a, b, c = upstream.members
    assert [probe.claim(upstream, NOW) for _ in range(7)] == [a, a, b, b, b, c, None]
    probe.leave(a)
    assert probe.claim(upstream, NOW) is a


@pytest.mark.parametrize("count", [3, 20])
def test_hash_is_even(engine, count):
    upstream = upstream_of(engine, count, policy=HASH)
    # of the table itself: keys laid evenly over all that there are
    step = (1 << 64) // 400_000
    found = Counter(probe.choose(upstream, NOW, None, number * step) for number in range(400_000))
    even = 400_000 / count
    assert all(abs(found[member] - even) <= 0.02 * even + 10 for member in upstream.members)


def test_hash_is_even_for_a_hundred_within_two_percent(engine):
    upstream = upstream_of(engine, 100, policy=HASH)
    step = (1 << 64) // 1_000_000
    found = Counter(probe.choose(upstream, NOW, None, number * step) for number in range(1_000_000))
    assert all(abs(found[member] - 10_000) <= 200 for member in upstream.members)


def test_hash_goes_by_weight(engine):
    found = shares(upstream_of(engine, 3, policy=HASH, weights=[1, 2, 5]), 40_000)
    assert found == pytest.approx([1 / 8, 2 / 8, 5 / 8], abs=0.01)


def test_hash_hardly_moves_when_an_endpoint_goes(engine):
    names = [f"10.0.0.{i}:80".encode() for i in range(100)]

    def table(kept):
        members = [Endpoint(engine, key="", host=name.decode()[:-3], port=80) for name in kept]
        upstream = Upstream("web", members, balancer=Balancer(kept, policy=HASH))
        return [probe.choose(upstream, NOW, None, key).label for key in keys(50_000)]

    before = table(names)
    for gone in (0, 37, 99):
        after = table([name for number, name in enumerate(names) if number != gone])
        moved = sum(a != b for a, b in zip(before, after, strict=True))
        assert moved <= 1.5 * before.count(names[gone])


def test_hash_passes_over_who_is_out_and_comes_back(engine):
    upstream = upstream_of(engine, 10, policy=HASH)
    before = picks(upstream, 2000)
    lost = upstream.members[3]
    probe.dial_failed(lost, NOW)
    during = picks(upstream, 2000)
    assert all(now is then for now, then in zip(during, before, strict=True) if then is not lost)
    heirs = Counter(now for now, then in zip(during, before, strict=True) if then is lost)
    assert lost not in heirs
    assert len(heirs) > 5, "its part is spread over the others"
    probe.dial_done(lost)
    assert picks(upstream, 2000) == before


@pytest.mark.parametrize("count", [4, 50])
def test_bounded_hash_lets_nobody_drown(engine, count):
    upstream = upstream_of(engine, count, policy=HASH, bound=1.25)
    for number in range(40 * count):
        # all want the same; of many the sum is looked up once in a millisecond
        chosen = probe.claim(upstream, NOW + number * 2 * MILLISECOND, None, 12345)
        total = sum(member.active for member in upstream.members)
        assert chosen.active <= math.ceil(1.25 * total / count)
    loose = upstream_of(engine, count, policy=HASH)
    assert len({probe.claim(loose, NOW, None, 12345) for _ in range(40)}) == 1


@pytest.mark.parametrize("policy", ALL)
def test_ten_thousand(engine, policy):
    upstream = upstream_of(engine, 10_000, policy=policy, weights=[1 + i % 2 for i in range(10_000)])
    chosen = picks(upstream, 2000)
    assert None not in chosen
    assert len(set(chosen)) == (1 if policy == FIRST else pytest.approx(1800, abs=250))


def test_bad_balancers_are_refused():
    with pytest.raises(ValueError, match="policy"):
        Balancer([b"a"], policy=7)
    with pytest.raises(ValueError, match="weight"):
        Balancer([b"a"], weights=[0])
    with pytest.raises(ValueError, match="another number"):
        Upstream("web", [], balancer=Balancer([b"a"]))
