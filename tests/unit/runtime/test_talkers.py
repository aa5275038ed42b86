"""Windows of talkers under a clock of the test's own, and what may be asked of them."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.engine.summary import Summary
from limen.runtime.explain.asked import AskedWrongly
from limen.runtime.talkers import WINDOWS, History, Question, Tally, question_of

EXCHANGE = 4096


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def row(name, size, exchanges=1, refused=0, error=0):
    return (name.encode(), size, exchanges, refused, error)


@given(steps=st.lists(st.tuples(st.floats(0, 5000), st.sampled_from("abc"), st.integers(1, 1000)), max_size=60))
@settings(max_examples=100, deadline=None)
def test_a_window_holds_its_length_less_a_part(steps):
    clock, told = Clock(), []
    history = History(clock)
    for pause, name, size in steps:
        clock.now += pause
        history.add("clients", 0, [row(name, size)])
        told.append((clock.now, name, size))
    for window, length in WINDOWS.items():
        sums = {name: one[0] for name, one in history.tally(window, "clients").sums.items()}
        at_most, at_least = Counter(), Counter()
        for when, name, size in told:
            if clock.now - when < length:
                at_most[name] += size
            if clock.now - when < length * 5 / 6:
                at_least[name] += size
        assert all(at_least[name] <= sums.get(name, 0) <= at_most[name] for name in "abc")


TURNS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "take", "cut"]),
        st.integers(0, 1),
        st.lists(st.tuples(st.sampled_from("abcdefghij"), st.integers(0, 9999)), max_size=12),
    ),
    max_size=30,
)


@given(turns=TURNS, capacity=st.sampled_from([2, 4]))
@settings(max_examples=300, deadline=None)
def test_what_is_missing_is_bounded_over_takes_cuts_and_workers(turns, capacity):
    true = Counter()
    summaries, tallies = [Summary(capacity), Summary(capacity)], [Tally(), Tally()]
    for what, worker, added in turns:
        if what == "add":
            for name, size in added:
                summaries[worker].put(name.encode(), size)
                true[name] += size + EXCHANGE
        elif what == "take":
            tallies[worker].add(*summaries[worker].take())
        else:
            tallies[worker].cut(tallies[worker].most("bytes", 3))
    merged = Tally()
    for summary, tally in zip(summaries, tallies, strict=True):
        tally.add(*summary.take())
        merged.add(tally.lost, tally.rows())
    for name in "abcdefghij":
        one = merged.sums.get(name, [0, 0, 0, 0])
        counted = one[0] + EXCHANGE * one[1]
        missed = merged.missed(one) if name in merged.sums else merged.lost
        assert counted <= true[name] <= counted + missed


def test_parts_are_bounded():
    history = History(Clock())
    for number in range(0, 6000, 100):
        history.add("clients", 0, [row(f"n{one}", one) for one in range(number, number + 100)])
    tally = history.tally("1d", "clients")
    assert 1024 <= len(tally.sums) <= 4096 + 100
    assert tally.sums["n5999"][0] == 5999
    assert tally.missed(tally.sums["n5999"]) > 0


def test_the_most_come_first():
    tally = Tally()
    tally.add(0, [("a", 5, 1, 0, 0), ("b", 7, 2, 1, 3), ("a", 5, 1, 1, 4), ("none", 0, 1, 0, 0)])
    assert tally.most("bytes", 9) == ["a", "b"]
    assert tally.most("refused", 1) == ["a"]
    assert tally.most("exchanges", 9) == ["a", "b", "none"]
    assert tally.rows() == [("a", 10, 2, 1, 4), ("b", 7, 2, 1, 3), ("none", 0, 1, 0, 0)]


def test_questions():
    assert question_of([]) == Question("5m", "bytes", 20)
    assert question_of([("window", "1d"), ("limit", "3"), ("order", "refused")]) == Question("1d", "refused", 3)
    for wrong in ([("window", "2h")], [("order", "x")], [("limit", "0")], [("limit", "201")], [("limit", "²")],
                  [("by", "x")], [("window", "1h"), ("window", "1h")]):  # fmt: skip
        with pytest.raises(AskedWrongly):
            question_of(wrong)
