"""Ejections over simulated time: whatever happens, the promises of docs/health.md hold."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from limen.config.models.health import Ejection, ErrorRate, Outlier, Slow
from limen.egress.outliers import Counts, Outliers

NAMES = [f"e{number}" for number in range(7)]


@st.composite
def outlier_settings(draw):
    base = draw(st.floats(0.1, 100.0))
    return Outlier(
        consecutive=draw(st.integers(0, 6)),
        error_rate=draw(st.one_of(st.none(), st.builds(ErrorRate, above=st.floats(0.1, 0.9), requests=st.just(10)))),
        slow=Slow(times=draw(st.floats(1.5, 5.0)), requests=10),
        ejection=Ejection(base=base, most=base * draw(st.floats(1.0, 20.0)), share=draw(st.floats(0.0, 1.0))),
    )


counts = st.builds(
    Counts,
    requests=st.integers(0, 100),
    failures=st.integers(0, 100),
    responses=st.integers(0, 100),
    nanoseconds=st.integers(0, 10**11),
)
steps = st.lists(
    st.tuples(
        st.sampled_from(["runs", "interval", "recall", "bar"]),
        st.floats(0.0, 200.0),
        st.dictionaries(st.sampled_from(NAMES), st.integers(0, 12)),
        st.dictionaries(st.sampled_from(NAMES), counts),
        st.frozensets(st.sampled_from(NAMES)),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(outlier_settings(), steps)
def test_promises(outlier, story):
    outliers = Outliers(outlier)
    outliers.settle(outlier, NAMES)
    ejection = outlier.ejection
    totals = dict.fromkeys(NAMES, Counts())
    now = 1000.0
    for kind, pause, runs, more, names in story:
        now += pause
        due = {name for name, record in outliers.records.items() if 0 < record.until <= now}
        assert set(outliers.end(now)) == due
        assert not any(outliers.is_ejected(name) for name in due)
        before = {name for name in NAMES if outliers.is_ejected(name)}
        gone = []
        if kind == "runs":
            gone = outliers.judge_runs(runs, now)
            assert all(outlier.consecutive and runs[name] >= outlier.consecutive for name in gone)
        elif kind == "interval":
            for name, count in more.items():
                old = totals[name]
                totals[name] = Counts(*(getattr(old, key) + getattr(count, key) for key in Counts.__slots__))
            gone = outliers.judge_interval(totals, now)
        elif kind == "recall":
            for name in names & before:
                outliers.recall(name, now)
                assert not outliers.is_ejected(name)
        else:
            outliers.barred = names
        for name in gone:
            record = outliers.records[name]
            assert name not in before
            assert name not in outliers.barred
            assert record.reason
            assert ejection.base - 1e-6 <= record.length <= ejection.most
            assert record.until == now + record.length
        if gone:
            counted = [name for name in NAMES if name not in outliers.barred]
            out = sum(outliers.is_ejected(name) for name in counted)
            assert out <= ejection.share * len(counted) + 1e-6
            assert outliers.room() >= 0


@given(st.floats(0.5, 60.0), st.integers(2, 12))
def test_ejections_in_a_row_double_up_to_the_most(base, times):
    outlier = Outlier(consecutive=3, ejection=Ejection(base=base, most=base * 10, share=1.0))
    outliers = Outliers(outlier)
    outliers.settle(outlier, ["a", "b"])
    now, lengths = 0.0, []
    for _ in range(times):
        assert outliers.judge_runs({"a": 3}, now) == ["a"]
        lengths.append(outliers.records["a"].length)
        assert outliers.judge_runs({"a": 99}, now + lengths[-1] / 2) == []
        assert outliers.end(now + lengths[-1] * 0.99) == []
        now += lengths[-1]
        assert outliers.end(now) == ["a"]
        # in a row: it had not been well for as long as it was out
        now += lengths[-1] * 0.9
    assert lengths == [min(base * 2.0**n, base * 10) for n in range(times)]
    now += lengths[-1] * 0.2
    assert outliers.judge_runs({"a": 3}, now) == ["a"]
    assert outliers.records["a"].length == base
    assert outliers.records["a"].times == times + 1
