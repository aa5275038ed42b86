"""units.py: durations and sizes, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.config.refusal import Refused
from limen.config.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5.0),
        ("250ms", 0.25),
        ("1m30s", 90.0),
        ("24h", 86400.0),
        ("1d", 86400.0),
        ("1.5h", 5400.0),
        ("0s", 0.0),
        ("10us", 0.00001),
        ("1h2m3s4ms5us", 3723.004005),
    ],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 s", "-5s", "5S", "1s1m", "1s1s", "5sec", "\u0665s", "9" * 50 + "s", "5s\n"]
)
def test_no_durations(text):
    with pytest.raises(Refused):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("500B", 500),
        ("64KiB", 65536),
        ("16MiB", 16777216),
        ("1GiB", 1 << 30),
        ("10kB", 10000),
        ("10KB", 10000),
        ("1MB", 1000000),
        ("1.5KiB", 1536),
        ("64 KiB", 65536),
        ("0B", 0),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "5", "B", "-5B", "8k", "8K", "1.5B", "1TB", "\u0665B", "9" * 50 + "B"])
def test_no_sizes(text):
    with pytest.raises(Refused):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "hint"), [("8k", "8KiB"), ("8M", "8MiB"), ("2gb", "2GiB"), ("100", "100B"), ("16mib", "16MiB")]
)
def test_sizes_with_a_wrong_unit_are_mended(text, hint):
    with pytest.raises(Refused) as caught:
        parse_size(text)
    assert caught.value.hint == f"did you mean {hint}?"


@given(st.floats(min_value=0, max_value=400 * 86400, allow_nan=False))
def test_every_duration_comes_back(seconds):
    if seconds < 1e-15:  # more digits than a duration may have
        seconds = 0.0
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, abs=1e-12)


@given(st.integers(min_value=0, max_value=400 * 86400 * 10**6))
def test_every_duration_of_whole_microseconds_comes_back_exactly(microseconds):
    seconds = microseconds / 10**6
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(min_value=0, max_value=1 << 60))
def test_every_size_comes_back_exactly(size):
    assert parse_size(format_size(size)) == size


def test_formats_are_short():
    assert [format_duration(value) for value in (5.0, 0.25, 90.0, 86400.0, 0.0)] == [
        "5s",
        "250ms",
        "1m30s",
        "24h",
        "0s",
    ]
    assert [format_size(value) for value in (500, 65536, 65537, 0)] == ["500B", "64KiB", "65537B", "0B"]
