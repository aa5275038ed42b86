"""Cells of limits under any clock, seen from several workers at once."""

import os
import threading

import pytest

from limen.engine import _shield_probe as probe
from limen.engine.cells import LimitCells
from limen.observe import limits
from limen.observe.limits import LimitCell, LimitReader

SECOND = 10**9
START = 5 * SECOND


@pytest.fixture
def memory():
    descriptor = limits.create(3, 1024)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def cells(memory):
    return LimitCells(memory, 0)


def counts(memory, slot=0):
    return dict(LimitReader(memory).limits([slot])).get(slot, (0,) * limits.CELLS)


def test_numbers_are_those_of_the_engine():
    engine = probe.NUMBERS
    assert engine["VERSION"] == limits.VERSION
    assert engine["HEAD"] == limits.HEAD
    assert engine["SLOTS"] == limits.SLOTS
    assert engine["CELLS"] == limits.CELLS
    assert engine["WINDOW"] == limits.WINDOW
    assert engine["LIMITS_OF_ROUTE"] == limits.LIMITS_OF_ROUTE
    assert {name: engine[name] for name in LimitCell.__members__} == dict(LimitCell.__members__)


def test_burst_then_rate(cells):
    interval, burst = SECOND // 100, 200 * (SECOND // 100)
    allowed = [probe.charge(cells, 7, START, interval, burst) >= 0 for _ in range(201)]
    assert allowed == [True] * 200 + [False]
    # refused requests use nothing up: the next part comes after one interval
    assert probe.charge(cells, 7, START + interval - 1, interval, burst) == -1
    assert probe.charge(cells, 7, START + interval, interval, burst) == burst
    assert probe.charge(cells, 7, START + interval, interval, burst) == -interval


def test_a_pause_brings_the_burst_back_and_no_more(cells):
    interval, burst = SECOND // 10, SECOND
    for _ in range(10):
        assert probe.charge(cells, 7, START, interval, burst) >= 0
    later = START + 3600 * SECOND
    assert [probe.charge(cells, 7, later, interval, burst) >= 0 for _ in range(11)] == [True] * 10 + [False]


def test_a_rate_over_hours_of_simulated_time_is_exact(cells):
    # asked three times as often as allowed, for an hour
    interval = SECOND // 100
    step = interval // 3
    allowed = probe.charge_many(cells, 9, START, step, 3600 * 300, interval, 10 * interval)
    assert abs(allowed - 3600 * 100) <= 3600 * 100 * 0.0001


def test_keys_do_not_meet(cells):
    for tag in range(1, 400):
        assert probe.charge(cells, tag << 16, START, SECOND, SECOND) == SECOND
    for tag in range(1, 400):
        assert probe.charge(cells, tag << 16, START, SECOND, SECOND) == -SECOND


def test_refund(cells):
    assert probe.charge(cells, 5, START, SECOND, SECOND) == SECOND
    probe.refund(cells, 5, SECOND)
    assert probe.charge(cells, 5, START, SECOND, SECOND) == SECOND


def test_a_place_is_used_again_when_it_says_nothing_any_more(memory):
    # all tags fall into one window
    cells = LimitCells(memory, 0)
    for tag in range(16):
        assert probe.charge(cells, (3 << 16) | (tag + 1) << 40, START, SECOND, SECOND) >= 0
    for tag in range(16, 32):
        assert probe.charge(cells, (3 << 16) | (tag + 1) << 40, START + SECOND, SECOND, SECOND) >= 0
    assert counts(memory)[LimitCell.FORGOTTEN] == 0


def test_a_full_window_forgets_the_key_that_has_used_least(memory):
    cells = LimitCells(memory, 0)
    tags = [(3 << 16) | (number + 1) << 40 for number in range(17)]
    for number, tag in enumerate(tags[:16]):
        for _ in range(number + 1):
            assert probe.charge(cells, tag, START, SECOND, 100 * SECOND) >= 0
    # the newcomer begins with nothing used, whatever lay there
    assert probe.charge(cells, tags[16], START, SECOND, 100 * SECOND) == SECOND
    assert counts(memory)[LimitCell.FORGOTTEN] == 1
    # the heaviest is remembered
    assert probe.charge(cells, tags[15], START, SECOND, 100 * SECOND) == 17 * SECOND


def test_workers_share_one_rate(memory):
    views = [LimitCells(memory, number) for number in range(3)]
    allowed = [probe.charge(views[turn % 3], 11, START, SECOND, 100 * SECOND) >= 0 for turn in range(150)]
    assert sum(allowed) == 100


def test_a_rate_is_exact_under_contention(memory):
    views = [LimitCells(memory, number) for number in range(3)]
    found = []

    def run(view):
        found.append(probe.charge_many(view, 13, START, 0, 200_000, 1000, 123_456 * 1000))

    threads = [threading.Thread(target=run, args=(view,)) for view in views]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found) == 123_456


def test_concurrency_is_bounded_and_comes_back(cells):
    places = [probe.enter(cells, 21, 3) for _ in range(4)]
    assert all(place > 0 for place in places[:3])
    assert places[3] == 0
    probe.leave(cells, places[0])
    assert probe.enter(cells, 21, 3) > 0
    assert probe.enter(cells, 21, 3) == 0


def test_concurrency_is_never_over_its_bound_under_contention(memory):
    views = [LimitCells(memory, number) for number in range(3)]
    found = []

    def run(view):
        found.append(probe.enter_and_leave(view, 23, 2, 100_000))

    threads = [threading.Thread(target=run, args=(view,)) for view in views]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(seen for _, seen in found) <= 2
    assert [probe.enter(views[0], 23, 2) > 0 for _ in range(3)] == [True, True, False]


def test_what_a_dead_worker_held_comes_back(memory):
    survivor, dead = LimitCells(memory, 0), LimitCells(memory, 1)
    assert probe.enter(survivor, 31, 3) > 0
    assert probe.enter(dead, 31, 3) > 0
    assert probe.enter(dead, 31, 3) > 0
    assert probe.enter(survivor, 31, 3) == 0
    del dead
    LimitCells(memory, 1)
    assert [probe.enter(survivor, 31, 3) > 0 for _ in range(3)] == [True, True, False]


def test_without_a_place_an_exchange_passes_and_is_counted(memory):
    cells = LimitCells(memory, 0)
    for number in range(16):
        assert probe.enter(cells, (5 << 16) | (number + 1) << 40, 1) > 0
    assert probe.enter(cells, (5 << 16) | 17 << 40, 1) == -1
    assert counts(memory)[LimitCell.UNCOUNTED] == 1


def test_the_last_window_of_the_memory_is_whole(memory):
    cells = LimitCells(memory, 2)
    for number in range(16):
        assert probe.charge(cells, (1023 << 16) | (number + 1) << 40, START, SECOND, SECOND) >= 0
        assert probe.enter(cells, (1023 << 16) | (number + 1) << 40, 1) > 0


def test_slots_out_of_range_are_dropped(cells, memory):
    for number in range(17):
        probe.charge(cells, (3 << 16) | (number + 1) << 40, START, SECOND, SECOND, 0xFFFFFFFF)
    assert not list(LimitReader(memory).limits(range(limits.SLOTS)))


def test_other_memory_is_refused(memory):
    with pytest.raises(ValueError, match="number 3"):
        LimitCells(memory, 3)
    other = os.memfd_create("other")
    os.ftruncate(other, 1 << 20)
    with pytest.raises(ValueError, match="no memory of limits"):
        LimitCells(other, 0)
    os.close(other)


def test_untouched_memory_costs_nothing():
    descriptor = limits.create(64, 16_777_216)
    assert os.fstat(descriptor).st_blocks * 512 <= 65536
    os.close(descriptor)
