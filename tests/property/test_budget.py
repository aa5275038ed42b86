"""Budget and back-off as numbers: what fits, how long a pause is, how far apart ends lie."""

from hypothesis import given
from hypothesis import strategies as some

from limen.engine._budget_probe import draws, jittered, most_of, spread

WORDS = some.integers(0, 2**64 - 1)
TIMES = some.integers(0, 10**12)


@given(live=some.integers(0, 100_000), share=some.floats(0, 1, allow_nan=False), least=some.integers(0, 1000))
def test_retries_stay_within_the_budget(live, share, least):
    """Never more than the share or the least, and no fewer; more live exchanges never take room away."""
    most = most_of(live, share, least)
    assert most <= max(least, int(share * live + 1e-9))
    assert most >= least
    assert most + 1 > share * live
    assert most_of(live + 1, share, least) >= most
    assert most_of(live, share, least + 1) >= most


@given(draw=WORDS, retry=some.integers(-5, 100), base=some.integers(0, 10**11), most=TIMES)
def test_pauses_stay_below_a_bound_that_doubles(draw, retry, base, most):
    bound = min(base * 2 ** min(max(retry - 1, 0), 20), most)
    assert 0 <= jittered(draw, retry, base, most) <= bound
    assert jittered(0, retry, base, most) == 0
    if bound:
        assert jittered(2**64 - 1, retry, base, most) >= bound * 0.999 - 1


@given(draw=WORDS, bound=TIMES)
def test_ends_are_spread_over_a_tenth(draw, bound):
    assert bound - bound // 10 - 1 <= spread(draw, bound) <= bound


@given(state=some.integers(1, 2**64 - 1))
def test_pauses_use_the_whole_range(state):
    """Full jitter: four quarters of the range all are drawn, none much more often than another.

    Of so many draws, 200 more or fewer are seven standard deviations: once in 10^9 runs of all the examples.
    """
    found = [4 * jittered(draw, 1, 10**9, 10**9) // 10**9 for draw in draws(state, 4000)]
    for quarter in range(4):
        assert 800 < found.count(quarter) < 1200
