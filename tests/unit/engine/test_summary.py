"""Space-Saving: who is heavy is there, and no count is too high or too low by more than the error."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.engine.summary import Summary

EXCHANGE = 4096
NAMES = st.integers(0, 60).map(lambda number: b"name-%d" % number)
ADDED = st.lists(st.tuples(NAMES, st.integers(0, 5000), st.integers(0, 2), st.integers(0, 1)), max_size=400)


@pytest.mark.sanitize
@given(added=ADDED, capacity=st.sampled_from([2, 4, 8, 64]))
@settings(max_examples=200, deadline=None)
def test_guarantees(added, capacity):
    summary = Summary(capacity)
    size, exchanges, refused = Counter(), Counter(), Counter()
    for name, more, count, no in added:
        summary.put(name, more, count, no)
        size[name] += more
        exchanges[name] += count
        refused[name] += no
    weight = {name: size[name] + EXCHANGE * exchanges[name] for name in size}
    floor, rows = summary.take()
    assert len(rows) == min(capacity, len(weight))
    assert len({row[0] for row in rows}) == len(rows)
    for name, *counts, error in rows:
        true = (size[name], exchanges[name], refused[name])
        assert all(counted <= told for counted, told in zip(counts, true, strict=True))
        assert weight[name] <= counts[0] + EXCHANGE * counts[1] + error
    assert all(weight[name] <= floor for name in weight.keys() - {row[0] for row in rows})
    total = sum(weight.values())
    assert {name for name, one in weight.items() if one * capacity > total} <= {row[0] for row in rows}
    if len(weight) <= capacity:
        assert all(row[4] == 0 for row in rows)
        assert {row[0]: row[1] for row in rows} == {name: size[name] for name in weight}
    # what was taken is gone
    assert len(summary) == 0
    assert summary.take() == (0, [])


def test_long_names_are_cut_but_differ():
    summary = Summary(4)
    summary.put(b"a" * 200 + b"x", 1)
    summary.put(b"a" * 200 + b"y", 2)
    floor, rows = summary.take()
    assert floor == 0
    assert sorted(rows) == [(b"a" * 128, 1, 1, 0, 0), (b"a" * 128, 2, 1, 0, 0)]


def test_capacity_is_a_power_of_two():
    for wrong in (0, 1, 3, -4, 1 << 21):
        with pytest.raises(ValueError, match="power of two"):
            Summary(wrong)
