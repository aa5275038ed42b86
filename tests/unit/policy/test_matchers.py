"""Which condition covers which, and routes that nothing reaches."""

from __future__ import annotations

import pytest

from limen.policy.matchers import covers, covers_clients, covers_conditions, covers_hosts, path_key, path_keys_above
from limen.policy.routes import find_unreachable
from limen.policy.specs import PathKind, PlaceSpec, RouteSpec

NONE, PREFIX, EXACT, PATTERN, REGEX = PathKind.NONE, PathKind.PREFIX, PathKind.EXACT, PathKind.PATTERN, PathKind.REGEX


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ((), (), True),
        ((), ("a.b",), True),
        (("a.b",), (), False),
        (("*",), (), True),
        (("a.b",), ("A.B.",), True),
        (("*.b",), ("a.b",), True),
        (("*.b",), ("x.a.b",), True),
        (("*.b",), ("b",), False),
        (("*.b",), ("*.b",), True),
        (("*.b",), ("*.a.b",), True),
        (("*.a.b",), ("*.b",), False),
        (("a.b",), ("*.b",), False),
        (("*.b", "c"), ("a.b", "c"), True),
        (("*.b",), ("a.b", "c"), False),
        (("[::1]",), ("::1",), True),
    ],
)
def test_hosts(wide: tuple[str, ...], narrow: tuple[str, ...], expected: bool) -> None:
    assert covers_hosts(wide, narrow) is expected


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ((NONE, ""), (EXACT, "/a"), True),
        ((NONE, ""), (REGEX, "x"), True),
        ((PREFIX, "/"), (NONE, ""), False),
        ((PREFIX, "/"), (EXACT, "/a"), True),
        ((PREFIX, "/a"), (PREFIX, "/a/b"), True),
        ((PREFIX, "/a"), (PREFIX, "/a/"), True),
        ((PREFIX, "/a/"), (PREFIX, "/a"), False),
        ((PREFIX, "/a"), (PREFIX, "/ab"), False),
        ((PREFIX, "/a"), (EXACT, "/a"), True),
        ((PREFIX, "/a/"), (EXACT, "/a/"), True),
        ((EXACT, "/a"), (PREFIX, "/a"), False),
        ((EXACT, "/a/%7e"), (EXACT, "/a/~"), True),
        ((PREFIX, "/a"), (PATTERN, "/a/*"), True),
        ((PREFIX, "/a"), (PATTERN, "/a*"), False),
        ((PREFIX, "/a"), (PATTERN, "/a/../b/*"), False),
        ((PREFIX, "/"), (PATTERN, "**"), False),
        ((PATTERN, "/*"), (PATTERN, "/*"), True),
        ((PATTERN, "/**"), (EXACT, "/a"), False),  # true, but not shown
        ((REGEX, "a"), (REGEX, "a"), True),
        ((PREFIX, "/"), (REGEX, "/a"), False),
    ],
)
def test_paths(wide: tuple[PathKind, str], narrow: tuple[PathKind, str], expected: bool) -> None:
    wide_key = path_key(RouteSpec(path_kind=wide[0], path=wide[1]))
    narrow_key = path_key(RouteSpec(path_kind=narrow[0], path=narrow[1]))
    assert (wide_key in path_keys_above(narrow_key)) is expected


def test_conditions() -> None:
    assert covers_conditions((), (("a", "1"),), fold=True)
    assert covers_conditions((("A", True),), (("a", "1"),), fold=True)
    assert not covers_conditions((("A", True),), (("a", "1"),), fold=False)
    assert not covers_conditions((("a", True),), (("a", False),), fold=True)
    assert covers_conditions((("a", False),), (("a", False), ("b", "1")), fold=True)
    assert not covers_conditions((("a", "1"),), (("a", True),), fold=True)
    assert not covers_conditions((("a", "1"),), (), fold=True)


def test_clients() -> None:
    assert covers_clients((), ("10.0.0.0/8",))
    assert not covers_clients(("10.0.0.0/8",), ())
    assert covers_clients(("10.0.0.0/8", "::/0"), ("10.1.0.0/16", "2001:db8::1"))
    assert not covers_clients(("10.0.0.0/8",), ("10.1.0.0/16", "11.0.0.0/8"))
    assert not covers_clients(("::/0",), ("::ffff:10.0.0.0/104",))
    assert covers_clients(("10.0.0.0/8",), ("::ffff:10.0.0.0/104",))


def test_methods() -> None:
    assert covers(RouteSpec(), RouteSpec(methods=("GET",)))
    assert covers(RouteSpec(methods=("GET", "HEAD")), RouteSpec(methods=("GET",)))
    assert not covers(RouteSpec(methods=("GET",)), RouteSpec())


def test_find_unreachable() -> None:
    routes = [
        RouteSpec(hosts=("*.example.com",), path_kind=PREFIX, path="/api"),
        RouteSpec(hosts=("a.example.com", "b.example.com"), path_kind=PREFIX, path="/api/v1"),
        RouteSpec(hosts=("example.com",), path_kind=PREFIX, path="/api/v1"),
        RouteSpec(path_kind=PREFIX, path="/"),
        RouteSpec(hosts=("x.y",), path_kind=EXACT, path="/z", methods=("GET",)),
        RouteSpec(),
        RouteSpec(hosts=("late.example",)),
    ]
    assert find_unreachable(routes) == [(1, 0), (4, 3), (6, 5)]
    assert find_unreachable([]) == []


def test_find_unreachable_among_many() -> None:
    routes = [RouteSpec(hosts=(f"h{i}.example",), path_kind=PREFIX, path=f"/p{i}") for i in range(5000)]
    routes += [RouteSpec(hosts=("h7.example",), path_kind=EXACT, path="/p7/x")]
    assert find_unreachable(routes) == [(5000, 7)]


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        (None, PlaceSpec(("FR",)), True),
        (PlaceSpec(("FR",)), None, False),
        (PlaceSpec(("FR", "DE")), PlaceSpec(("FR",), regions=("eu",)), True),
        (PlaceSpec(("FR",)), PlaceSpec(("FR", "DE")), False),
        (PlaceSpec(continents=("EU",)), PlaceSpec(("FR",)), False),
        (PlaceSpec(asns=(1, 2)), PlaceSpec(asns=(2,)), True),
        (PlaceSpec(regions=("eu",)), PlaceSpec(regions=("us",)), False),
    ],
)
def test_places(wide, narrow, expected):
    assert covers(RouteSpec(place=wide), RouteSpec(place=narrow)) is expected
