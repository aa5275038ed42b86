"""Numbers and dates as text, against Python's own."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from limen.engine import _observe_probe as probe


@given(st.integers(0, 2**64 - 1) | st.integers(0, 19).map(lambda power: 10**power) | st.integers(0, 10**5))
def test_number(value: int) -> None:
    assert probe.number(value) == str(value).encode()


def test_number_at_the_powers_of_ten() -> None:
    for power in range(20):
        for value in (10**power - 1, 10**power, 10**power + 1):
            assert probe.number(value) == str(value).encode()
    assert probe.number(2**64 - 1) == b"18446744073709551615"


@given(st.integers(0, 2**64 - 1) | st.integers(0, 10**10))
def test_seconds(nanoseconds: int) -> None:
    whole, rest = divmod(nanoseconds // 1000, 10**6)
    assert probe.seconds(nanoseconds) == f"{whole}.{rest:06}".encode()


@given(st.integers(0, 2_900_000))
def test_date(days: int) -> None:
    expected = date(1970, 1, 1) + timedelta(days)
    assert probe.date(days) == (expected.year, expected.month, expected.day)
