"""Windows of talkers under a clock of the test's own, and what may be asked of them."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.runtime.explain.asked import AskedWrongly
from limen.runtime.talkers import WINDOWS, History, Question, merge, most, question_of


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
        history.add(([row(name, size)], []))
        told.append((clock.now, name, size))
    for window, length in WINDOWS.items():
        sums = {name: one[0] for name, one in history.sums(window)["clients"].items()}
        at_most, at_least = Counter(), Counter()
        for when, name, size in told:
            if clock.now - when < length:
                at_most[name] += size
            if clock.now - when < length * 5 / 6:
                at_least[name] += size
        assert all(at_least[name] <= sums.get(name, 0) <= at_most[name] for name in "abc")


def test_parts_are_bounded_and_say_so():
    clock = Clock()
    history = History(clock)
    for number in range(0, 6000, 100):
        history.add(([row(f"n{one}", one) for one in range(number, number + 100)], []))
    sums = history.sums("1d")["clients"]
    assert 1024 <= len(sums) <= 4096 + 100
    assert sums["n5999"][0] == 5999
    # those with most of the small ones that were forgotten had so much
    assert sums["n5999"][3] > 0


def test_the_most_come_first():
    sums = {}
    merge(sums, [("a", 5, 1, 0, 0), ("b", 7, 2, 1, 3), ("a", 5, 1, 1, 4), ("none", 0, 1, 0, 0)])
    assert most(sums, "bytes", 9) == [("a", [10, 2, 1, 4]), ("b", [7, 2, 1, 3])]
    assert [name for name, _ in most(sums, "refused", 1)] == ["a"]
    assert [name for name, _ in most(sums, "exchanges", 9)] == ["a", "b", "none"]


def test_questions():
    assert question_of([]) == Question("5m", "bytes", 20)
    assert question_of([("window", "1d"), ("limit", "3"), ("order", "refused")]) == Question("1d", "refused", 3)
    for wrong in ([("window", "2h")], [("order", "x")], [("limit", "0")], [("limit", "201")], [("limit", "²")],
                  [("by", "x")], [("window", "1h"), ("window", "1h")]):  # fmt: skip
        with pytest.raises(AskedWrongly):
            question_of(wrong)
