"""User names with parameters: what is put together comes apart again, and nothing else does."""

from hypothesis import given
from hypothesis import strategies as st

from limen.policy.identity.parameters import Wishes, split_name

KEYS = ("country", "region", "city", "provider", "session")
words = st.text("abcxyz019", min_size=1, max_size=6)
users = st.lists(words, min_size=1, max_size=3).map("-".join)
values = st.lists(words, min_size=1, max_size=2).map("-".join)


@given(users, st.dictionaries(st.sampled_from(KEYS), values))
def test_what_is_put_together_comes_apart(user: str, given_: dict[str, str]) -> None:
    name = "".join([user, *(f"-{key}-{value}" for key, value in given_.items())])
    wanted = {key: value.upper() if key == "country" else value for key, value in given_.items()}
    session = wanted.pop("session", "")
    assert split_name(name, KEYS) == (user, Wishes(tuple(sorted(wanted.items())), session))
    # who may not choose has a long name
    assert split_name(name, ()) == (name, Wishes())


@given(st.text(max_size=40), st.sets(st.sampled_from(KEYS)))
def test_any_name_is_a_name_or_none(name: str, allowed: set[str]) -> None:
    split = split_name(name, allowed)
    if split is not None:
        user, wishes = split
        assert name.startswith(user)
        assert {key for key, _ in wishes.labels} | ({"session"} if wishes.session else set()) <= allowed


def test_what_is_malformed() -> None:
    for name in (
        "a-country",
        "a-country-",
        "a-country-fr-country-de",
        "-country-fr",
        "a-session-b c",
        "a-session-" + "b" * 65,
    ):
        assert split_name(name, KEYS) is None, name
    assert split_name("country-fr", KEYS) == ("country-fr", Wishes())
