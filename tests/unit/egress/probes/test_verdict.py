"""Rows of findings: rise, fall, and the first that decides at once."""

from hypothesis import given
from hypothesis import strategies as st

from limen.egress.probes.verdict import Verdict


def told(verdict, marks):
    return "".join(("U" if verdict.up else "D") if verdict.take(passed=mark == "+") else "." for mark in marks)


def test_the_first_finding_decides_at_once():
    assert told(Verdict(3, 3), "+++") == "U.."
    assert told(Verdict(3, 3), "---") == "D.."


def test_later_ones_count_in_rows():
    assert told(Verdict(rise=2, fall=3), "+--+---+-++") == "U.....D...U"
    assert told(Verdict(rise=1, fall=1), "+-+-") == "UDUD"


@given(st.integers(1, 5), st.integers(1, 5), st.lists(st.booleans(), min_size=1, max_size=60))
def test_against_a_model(rise, fall, findings):
    verdict = Verdict(rise, fall)
    expected = findings[0]
    for number, passed in enumerate(findings):
        needed = rise if passed else fall
        row = findings[max(0, number - needed + 1) : number + 1]
        if passed != expected and len(row) == needed and set(row) == {passed}:
            expected = passed
        verdict.take(passed=passed)
        assert verdict.up == expected
