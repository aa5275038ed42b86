"""Kept bodies: memory first, then a spool file; readable from any place, bounded."""

import gc
import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.engine._engine_probe import Kept


def whole(kept, room=1000):
    found = b""
    while True:
        piece, _ = kept.look(len(found), room)
        assert piece is not None
        if not piece:
            return found
        assert len(piece) <= room
        found += piece


def test_small_bodies_stay_in_memory():
    kept = Kept(100, 1000)
    assert kept.append(b"abc") == 0
    assert kept.append(b"") == 0
    assert kept.append(b"x" * 97) == 0
    assert (kept.size, kept.in_memory, kept.spooled) == (100, 100, False)
    assert kept.look(1, 2) == (b"bc", True)
    assert kept.look(100, 10) == (b"", False)
    assert kept.look(99999, 10) == (b"", False)


def test_what_memory_does_not_hold_is_spooled():
    kept = Kept(4, 1000)
    assert kept.append(b"abcdef") == 0
    assert kept.append(b"ghi") == 0
    assert (kept.size, kept.in_memory, kept.spooled) == (9, 4, True)
    assert kept.look(0, 100) == (b"abcd", True)
    assert kept.look(4, 100) == (b"efghi", False)
    assert kept.look(7, 1) == (b"h", False)
    assert whole(kept) == b"abcdefghi"


def test_without_memory_all_is_spooled():
    kept = Kept(0, 1000)
    assert kept.append(b"abc") == 0
    assert (kept.in_memory, kept.spooled) == (0, True)
    assert whole(kept) == b"abc"


def test_over_the_bound_nothing_is_taken_and_the_rest_stays():
    kept = Kept(4, 10)
    assert kept.append(b"abcdef") == 0
    assert kept.append(b"ghijk") == -1
    assert whole(kept) == b"abcdef"
    assert kept.append(b"ghij") == 0
    assert kept.append(b"k") == -1
    assert kept.append(b"") == 0
    assert whole(kept) == b"abcdefghij"


def test_the_spool_file_has_no_name_and_ends_with_the_body(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gc.collect()  # what other tests have left closes nothing meanwhile
    before = len(os.listdir("/proc/self/fd"))
    kept = Kept(0, 10)
    assert kept.append(b"abc") == 0
    assert os.listdir(tmp_path) == []
    assert len(os.listdir("/proc/self/fd")) == before + 1
    del kept
    assert len(os.listdir("/proc/self/fd")) == before


def test_without_a_place_to_spool_the_kept_part_stays_readable(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    kept = Kept(4, 100)
    assert kept.append(b"abcdef") == -1
    assert whole(kept) == b"abcd"[: kept.size]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 300),
    st.integers(0, 600),
    st.lists(st.integers(0, 200), max_size=12),
    st.lists(st.tuples(st.integers(0, 700), st.integers(1, 300)), max_size=8),
)
def test_against_bytes(memory, most, sizes, looks):
    kept = Kept(min(memory, most), most)
    model = b""
    for size in sizes:
        data = random.Random(size).randbytes(size)
        if len(model) + size <= most:
            assert kept.append(data) == 0
            model += data
        else:
            assert kept.append(data) == -1
    assert kept.size == len(model)
    assert kept.in_memory == min(len(model), memory, most)
    assert whole(kept, 77) == model
    for offset, room in looks:
        piece, _ = kept.look(offset, room)
        assert piece == model[offset : offset + len(piece)]
        assert bool(piece) == (offset < len(model))


@pytest.mark.parametrize("size", [1 << 20, (1 << 20) + 1])
def test_a_megabyte(size):
    kept = Kept(65536, 1 << 21)
    data = random.Random(1).randbytes(size)
    for at in range(0, size, 50000):
        assert kept.append(data[at : at + 50000]) == 0
    assert whole(kept, 60000) == data
