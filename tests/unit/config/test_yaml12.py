"""yaml12.py: the core schema of YAML 1.2, places, and bounds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.config import yaml12
from limen.config.positions import Positions


def read(text):
    return yaml12.read(text, lambda value: value)


def tree(text):
    outcome = read(text)
    assert outcome.problems == []
    return outcome.tree


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("~", None),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("12", 12),
        ("-3", -3),
        ("+3", 3),
        ("007", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("08:00", "08:00"),
        ("22:30:00", "22:30:00"),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        (".inf", ".inf"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ("!!int '12'", 12),
        ("<", "<"),
        ("5s", "5s"),
        ("9" * 41, "9" * 41),
    ],
)
def test_scalars(text, value):
    read_value = tree(f"a: {text}")["a"]
    assert read_value == value
    assert isinstance(read_value, type(value))


def test_numbers_remember_how_they_were_written():
    values = tree("[007, 1.10, 0x1F, 12]")
    assert [getattr(value, "text", None) for value in values] == ["007", "1.10", "0x1F", None]


def test_keys_are_text():
    assert tree("{on: 1, 80: 2, null: 3, true: 4}") == {"on": 1, "80": 2, "null": 3, "true": 4}


def test_places():
    positions = Positions(tree("a:\n  - b: 1\n    c: [x, yy]\n"))
    assert positions.find(("a", 0, "c", 1)) == ((3, 12), ("a", 0, "c", 1))
    assert positions.find(("a", 0, "c"), key=True) == ((3, 5), ("a", 0, "c"))
    assert positions.find(("a", 0, "missing", "deeper")) == ((2, 5), ("a", 0))


def test_anchors_and_merges():
    text = "base: &base {a: 1, b: 2}\nuse: *base\nmerged: {<<: *base, b: 3}\ntwo: {<<: [{c: 4}, *base]}\nk: &k key\n? *k\n: 5\n"
    assert tree(text) == {
        "base": {"a": 1, "b": 2},
        "use": {"a": 1, "b": 2},
        "merged": {"a": 1, "b": 3},
        "two": {"c": 4, "a": 1, "b": 2},
        "k": "key",
        "key": 5,
    }


def test_billion_laughs_are_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    outcome = read("\n".join(lines))
    assert [problem.message for problem in outcome.problems] == ["aliases stand for more than 100000 values"]


def test_merges_cannot_multiply_either():
    lines = ["a0: &a0 {" + ", ".join(f"k{n}: v" for n in range(100)) + "}"]
    lines += [f"b{n}: {{<<: *a0}}" for n in range(2000)]
    assert read("\n".join(lines)).problems


@pytest.mark.parametrize("text", ["[" * 100 + "]" * 100, "[" * 200_000, "{a: " * 100 + "}" * 100, "- " * 5000 + "a"])
def test_depth_is_bounded(text):
    assert [problem.message for problem in read(text).problems] == ["nested deeper than 64 levels"]


def test_all_duplicates_are_found_and_the_first_stays():
    outcome = read("a: 1\na: 2\nb: {c: 1, c: [1, 2]}\na: {d: 1}\n")
    assert [problem.path for problem in outcome.problems] == [("a",), ("b", "c"), ("a",)]
    assert outcome.tree == {"a": 1, "b": {"c": 1}}


def test_first_bad_character_has_its_place():
    problem = read("a: 1\nb: \x07\n").problems[0]
    assert problem.place == (2, 4)
    assert read("a: \ud800").problems


@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@`#,? \n\t0.~<$", max_size=60))
def test_any_text_gives_an_outcome(text):
    outcome = read(text)
    assert outcome.problems or outcome.tree is None or isinstance(outcome.tree, str | int | float | list | dict)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers())
def test_numbers_are_read_as_python_reads_them(number, whole):
    assert math.isclose(float(str(yaml12.resolve(repr(number)))), number)
    if len(str(whole)) <= 40:
        assert yaml12.resolve(str(whole)) == whole
