"""The supervisor's word on endpoints, as balancers of several workers take it; and what workers count for it."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from limen.engine import _engine_probe as probe
from limen.engine.balance import Balancer
from limen.engine.board import Board
from limen.engine.engine import Engine
from limen.engine.explain import standing
from limen.engine.upstream import Endpoint, Upstream
from limen.faults import FaultNumber
from limen.observe.board import BoardReader, EndpointCell, HealthFlag
from limen.runtime.metrics import SharedBoard

ROUND_ROBIN, LEAST_REQUESTS, TWO_CHOICES, RANDOM, PEAK_EWMA, HASH, FIRST = range(7)
ALL = range(7)
NOW = 1_000_000_000_000
SECOND = 1_000_000_000


class Pair:
    """Two workers before the same endpoints, and the supervisor's hand."""

    def __init__(self, count, *, run_most=0, **options):
        self.board = SharedBoard(2)
        self.upstreams = []
        for number in range(2):
            engine = Engine(board=Board(os.dup(self.board.fd), number))
            members = [Endpoint(engine, key=str(i), host="10.0.0.1", port=80 + i, slot=i) for i in range(count)]
            balancer = Balancer([member.label for member in members], **options)
            self.upstreams.append(Upstream("web", members, balancer=balancer, run_most=run_most))

    def tell(self, **words):
        """`e0=flags` or `e0=(flags, weight, since)`; in force at once."""
        for name, word in words.items():
            flags, weight, since = word if isinstance(word, tuple) else (word, 0, 0)
            self.board.tell_health(int(name[1:]), flags=flags, weight=weight, since=since)
        self.board.raise_epoch()

    def shares(self, times=0, *, now=NOW, avoid=None):
        """What each worker chooses: numbers of endpoints with their part, and the same ones for both.

        Drawn often enough that an endpoint which may be chosen is left out by chance less than once in 10^30.
        """
        found = []
        times = times or 100 * max(4, len(self.upstreams[0].members))
        for upstream in self.upstreams:
            chosen = [probe.choose(upstream, now, avoid, probe.key_of(str(i).encode())) for i in range(times)]
            found.append({int(one.key) if one else None: n / times for one, n in Counter(chosen).items()})
        assert found[0].keys() == found[1].keys()
        return found[0]


@pytest.fixture
def pair():
    made = []

    def make(*arguments, **options):
        made.append(Pair(*arguments, **options))
        return made[-1]

    yield make
    for one in made:
        one.board.close()


@pytest.mark.parametrize("policy", ALL)
@pytest.mark.parametrize("flag", [HealthFlag.DOWN, HealthFlag.EJECTED, HealthFlag.DRAINING, HealthFlag.DISABLED])
def test_a_word_is_in_force_with_the_next_choice_of_every_worker(pair, policy, flag):
    both = pair(3, policy=policy)
    assert 0 in both.shares()
    both.tell(e0=flag)
    expected = {1} if policy == FIRST else {1, 2}
    assert both.shares().keys() == expected
    both.tell(e0=0)
    assert 0 in both.shares()


@pytest.mark.parametrize("policy", ALL)
def test_what_is_said_without_raising_the_epoch_waits(pair, policy):
    both = pair(2, policy=policy)
    both.shares()
    both.board.tell_health(0, flags=HealthFlag.DOWN, weight=0, since=0)
    assert 0 in both.shares()
    both.board.raise_epoch()
    assert both.shares().keys() == {1}


@pytest.mark.parametrize("policy", ALL)
@pytest.mark.parametrize("count", [1, 2, 40])
def test_what_is_barred_gets_nothing_even_if_nothing_else_is_there(pair, policy, count):
    for flag in (HealthFlag.DRAINING, HealthFlag.DISABLED, HealthFlag.DOWN, HealthFlag.EJECTED):
        both = pair(count, policy=policy)
        both.tell(**{f"e{i}": flag for i in range(count)})
        assert both.shares().keys() == {None}


@pytest.mark.parametrize("policy", ALL)
@pytest.mark.parametrize("count", [1, 2, 40])
def test_panic_uses_the_doubtful_but_not_the_drained(pair, policy, count):
    both = pair(count, policy=policy)
    both.tell(**{f"e{i}": HealthFlag.DOWN | HealthFlag.PANIC for i in range(count)})
    used = both.shares().keys()
    assert used == ({0} if policy == FIRST else set(range(count)))
    both.tell(e0=HealthFlag.DRAINING | HealthFlag.DOWN | HealthFlag.PANIC)
    assert 0 not in both.shares()


@pytest.mark.parametrize("policy", ALL)
def test_what_cannot_be_dialled_is_tried_before_what_is_down(pair, policy):
    both = pair(3, policy=policy)
    both.tell(e0=HealthFlag.DOWN)
    for upstream in both.upstreams:
        for member in upstream.members[1:]:
            probe.dial_failed(member, NOW)
    assert both.shares().keys() == {1, 2}


@pytest.mark.parametrize("policy", [ROUND_ROBIN, LEAST_REQUESTS, TWO_CHOICES, RANDOM, HASH])
def test_a_weight_at_run_time(pair, policy):
    both = pair(3, policy=policy, weights=[1, 1, 2])
    both.shares()
    both.tell(e0=(0, 5, 0))
    found = both.shares(8000)
    if policy == TWO_CHOICES:
        # the better of two that are drawn, and all are level: by weight of the first drawn
        assert found[0] > 0.5
    else:
        assert [found[i] for i in range(3)] == pytest.approx([5 / 8, 1 / 8, 2 / 8], abs=0.03)
    both.tell(e0=0)
    found = both.shares(8000)
    assert found[2] == pytest.approx(0.5, abs=0.05)


def test_a_table_laid_anew_is_the_one_of_that_weight(pair):
    changed, made = pair(5, policy=HASH), pair(5, policy=HASH, weights=[1, 3, 1, 1, 1])
    changed.tell(e1=(0, 3, 0))
    for i in range(2000):
        key = probe.key_of(str(i).encode())
        one, other = (probe.choose(both.upstreams[0], NOW, None, key) for both in (changed, made))
        assert one.key == other.key


@pytest.mark.parametrize("policy", [ROUND_ROBIN, LEAST_REQUESTS, RANDOM])
def test_who_comes_back_starts_slowly_in_every_worker(pair, policy):
    both = pair(2, policy=policy, slow_start=10.0)
    both.tell(e0=HealthFlag.EJECTED)
    # the second worker has no exchange meanwhile: it starts slowly all the same
    probe.choose(both.upstreams[0], NOW)
    both.tell(e0=(0, 0, NOW))
    for age, weight in ((0, 0.1), (5, 0.5), (10, 1.0)):
        found = both.shares(16_000, now=NOW + age * SECOND)
        assert found[0] == pytest.approx(weight / (1 + weight), abs=0.03)


def test_a_drained_endpoint_keeps_its_own(pair):
    both = pair(2)
    upstream = both.upstreams[0]
    for flag, kept in (
        (HealthFlag.DRAINING, True),
        (HealthFlag.DISABLED, False),
        (HealthFlag.DRAINING | HealthFlag.DOWN, False),
        (HealthFlag.EJECTED, False),
        (HealthFlag.EJECTED | HealthFlag.PANIC, True),
        (0, True),
    ):
        both.tell(e0=flag)
        assert probe.may_keep(upstream, NOW, 0) is kept
        assert probe.may_keep(upstream, NOW, 1) is True
    probe.dial_failed(upstream.members[0], NOW)
    assert not probe.may_keep(upstream, NOW, 0)


def test_a_called_backup_takes_what_the_priority_has_lost(pair):
    both = pair(5, policy=RANDOM, backups=[False] * 4 + [True], spill=0.7)
    down = {f"e{i}": HealthFlag.DOWN for i in range(3)}
    both.tell(**down)
    assert both.shares().keys() == {3}
    both.tell(e4=HealthFlag.CALLED)
    found = both.shares(16_000)
    assert found[3] == pytest.approx(0.25 / 0.7, abs=0.03)
    both.tell(**down, e3=HealthFlag.DOWN)
    assert both.shares().keys() == {4}


def test_drained_capacity_is_missing(pair):
    both = pair(4, policy=RANDOM, priorities=[0, 0, 1, 1], spill=0.7)
    both.tell(e0=HealthFlag.DRAINING)
    found = both.shares(16_000)
    assert found[1] == pytest.approx(0.5 / 0.7, abs=0.03)


def test_failures_in_a_row_are_those_of_all_workers_and_raise_the_alarm(pair):
    both = pair(2, run_most=4)
    one, other = (upstream.members[0] for upstream in both.upstreams)
    for number, (upstream, endpoint) in enumerate(zip(both.upstreams * 2, (one, other) * 2, strict=True)):
        assert both.board.alarm() == 0
        if number % 2:
            probe.failed(upstream, endpoint, FaultNumber.DIAL_REFUSED)
        else:
            probe.answered(upstream, endpoint, 503)
    assert both.board.alarm() == 1
    assert both.board.runs([0, 1]) == {0: 4, 1: 0}
    assert probe.run(one) == probe.run(other) == 4
    probe.answered(both.upstreams[1], other, 200, 5000)
    assert both.board.runs([0]) == {0: 0}
    cells = BoardReader(both.board.fd).endpoint(0)
    assert cells[EndpointCell.FAILURES] == 4
    assert (cells[EndpointCell.RESPONSES], cells[EndpointCell.NANOSECONDS]) == (3, 5000)


def test_what_speaks_against_an_endpoint(pair):
    both = pair(1, run_most=100)
    upstream = both.upstreams[0]
    (endpoint,) = upstream.members
    against = (
        FaultNumber.DNS,
        FaultNumber.DIAL_TIMEOUT,
        FaultNumber.ORIGIN_CLOSED,
        FaultNumber.RESPONSE_TIMEOUT,
        FaultNumber.TLS_CERTIFICATE,
        FaultNumber.RESPONSE + FaultNumber.FIELD_NAME,
    )
    for fault in against:
        probe.failed(upstream, endpoint, fault)
    for fault in (FaultNumber.MEMORY, FaultNumber.DESCRIPTORS, FaultNumber.CLIENT_CLOSED, FaultNumber.SHED):
        probe.failed(upstream, endpoint, fault)
    assert probe.run(endpoint) == len(against)
    probe.reached(upstream, endpoint)
    assert probe.run(endpoint) == 0
    for status, failed in ((500, 0), (502, 1), (504, 2), (404, 0), (599, 0), (1000, 0)):
        probe.answered(upstream, endpoint, status)
        assert probe.run(endpoint) == failed


def test_runs_are_not_counted_where_nobody_asks(pair):
    both = pair(1)
    probe.failed(both.upstreams[0], both.upstreams[0].members[0], FaultNumber.DIAL_REFUSED)
    assert both.board.runs([0]) == {0: 0}
    assert both.board.alarm() == 0
    assert BoardReader(both.board.fd).endpoint(0)[EndpointCell.FAILURES] == 1


def test_an_endpoint_without_a_place_on_the_board_is_told_nothing():
    engine = Engine()
    upstream = Upstream("web", [Endpoint(engine, key="a", host="10.0.0.1", port=80)], run_most=2)
    (endpoint,) = upstream.members
    assert probe.choose(upstream, NOW) is endpoint
    for _ in range(3):
        probe.failed(upstream, endpoint, FaultNumber.DIAL_REFUSED)
    assert probe.run(endpoint) == 3


def test_a_cleared_slot_begins_with_nothing(pair):
    both = pair(2, run_most=2)
    both.tell(e1=(HealthFlag.DOWN, 9, 7))
    for _ in range(3):
        probe.failed(both.upstreams[0], both.upstreams[0].members[1], FaultNumber.DIAL_REFUSED)
    both.board.clear([("endpoint", 1)])
    both.board.raise_epoch()
    assert both.board.runs([1]) == {1: 0}
    assert both.shares().keys() == {0, 1}


def test_who_is_found_well_is_no_longer_left_out_by_workers_that_could_not_dial_it(pair):
    both = pair(2)
    for upstream in both.upstreams:
        for _ in range(6):
            probe.dial_failed(upstream.members[0], NOW)
    assert both.shares(now=NOW + SECOND).keys() == {1}
    both.tell(e0=(0, 0, NOW + SECOND))
    assert both.shares(now=NOW + 2 * SECOND).keys() == {0, 1}
    for upstream in both.upstreams:
        probe.dial_failed(upstream.members[0], NOW + 3 * SECOND)
    assert both.shares(now=NOW + 4 * SECOND).keys() == {1}


@pytest.mark.parametrize("policy", ALL)
def test_who_is_asked_about_hears_of_changes_all_the_same(pair, policy):
    """Explaining between a change and the next choice hides nothing of it, and leaves no table of its own behind."""
    two = pair(4, policy=policy)
    assert two.shares()
    before = standing(two.upstreams[0])[0]
    two.tell(e0=HealthFlag.DISABLED, e1=(0, 50, 0))
    for upstream in two.upstreams:
        rows, order = standing(upstream)
        assert 0 not in order
        assert [row["words"] for row in rows] == [["disabled"], [], [], []]
        assert rows[1]["weight"] == 50
    assert 0 not in two.shares(4000)  # one in 52 goes to each of the other two
    two.tell(e0=0, e1=(0, 1, 0))
    for upstream in two.upstreams:
        standing(upstream)
    assert 0 in two.shares()
    assert [row["weight"] for row in standing(two.upstreams[0])[0]] == [row["weight"] for row in before]
