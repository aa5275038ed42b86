"""What ejects, and what does not."""

import pytest

from limen.config.models.health import Ejection, ErrorRate, Outlier, Slow
from limen.egress.outliers import Counts, Outliers

MS = 1_000_000


def outliers_of(names="abcd", **settings):
    settings.setdefault("ejection", Ejection(share=1.0))
    outlier = Outlier(**settings)
    made = Outliers(outlier)
    made.settle(outlier, names)
    return made


def test_a_run_ejects_the_worst_first_as_far_as_the_share_goes():
    outliers = outliers_of("abcde", consecutive=3, ejection=Ejection(share=0.4))
    assert outliers.judge_runs({"a": 3, "b": 9, "c": 4, "d": 2, "unknown": 50}, 10.0) == ["b", "c"]
    assert outliers.records["b"].reason == "9 failures in a row"
    assert outliers.judge_runs({"a": 30}, 11.0) == []
    outliers.end(10.0 + 30.0)
    assert outliers.judge_runs({"a": 30}, 41.0) == ["a"]


@pytest.mark.parametrize(("count", "share", "most"), [(1, 0.5, 0), (2, 0.5, 1), (3, 0.5, 1), (10, 0.3, 3), (4, 1.0, 4)])
def test_the_share_is_rounded_down(count, share, most):
    names = [str(number) for number in range(count)]
    outliers = outliers_of(names, consecutive=1, ejection=Ejection(share=share))
    assert len(outliers.judge_runs(dict.fromkeys(names, 5), 0.0)) == most


def test_what_the_operator_has_taken_out_is_neither_ejected_nor_counted():
    outliers = outliers_of("abcd", consecutive=1, ejection=Ejection(share=0.5))
    outliers.barred = frozenset("ab")
    assert outliers.judge_runs({"a": 5, "b": 5}, 0.0) == []
    assert outliers.judge_runs({"c": 5, "d": 5}, 0.0) == ["d"]


def test_an_error_rate_needs_enough_attempts():
    outliers = outliers_of(consecutive=0, error_rate=ErrorRate(above=0.5, requests=20))
    assert outliers.judge_interval({}, 0.0) == []
    found = outliers.judge_interval(
        {"a": Counts(100, 51), "b": Counts(100, 50), "c": Counts(19, 19), "d": Counts(20, 12)}, 10.0
    )
    assert found == ["d", "a"]
    assert outliers.records["d"].reason == "60% of 20 attempts failed"
    # the next interval begins where this one ended
    assert outliers.judge_interval({"b": Counts(120, 60), "c": Counts(38, 38)}, 20.0) == []


def test_what_was_counted_before_the_first_interval_says_nothing():
    outliers = outliers_of(consecutive=0, error_rate=ErrorRate())
    assert outliers.judge_interval({"a": Counts(1000, 1000)}, 0.0) == []
    assert outliers.judge_interval({"a": Counts(1000, 1000)}, 10.0) == []


def timed(**means):
    return {name: Counts(100, 0, 100, 100 * mean * MS) for name, mean in means.items()}


def test_slow_is_slow_beside_the_others():
    outliers = outliers_of(consecutive=0, slow=Slow(times=3.0, requests=50))
    outliers.judge_interval({}, 0.0)
    assert outliers.judge_interval(timed(a=100, b=110, c=120, d=331), 10.0) == ["d"]
    assert outliers.records["d"].reason == "331 ms to a response, the others 110 ms"


@pytest.mark.parametrize(
    "means",
    [
        {"a": 100, "b": 1000},  # which of both is slow?
        {"a": 1, "b": 1, "c": 1, "d": 19},  # nobody waits for that
        {"a": 100, "b": 100, "c": 100, "d": 300},
        {"a": 100, "b": 900, "c": 900, "d": 900},
    ],
)
def test_what_is_not_slow(means):
    outliers = outliers_of(consecutive=0, slow=Slow(times=3.0, requests=50))
    outliers.judge_interval({}, 0.0)
    found = outliers.judge_interval(timed(**means), 10.0)
    assert found == []


def test_who_comes_back_is_measured_anew():
    outliers = outliers_of(consecutive=1, slow=Slow(times=3.0, requests=50))
    outliers.judge_interval({}, 0.0)
    assert outliers.judge_runs({"d": 1}, 1.0) == ["d"]
    outliers.recall("d", 5.0)
    assert outliers.judge_interval(timed(a=100, b=100, c=100, d=9000), 10.0) == []


def test_records_of_endpoints_that_stay_are_kept():
    outliers = outliers_of("abc", consecutive=1)
    outliers.judge_runs({"a": 1}, 0.0)
    outliers.settle(Outlier(consecutive=9), "acd")
    assert [outliers.is_ejected(name) for name in "acd"] == [True, False, False]
    assert outliers.judge_runs({"c": 8}, 1.0) == []
