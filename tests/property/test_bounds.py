"""Bandwidths and quotas as text, there and back; anything else is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.config.rates import PERIODS, Quota, format_bandwidth, parse_bandwidth, parse_quota
from limen.config.refusal import Refused


@given(st.integers(1024, 100 * 1024**3))
def test_a_bandwidth_there_and_back(speed):
    assert parse_bandwidth(format_bandwidth(speed)) == speed


@given(st.integers(1, 10**17), st.sampled_from(PERIODS), st.booleans())
def test_a_quota_there_and_back(amount, period, requests):
    quota = Quota(amount, period, requests)
    assert parse_quota(str(quota)) == quota


@given(st.text(max_size=20))
def test_whatever_is_written_is_a_bound_or_refused(text):
    for parse in (parse_bandwidth, parse_quota):
        try:
            found = parse(text)
        except Refused:
            continue
        assert (found if isinstance(found, int) else found.amount) >= 1


@pytest.mark.parametrize("text", ["", "/", "10MiB", "10MiB/m", "0B/s", "1B/s", "101GiB/s", "-1MiB/s"])
def test_no_bandwidth(text):
    with pytest.raises(Refused):
        parse_bandwidth(text)


@pytest.mark.parametrize("text", ["", "/d", "10GiB/w", "0/d", "10 /", "1e3/h", "9223372036854775808/d"])
def test_no_quota(text):
    with pytest.raises(Refused):
        parse_quota(text)
