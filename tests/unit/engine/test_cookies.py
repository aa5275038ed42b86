"""Cookies that Limen sets: what was not signed here is nothing, whatever it looks like."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.config.models.steering import SetCookie
from limen.engine.cookies import Cookie
from limen.runtime.cookies import split_cookie, sticky_cookie, token

KEY, OTHER = "0123456789abcdef", "fedcba9876543210"
LABELS = [b"10.0.0.%d:80" % number for number in range(200)]


def values(labels, key=KEY, upstream="web"):
    return [token(key.encode(), (b"sticky", upstream.encode(), label)) for label in labels]


def test_a_value_stands_for_its_endpoint_wherever_it_was_made():
    cookie = sticky_cookie(SetCookie(key=(KEY,)), "web", LABELS, b"")
    assert [cookie.matches(value.encode()) for value in values(LABELS)] == list(range(200))
    shuffled = sticky_cookie(SetCookie(key=(OTHER, KEY)), "web", LABELS[::-1], b"")
    assert [shuffled.matches(value.encode()) for value in values(LABELS)] == list(range(199, -1, -1))
    assert {cookie.matches(value.encode()) for value in values(LABELS, OTHER)} == {-1}
    assert {cookie.matches(value.encode()) for value in values(LABELS, upstream="api")} == {-1}
    assert not any(b"10.0" in value.encode() for value in values(LABELS))


def test_without_a_key_the_secret_signs():
    one, same, other = (sticky_cookie(SetCookie(), "web", LABELS, secret) for secret in (b"a", b"a", b"b"))
    value = token(b"a", (b"sticky", b"web", LABELS[3])).encode()
    assert [cookie.matches(value) for cookie in (one, same, other)] == [3, 3, -1]


def test_names_by_default():
    assert sticky_cookie(SetCookie(), "web", LABELS, b"").name != sticky_cookie(SetCookie(), "api", LABELS, b"").name
    assert split_cookie(SetCookie(), ["a", "b"], b"").name == split_cookie(SetCookie(), ["b", "a"], b"").name
    assert sticky_cookie(SetCookie(name="own"), "web", LABELS, b"").name == b"own"


made = sticky_cookie(SetCookie(key=(KEY,)), "web", LABELS, b"")
signed = {value.encode() for value in values(LABELS)}


@settings(deadline=None)
@given(
    st.binary(max_size=64)
    | st.sampled_from(sorted(signed)).flatmap(
        lambda value: st.tuples(st.integers(0, 21), st.binary(max_size=2)).map(
            lambda change: value[: change[0]] + change[1] + value[change[0] + 1 :]
        )
    )
)
def test_forgeries_are_nothing(text):
    assert (made.matches(text) >= 0) == (text in signed)


def test_malformed_tokens_are_refused():
    with pytest.raises(ValueError, match="22 characters"):
        Cookie("own", [["short"]])
