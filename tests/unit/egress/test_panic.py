"""When doubtful endpoints are used, and when backups come in instead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.egress.panic import NONE, Member, Relief, relief


def members(text):
    """`+`: well, `-`: doubtful, `x`: barred; `|` begins the next priority, `/` the backups."""
    found = []
    primaries, _, backups = text.partition("/")
    for priority, level in enumerate(primaries.split("|")):
        found += [Member(priority, False, 1, mark == "+", mark == "x") for mark in level]
    return found + [Member(0, True, 1, mark == "+", mark == "x") for mark in backups]


def panics(*priorities):
    return Relief(frozenset(priorities), backups=True)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("++++", NONE),
        ("++--", NONE),
        ("+---", panics(0)),
        ("----", panics(0)),
        ("-", panics(0)),
        # what is drained is no sign of illness
        ("+xxx", NONE),
        ("+-xx", NONE),
        ("-xxx", panics(0)),
        ("xxxx", NONE),
        # another priority takes over
        ("---|+++", NONE),
        ("---|+--", panics(0, 1)),
        ("+--|++-", NONE),
        ("---|++--", panics(0)),
        # a backup helps
        ("+---/+", Relief(called=True)),
        ("----/-+", Relief(called=True)),
        ("----/-", panics(0)),
        ("++--/+", NONE),
        # nothing but backups
        ("/++", NONE),
        ("/+--", Relief(backups=True)),
    ],
)
def test_relief(text, found):
    assert relief(members(text), panic_below=0.5, spill_below=0.7) == found


def test_by_weight():
    heavy = [Member(0, False, 3, True, False), Member(0, False, 1, False, False), Member(0, False, 1, False, False)]
    assert relief(heavy, panic_below=0.5, spill_below=0.7) == NONE


def test_a_priority_that_takes_everything_over_without_spilling():
    assert relief(members("---|+--"), panic_below=0.5, spill_below=0.0) == NONE


@given(st.text("+-x|/", max_size=12).filter(lambda text: text.count("/") < 2), st.floats(0, 1))
def test_zero_switches_it_off_and_nobody_well_is_ever_alone(text, spill):
    everybody = members(text)
    assert not relief(everybody, panic_below=0.0, spill_below=spill).panics
    found = relief(everybody, panic_below=0.5, spill_below=spill)
    usable = [
        member
        for member in everybody
        if not member.barred
        and (member.well or (found.backups if member.backup else member.priority in found.priorities))
    ]
    # as long as the operator leaves anything, something is used
    assert usable or all(member.barred for member in everybody)
