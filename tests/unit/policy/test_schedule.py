"""Windows of the week: which are open, and when that changes next."""

from __future__ import annotations

import random
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from limen.policy.schedule import flags, is_open, next_change
from limen.policy.specs import Window

PARIS = "Europe/Paris"
WORKDAYS = frozenset(range(5))
EVERY_DAY = frozenset(range(7))


def at(text: str, zone: str = PARIS, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def window(start: str, end: str, days: frozenset[int] = EVERY_DAY, zone: str = PARIS) -> Window:
    return Window(days, minutes(start), minutes(end), zone)


OFFICE = window("08:00", "18:00", WORKDAYS)
NIGHT = window("22:00", "06:00", frozenset([4]))  # from Friday into Saturday


@pytest.mark.parametrize(
    ("spec", "when", "expected"),
    [
        (OFFICE, "2026-03-02T08:00", True),  # a Monday
        (OFFICE, "2026-03-02T07:59:59", False),
        (OFFICE, "2026-03-02T17:59:59", True),
        (OFFICE, "2026-03-02T18:00", False),
        (OFFICE, "2026-03-01T12:00", False),
        (NIGHT, "2026-03-06T21:59", False),
        (NIGHT, "2026-03-06T22:00", True),
        (NIGHT, "2026-03-07T05:59", True),
        (NIGHT, "2026-03-07T06:00", False),
        (NIGHT, "2026-03-06T05:00", False),
        (NIGHT, "2026-03-07T23:00", False),
        (window("00:00", "24:00", frozenset([6])), "2026-03-01T23:59:59", True),
        (window("00:00", "24:00", frozenset([6])), "2026-03-02T00:00", False),
    ],
)
def test_is_open(spec: Window, when: str, expected: bool) -> None:
    assert is_open(spec, at(when)) is expected


def test_zones() -> None:
    noon_utc = at("2026-07-01T12:00", "UTC")
    assert (
        flags([window("14:00", "15:00"), window("12:00", "13:00"), window("12:00", "13:00", zone="UTC")], noon_utc)
        == b"\1\0\1"
    )


def test_next_change() -> None:
    assert next_change([OFFICE], at("2026-03-02T07:00")) == at("2026-03-02T08:00")
    assert next_change([OFFICE], at("2026-03-02T08:00")) == at("2026-03-02T18:00")
    assert next_change([OFFICE], at("2026-03-06T18:00")) == at("2026-03-09T08:00")
    assert next_change([NIGHT], at("2026-03-07T06:00")) == at("2026-03-13T22:00")
    assert next_change([OFFICE, NIGHT], at("2026-03-06T18:00")) == at("2026-03-06T22:00")
    assert next_change([], 0.0) is None
    assert next_change([window("00:00", "24:00")], at("2026-03-02T07:00")) is None


def test_skipped_hour() -> None:
    # On 2026-03-29 Paris goes from 02:00 straight to 03:00.
    night = window("02:15", "02:45")
    assert next_change([night], at("2026-03-28T12:00")) == at("2026-03-30T02:15")
    across = window("01:30", "02:30")
    assert next_change([across], at("2026-03-29T01:45")) == at("2026-03-29T03:00")


def test_repeated_hour() -> None:
    # On 2026-10-25 Paris goes from 03:00 back to 02:00.
    night = window("02:15", "02:45")
    now = at("2026-10-25T00:00")
    changes = []
    for _ in range(4):
        change = next_change([night], now)
        assert change is not None
        now = change
        changes.append(now)
    first, second = (0, 1)
    assert changes == [at(f"2026-10-25T02:{minute}", fold=fold) for fold in (first, second) for minute in (15, 45)]
    ending = window("01:00", "02:30")
    assert next_change([ending], at("2026-10-25T02:30")) == at("2026-10-25T02:00", fold=1)


@pytest.mark.parametrize(
    "zone", [PARIS, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"]
)
def test_no_change_is_missed(zone: str) -> None:
    source = random.Random(zone)
    for _ in range(12):
        windows = [
            Window(
                frozenset(source.sample(range(7), source.randint(1, 7))),
                source.randrange(1440),
                source.randrange(1, 1441),
                zone,
            )
            for _ in range(2)
        ]
        start = source.choice([at("2026-03-08T00:00", "UTC"), at("2026-03-28T18:00", "UTC"), at("2026-04-04T12:00", "UTC"),
                               at("2026-10-24T20:00", "UTC"), at("2026-11-01T00:00", "UTC"), at("2026-06-01T00:00", "UTC")])  # fmt: skip
        # Every minute of a day and a half: the flags change exactly where next_change says.
        now, expected = start, next_change(windows, start)
        while now < start + 36 * 3600:
            later = now + 60
            if flags(windows, later) != flags(windows, now):
                assert expected == later
                expected = next_change(windows, later)
            now = later
        assert expected is None or expected > now
