"""Routes by the client hello against a naive evaluator."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.engine.service import Action
from limen.engine.tls._probe import find, find_host, fingerprint
from limen.engine.tls.passes import PassTable
from tests.unit.engine.tls.test_hello import hello

NAMES = ["a.example", "b.example", "x.a.example", "y.x.a.example", "example", "other"]
PATTERNS = [*NAMES, "*.a.example", "*.example", ".a.example", ".example", ".other"]
PROTOCOLS = ["h2", "http/1.1", "smtp"]
FINGERPRINTS = ["t13d*", "t13i*", "*h2_*", "*_000000000000", "q*"]
HELLOS = {
    (name, protocols): hello(name, protocols)
    for name in [*NAMES, None, "A.Example"]
    for protocols in [(), ("h2", "http/1.1"), ("smtp",)]
}


def fits(pattern, name):
    name = (name or "").lower()
    if pattern.startswith("*."):
        head, dot, rest = name.partition(".")
        return bool(head and dot) and rest == pattern[2:]
    if pattern.startswith("."):
        return name == pattern[1:] or name.endswith(pattern)
    return name == pattern


def naive(routes, name, protocols):
    ja4 = fingerprint(HELLOS[name, protocols]).decode()
    for number, (names, wanted, patterns) in enumerate(routes):
        if (
            (names is None or any(fits(pattern, name) for pattern in names))
            and (wanted is None or set(wanted) & set(protocols))
            and (patterns is None or any(fnmatchcase(ja4, pattern) for pattern in patterns))
        ):
            return number
    return -1


def table_of(routes):
    return PassTable([(*conditions, Action(str(number))) for number, conditions in enumerate(routes)])


ROUTES = st.lists(
    st.tuples(
        st.none() | st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3),
        st.none() | st.lists(st.sampled_from(PROTOCOLS), min_size=1, max_size=2),
        st.none() | st.lists(st.sampled_from(FINGERPRINTS), min_size=1, max_size=2),
    ),
    max_size=8,
)


@given(ROUTES, st.sampled_from(sorted(HELLOS, key=str)))
def test_against_a_naive_evaluator(routes, said):
    table = table_of(routes)
    assert find(table, HELLOS[said]) == naive(routes, *said)
    free = [number for number, conditions in enumerate(routes) if conditions == (None, None, None)]
    assert table.rest == (free[0] if free else -1)
    assert table.asks_ja4 == any(patterns for _, _, patterns in routes)


@given(ROUTES, st.sampled_from(NAMES))
def test_whose_every_hello_is_taken(routes, name):
    whole = [
        number
        for number, (names, protocols, patterns) in enumerate(routes)
        if protocols is None and patterns is None and (names is None or any(fits(one, name) for one in names))
    ]
    assert find_host(table_of(routes), name.encode()) == (whole[0] if whole else -1)


@pytest.mark.parametrize("name", ["A.example", "", "x" * 256])
def test_names_that_cannot_be(name):
    with pytest.raises(ValueError, match="lower case"):
        PassTable([([name], None, None, Action("x"))])
