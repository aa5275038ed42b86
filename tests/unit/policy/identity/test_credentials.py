"""Credentials are read strictly: whatever is malformed is nobody's, and nothing raises."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.exchange.identity import Credentials, ShownCertificate
from limen.policy.identity.credentials import (
    LONGEST_NAME,
    LONGEST_PASSWORD,
    LONGEST_TICKET,
    LONGEST_TOKEN,
    is_good_once,
    parse_field,
    parse_pair,
)


def basic(pair: bytes, scheme: bytes = b"Basic") -> bytes:
    return scheme + b" " + base64.b64encode(pair)


@pytest.mark.parametrize(
    ("field", "name", "password"),
    [
        (basic(b"alice:wonderland"), "alice", "wonderland"),
        (basic(b"alice:a:b:c"), "alice", "a:b:c"),
        (basic(b"alice:"), "alice", ""),
        (basic(b"alice:x", b"bAsIc"), "alice", "x"),
        (b"Basic   " + base64.b64encode(b"alice:x") + b"  ", "alice", "x"),
        (basic("José:ñ".encode()), "José", "ñ"),
        # no UTF-8: Latin-1, as older clients send it
        (basic("José:ñ".encode("latin-1")), "José", "ñ"),
        # one name, however it is composed
        (basic("Jose\u0301:x".encode()), "José", "x"),
        (basic(b"two words:x"), "two words", "x"),
        (basic(b"a" * LONGEST_NAME + b":" + b"p" * LONGEST_PASSWORD), "a" * LONGEST_NAME, "p" * LONGEST_PASSWORD),
    ],
)
def test_basic(field, name, password):
    assert parse_field(field) == Credentials("basic", name, password)


@pytest.mark.parametrize(
    "field",
    [
        b"",
        b"Basic",
        b"Basic ",
        b"Basic \xff\xfe",
        b"Basic not base64!",
        b"Basic YWxpY2U6eA",  # padding is missing
        b"Basic YWxp Y2U6eA==",
        basic(b"alice"),  # no colon
        basic(b":x"),
        basic(b"a\0b:x"),
        basic(b"a\nb:x"),
        basic("a\x85b:x".encode()),
        basic(b"a" * (LONGEST_NAME + 1) + b":x"),
        basic(b"a:" + b"p" * (LONGEST_PASSWORD + 1)),
        b"Bearer",
        b"Bearer a b",
        b"Bearer a,b",
        b"Bearer \xe9",
        b"Bearer " + b"a" * (LONGEST_TOKEN + 1),
        b"Digest",
        b"Negotiate",
        b"Negotiate ",
        b"Negotiate a b",
        b"Negotiate " + b"a" * (LONGEST_TICKET + 1),
    ],
)
def test_malformed(field):
    assert parse_field(field) is None


def test_tokens_and_others():
    shown = ShownCertificate("CN=a", "00", (), b"")
    assert parse_field(b"Bearer a.b-c_d~e+f/g==", shown) == Credentials(
        "bearer", token="a.b-c_d~e+f/g==", certificate=shown
    )
    assert parse_field(b"Negotiate YII=") == Credentials("negotiate", token="YII=")
    assert parse_pair(b"alice", b"a\xff") == Credentials("basic", "alice", "a\xff")


def test_what_is_good_once():
    for field in (b"Negotiate YII=", b" \tnegotiate YII=", b"NEGOTIATE"):
        assert is_good_once(field)
    for field in (None, b"", b"Basic YII=", b"Bearer Negotiate"):
        assert not is_good_once(field)
    ticket = b"a" * LONGEST_TICKET
    assert parse_field(b"nEgOtIaTe " + ticket) == Credentials("negotiate", token=ticket.decode())


def test_secrets_do_not_show():
    text = repr(parse_field(basic(b"alice:wonderland"))) + repr(parse_field(b"Bearer abcdef"))
    assert "alice" in text
    assert "wonderland" not in text
    assert "abcdef" not in text


@given(st.binary(max_size=200))
def test_anything(field):
    found = parse_field(field)
    assert found is None or found.scheme


@given(
    st.text(
        st.characters(min_codepoint=32, exclude_characters=":\x7f", exclude_categories=["Cc", "Cs"]),
        min_size=1,
        max_size=40,
    ),
    st.text(max_size=40),
)
def test_every_pair_in_utf8(name, password):
    import unicodedata

    if any("\ud800" <= character <= "\udfff" for character in password):
        return
    assert parse_field(basic(f"{name}:{password}".encode())) == Credentials(
        "basic", unicodedata.normalize("NFC", name), password
    )
