"""Routes by the client hello against a naive evaluator."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.engine.service import Action
from limen.engine.tls._probe import find
from limen.engine.tls.passes import PassTable
from tests.unit.engine.tls.test_hello import hello

NAMES = ["a.example", "b.example", "x.a.example", "y.x.a.example", "example", "other"]
PATTERNS = [*NAMES, "*.a.example", "*.example", ".a.example", ".example", ".other"]
PROTOCOLS = ["h2", "http/1.1", "smtp"]
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
    for number, (names, wanted) in enumerate(routes):
        if (names is None or any(fits(pattern, name) for pattern in names)) and (
            wanted is None or set(wanted) & set(protocols)
        ):
            return number
    return -1


ROUTES = st.lists(
    st.tuples(
        st.none() | st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3),
        st.none() | st.lists(st.sampled_from(PROTOCOLS), min_size=1, max_size=2),
    ),
    max_size=8,
)


@given(ROUTES, st.sampled_from(sorted(HELLOS, key=str)))
def test_against_a_naive_evaluator(routes, said):
    table = PassTable([(names, wanted, Action(str(number))) for number, (names, wanted) in enumerate(routes)])
    assert find(table, HELLOS[said]) == naive(routes, *said)


@pytest.mark.parametrize("name", ["A.example", "", "x" * 256])
def test_names_that_cannot_be(name):
    with pytest.raises(ValueError, match="lower case"):
        PassTable([([name], None, Action("x"))])
