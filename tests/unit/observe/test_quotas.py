"""The file of quotas: its numbers are the engine's, several processes count in it, and what is none is left alone."""

import os
import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.engine import _shield_probe as probe
from limen.engine.quotas import QuotaCells
from limen.observe import quotas

HOUR, DAY, MONTH = range(3)


@pytest.fixture
def descriptor(tmp_path):
    found = quotas.open_file(tmp_path / "state" / "quotas.state", 100)
    yield found
    os.close(found)


def test_numbers_are_the_engines():
    assert {
        "VERSION": quotas.VERSION,
        "HEAD": quotas.HEAD,
        "WINDOW": quotas.WINDOW,
        "CELL": struct.calcsize("<QqqQ"),
    } == probe.QUOTA_NUMBERS


@given(st.integers(0, 32503680000), st.sampled_from([HOUR, DAY, MONTH]))
def test_periods_are_those_of_the_calendar(second, kind):
    start, end = probe.period(kind, second)
    assert start <= second < end
    first, after = (datetime.fromtimestamp(one, UTC) for one in (start, end))
    now = datetime.fromtimestamp(second, UTC)
    if kind == HOUR:
        assert first == now.replace(minute=0, second=0)
        assert end - start == 3600
    elif kind == DAY:
        assert first == now.replace(hour=0, minute=0, second=0)
        assert end - start == 86400
    else:
        assert first == now.replace(day=1, hour=0, minute=0, second=0)
        assert (after.day, after.hour, after.minute, after.second) == (1, 0, 0, 0)
        assert (after.year * 12 + after.month) - (now.year * 12 + now.month) == 1


def test_two_views_count_together_and_a_third_one_later_goes_on(descriptor):
    one, other = QuotaCells(descriptor), QuotaCells(descriptor)
    used = 0
    for view, amount in ((one, 10), (other, 5), (one, 1), (other, 1 << 40)):
        assert probe.use(view, 12345, 1000, 2000, amount) == used
        used += amount
    del one, other
    assert probe.use(QuotaCells(descriptor), 12345, 1999, 2000, 0) == used


@given(st.lists(st.tuples(st.integers(2, 40), st.integers(0, 1 << 30)), max_size=60))
def test_every_key_has_its_own_count_as_long_as_there_are_places(tmp_path_factory, uses):
    found = quotas.open_file(tmp_path_factory.mktemp("quotas") / "file", 1024)
    try:
        cells = QuotaCells(found)
        expected = {}
        for key, amount in uses:
            # (spread as hashes are)
            tag = key * 0x9E3779B97F4A7C15 % 2**64
            assert probe.use(cells, tag, 0, 100, amount) == expected.get(key, 0)
            expected[key] = expected.get(key, 0) + amount
    finally:
        os.close(found)


def test_a_full_window_counts_nobody_until_a_period_ends(descriptor):
    cells = QuotaCells(descriptor)
    # all of these belong to one place
    tags = [2 + number for number in range(quotas.WINDOW)]
    assert [probe.use(cells, tag, 0, 100, 7) for tag in tags] == [0] * quotas.WINDOW
    assert probe.use(cells, 1000, 99, 200, 7) is None
    assert probe.use(cells, 1000, 100, 200, 7) == 0
    assert probe.use(cells, 1000, 100, 200, 7) == 7
    assert probe.use(cells, tags[-1], 99, 100, 0) == 7


def test_a_place_that_a_killed_worker_held_is_freed(descriptor):
    cells = QuotaCells(descriptor)
    probe.use(cells, 50, 0, 100, 7)
    os.pwrite(descriptor, struct.pack("<Q", 1), quotas.HEAD)
    assert quotas.free_busy(descriptor) == 1
    assert quotas.free_busy(descriptor) == 0


def test_a_file_that_is_none_is_left_as_it_is(tmp_path):
    path = tmp_path / "other"
    path.write_bytes(b"something else" * 10000)
    with pytest.raises(ValueError, match="no file of quotas"):
        quotas.open_file(path, 100)
    assert path.read_bytes() == b"something else" * 10000
    with path.open("rb") as file, pytest.raises(ValueError, match="no file of quotas"):
        QuotaCells(file.fileno())
