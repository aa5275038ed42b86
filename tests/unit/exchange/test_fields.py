"""Fields: a multi-dictionary that refuses what would break a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.exchange import Fields

LINES = [("Host", "h"), ("Accept", "a"), ("X", "1"), ("ACCEPT", "b"), ("Content-Length", "5")]


def test_reading_ignores_case_and_keeps_order() -> None:
    fields = Fields(LINES)
    assert fields.get("accept") == "a" == fields["aCCept"]
    assert fields.get_all("Accept") == ["a", "b"]
    assert fields.get("none") is None and fields.get("none", "x") == "x"
    assert "HOST" in fields and "none" not in fields and 3 not in fields
    assert list(fields) == fields.items() == LINES and len(fields) == 5
    with pytest.raises(KeyError):
        fields["none"]
    assert not fields.changed


def test_set_takes_the_place_of_the_first() -> None:
    fields = Fields(LINES)
    fields.set("Accept", " c\t")
    fields["New"] = "n"
    assert fields.items() == [("Host", "h"), ("Accept", "c"), ("X", "1"), ("Content-Length", "5"), ("New", "n")]
    assert fields.changed
    assert repr(fields) == "<Fields: 5 lines, changed>"


def test_add_and_remove() -> None:
    fields = Fields(LINES)
    fields.add("X", "2")
    assert fields.get_all("x") == ["1", "2"]
    assert fields.remove("x") == 2 and fields.remove("x") == 0
    del fields["accept"]
    with pytest.raises(KeyError):
        del fields["accept"]
    assert fields.items() == [("Host", "h"), ("Content-Length", "5")]


def test_removing_what_is_not_there_changes_nothing() -> None:
    fields = Fields(LINES)
    fields.remove("none")
    assert not fields.changed


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "é", "\x00", "a\x7f", "(a)"])
def test_malformed_names_are_refused(name: str) -> None:
    for write in (Fields().set, Fields().add):
        with pytest.raises(ValueError, match="not a field name"):
            write(name, "x")


@pytest.mark.parametrize(
    "name",
    ["Content-Length", "transfer-encoding", "CONNECTION", "Keep-Alive", "Upgrade", "TE", "Trailer", "Host",
     "Proxy-Connection", "HTTP2-Settings"],
)  # fmt: skip
def test_framing_is_not_for_hooks(name: str) -> None:
    fields = Fields([(name, "x")])
    for write in (lambda: fields.set(name, "y"), lambda: fields.add(name, "y"), lambda: fields.remove(name)):
        with pytest.raises(ValueError, match=r"framing|request.host"):
            write()
    assert fields.items() == [(name, "x")]


@given(st.text(min_size=1))
def test_a_value_is_one_line_of_latin_1_or_refused(value: str) -> None:
    fields = Fields()
    try:
        fields.set("X", value)
    except ValueError:
        assert any(ord(c) > 255 or ord(c) == 127 or (ord(c) < 32 and c != "\t") for c in value)
    else:
        kept = fields["X"].encode("latin-1")
        assert not set(kept) & {*range(9), *range(10, 32), 127}


def test_checked_takes_mappings_and_pairs() -> None:
    assert Fields.checked({"A": "1"}).items() == [("A", "1")]
    assert Fields.checked([("A", "1"), ("a", "2")]).items() == [("A", "1"), ("a", "2")]
    with pytest.raises(ValueError, match="control"):
        Fields.checked({"A": "1\r\nSet-Cookie: x"})
