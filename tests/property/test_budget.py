"""Budget and back-off as numbers: what fits, how long a pause is, how far apart ends lie."""

from hypothesis import given
from hypothesis import strategies as some

from limen.engine._budget_probe import draws, fits_budget, jittered, spread

WORDS = some.integers(0, 2**64 - 1)
TIMES = some.integers(0, 10**12)


@given(
    live=some.integers(0, 100_000),
    share=some.floats(0, 1, allow_nan=False),
    least=some.integers(0, 1000),
)
def test_retries_stay_within_the_budget(live, share, least):
    """As many as fit, one after the other: never more than the share or the least, and no fewer."""
    most = max(least, int(share * live + 1e-9))
    retrying = 0
    while fits_budget(retrying, live, share, least):
        retrying += 1
        assert retrying <= most
    assert retrying >= least
    assert retrying + 1 > share * live or retrying >= most


@given(
    retrying=some.integers(0, 1000), live=some.integers(0, 1000), share=some.floats(0, 1), least=some.integers(0, 50)
)
def test_more_live_exchanges_never_take_room_away(retrying, live, share, least):
    if fits_budget(retrying, live, share, least):
        assert fits_budget(retrying, live + 1, share, least)
        assert fits_budget(retrying, live, share, least + 1)
        assert retrying == 0 or fits_budget(retrying - 1, live, share, least)


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
    """Full jitter: four quarters of the range all are drawn, none much more often than another."""
    found = [4 * jittered(draw, 1, 10**9, 10**9) // 10**9 for draw in draws(state, 2000)]
    for quarter in range(4):
        assert 400 < found.count(quarter) < 600
