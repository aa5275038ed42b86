"""refusal.py: how values are shown to people."""

import pytest

from limen.config.refusal import SHOWN_CHARACTERS, Expanded, Refused, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "'a'"),
        ("it's", '"it\'s"'),
        ("a\nb", "'a\\nb'"),
        (5, "5"),
        (1.5, "1.5"),
        (True, "true"),
        (None, "nothing"),
        ({"a": 1}, "a mapping"),
        ([1], "a list"),
        (Expanded("s3cret", "${TOKEN}"), "'${TOKEN}'"),
    ],
)
def test_shown(value, text):
    assert shown(value) == text


@pytest.mark.parametrize("value", ["x" * 1000, "it's" * 100, 10**100])
def test_long_values_are_shortened(value):
    assert len(shown(value)) <= SHOWN_CHARACTERS + 1
    assert shown(value)[-4:].strip("'\"")[-3:] == "..."


def test_refusals_point_into_the_value():
    assert Refused("x").at == ()
    assert Refused("x", at="key").at == ("key",)
    assert Refused("x", at=("key", 1)).at == ("key", 1)
