"""Shares of a split: exact over a round, even by keys, and steady when weights change."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.engine.cookies import Cookie
from limen.engine.service import Action
from limen.engine.split import Split

weights = st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(any)


def split_of(numbers, **options):
    return Split([Action(str(number)) for number in range(len(numbers))], list(numbers), **options)


@settings(deadline=None)
@given(weights, st.integers(1, 5))
def test_each_round_is_exact_wherever_it_begins(numbers, rounds):
    split = split_of(numbers)
    total = sum(numbers)
    for _ in range(rounds):
        taken = [split.turn() for _ in range(total)]
        assert [taken.count(share) for share in range(len(numbers))] == numbers


@settings(deadline=None)
@given(weights.filter(lambda numbers: len(numbers) > 1))
def test_shares_are_spread_and_never_in_runs(numbers):
    split = split_of(numbers)
    total = sum(numbers)
    taken = [split.turn() for _ in range(2 * total)]
    for end in range(1, 2 * total + 1):
        for share, weight in enumerate(numbers):
            # smooth: never a whole number of shares ahead or behind what is due from where it began
            assert abs(taken[:end].count(share) - end * weight / total) < len(numbers)


def test_it_does_not_always_begin_with_the_largest_share():
    assert {split_of([9, 1]).turn() for _ in range(400)} == {0, 1}


@settings(deadline=None)
@given(weights)
def test_keys_have_their_shares(numbers):
    split = split_of(numbers)
    total, steps = sum(numbers), 4000
    taken = [split.share_of(number * 2**64 // steps) for number in range(steps)]
    for share, weight in enumerate(numbers):
        assert abs(taken.count(share) - steps * weight / total) <= 2
    # one after the other: whoever belongs to the first share stays there as it grows
    assert taken == sorted(taken)


@pytest.mark.parametrize(
    ("numbers", "options"),
    [([], {}), ([0], {}), ([1, -1], {}), ([1] * 65, {}), ([1, 1], {"cookie": Cookie("a", [["x" * 22]])})],
)
def test_what_is_no_split(numbers, options):
    with pytest.raises(ValueError):
        split_of(numbers, **options)
