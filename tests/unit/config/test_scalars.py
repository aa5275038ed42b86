"""scalars.py: what single values may be, from files and from Python."""

from pathlib import Path

import pytest

from limen.config import scalars
from limen.config.refusal import Expanded, Refused
from limen.config.scalars import Loading

FILE = Loading(Path("/base"))
PYTHON = Loading(Path(), from_file=False)


def test_durations_are_plain_numbers_in_python_only():
    scalar = scalars.duration("1s", "1h")
    assert scalar.parse("90s", FILE) == 90.0
    assert scalar.parse(90, PYTHON) == 90.0
    for value, loading in (
        (90, FILE),
        (True, PYTHON),
        ("2h", FILE),
        (0.5, PYTHON),
        (float("nan"), PYTHON),
        (None, FILE),
    ):
        with pytest.raises(Refused):
            scalar.parse(value, loading)


def test_variables_may_stand_for_numbers_and_flags():
    assert scalars.whole(1, 10).parse(Expanded("4", "${N}"), FILE) == 4
    assert scalars.size().parse(Expanded("4096", "${N}"), FILE) == 4096
    assert scalars.size().parse(Expanded("4KiB", "${N}"), FILE) == 4096
    for value in ("4", Expanded("four", "${N}"), Expanded("\u0664", "${N}"), Expanded("", "${N}"), True, 4.0):
        with pytest.raises(Refused):
            scalars.whole(1, 10).parse(value, FILE)


def test_optional_values_come_back():
    scalar = scalars.optional(scalars.size())
    assert scalar.parse("none", FILE) is None
    assert scalar.parse(None, FILE) is None
    assert scalar.parse("1KiB", FILE) == 1024
    assert (scalar.write(None), scalar.write(1024)) == (None, "1KiB")


def test_near_words():
    assert scalars.near("wbe", ("web", "api")) == "did you mean 'web'?"
    assert scalars.near("zzz", ("web", "api")) == ""
    assert scalars.either(("a",)) == "a"
    assert scalars.either(("a", "b", "c")) == "a, b or c"
