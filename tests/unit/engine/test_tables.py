"""RouteTable: which route takes a request."""

from __future__ import annotations

import re

import pytest

from limen.engine._tables_probe import match
from limen.engine.tables import RouteTable, normal_path, normal_pattern
from limen.policy.specs import PathKind, RouteSpec

PREFIX, EXACT, PATTERN, REGEX = PathKind.PREFIX, PathKind.EXACT, PathKind.PATTERN, PathKind.REGEX


def takes(spec: RouteSpec, **request: object) -> bool:
    return match(RouteTable([spec]), **request) == 0


def test_no_routes() -> None:
    assert match(RouteTable()) == -1
    assert match(RouteTable([]), host=b"a", path=b"/a/b") == -1


def test_actions_and_length() -> None:
    table = RouteTable([RouteSpec("a"), RouteSpec("b")])
    assert table.actions == ["a", "b"]
    assert len(table) == 2
    assert table.errors == 0


def test_route_without_conditions_takes_everything() -> None:
    for request in ({}, {"host": b"x.y", "path": b"/z"}, {"path": b"*", "method": b"OPTIONS"}, {"path": b""}):
        assert takes(RouteSpec(), **request)


@pytest.mark.parametrize(
    ("hosts", "host", "expected"),
    [
        (("example.com",), "example.com", True),
        (("EXAMPLE.com.",), "example.com", True),
        (("example.com",), "www.example.com", False),
        (("example.com",), "", False),
        (("*.example.com",), "www.example.com", True),
        (("*.example.com",), "a.b.c.example.com", True),
        (("*.example.com",), "example.com", False),
        (("*.example.com",), "notexample.com", False),
        (("*.example.com",), ".example.com", True),  # never parsed as a host, but must not crash
        (("a", "b", "*.c"), "x.c", True),
        (("a", "*"), "whatever", True),
        (("[::1]",), "::1", True),
        (("127.0.0.1",), "127.0.0.1", True),
        (("*.com",), "com", False),
    ],
)
def test_hosts(hosts: tuple[str, ...], host: str, expected: bool) -> None:
    assert takes(RouteSpec(hosts=hosts), host=host.encode()) is expected


@pytest.mark.parametrize(
    ("kind", "value", "path", "expected"),
    [
        (PREFIX, "/v1", "/v1", True),
        (PREFIX, "/v1", "/v1/", True),
        (PREFIX, "/v1", "/v1/x", True),
        (PREFIX, "/v1", "/v1x", False),
        (PREFIX, "/v1", "/v", False),
        (PREFIX, "/v1/", "/v1/x", True),
        (PREFIX, "/v1/", "/v1/", True),
        (PREFIX, "/v1/", "/v1", False),
        (PREFIX, "/v1/", "/v1//x", True),
        (PREFIX, "/v1//", "/v1//x", True),
        (PREFIX, "/v1//", "/v1/x", False),
        (PREFIX, "/v1//x", "/v1//x/y", True),
        (PREFIX, "/", "/", True),
        (PREFIX, "/", "/anything", True),
        (PREFIX, "/", "*", False),
        (PREFIX, "//", "//a", True),
        (PREFIX, "/a/b/c/d", "/a/b/c/d/e", True),
        (PREFIX, "/a/b/c/d", "/a/b/c", False),
        (PREFIX, "/%7Ea/./b", "/~a/b/c", True),
        (PREFIX, "/caf\xe9", "/caf%C3%A9/x", True),
        (EXACT, "/a/b", "/a/b", True),
        (EXACT, "/a/b", "/a/b/", False),
        (EXACT, "/a/../b", "/b", True),
        (PATTERN, "/a/*/c", "/a/b/c", True),
        (PATTERN, "/a/*/c", "/a/b/d/c", False),
        (PATTERN, "/*.css", "/site.css", True),
        (PATTERN, "/a?c", "/abc", True),
        (PATTERN, "**.css", "/x/y.css", True),
        (PATTERN, "**", "*", True),
        (PATTERN, "/plain", "/plain", True),
        (PATTERN, "/plain", "/plain/x", False),
        (REGEX, r"/u/\d+", "/u/12", True),
        (REGEX, r"/u/\d+", "/u/12/", False),
        (REGEX, r"/u/\d+", "/u/", False),
    ],
)
def test_paths(kind: PathKind, value: str, path: str, expected: bool) -> None:
    assert takes(RouteSpec(path_kind=kind, path=value), path=path.encode()) is expected


def test_long_paths_and_prefixes() -> None:
    long = "/" + "/".join(["x" * 50] * 30)
    assert takes(RouteSpec(path_kind=PREFIX, path=long), path=long.encode() + b"/y")
    assert takes(RouteSpec(path_kind=EXACT, path=long), path=long.encode())
    assert not takes(RouteSpec(path_kind=PREFIX, path=long), path=long.encode() + b"y")
    assert not takes(RouteSpec(path_kind=PREFIX, path="/a"), path=b"/" * 60000)
    # Lengths over 62 share a bit.
    table = RouteTable(
        [RouteSpec(path_kind=PREFIX, path="/" + "a" * 70), RouteSpec(path_kind=PREFIX, path="/" + "a" * 80)]
    )
    assert match(table, path=b"/" + b"a" * 80 + b"/x") == 1


@pytest.mark.parametrize(
    ("methods", "method", "expected"),
    [
        (("GET",), "GET", True),
        (("GET", "POST"), "POST", True),
        (("GET",), "HEAD", False),
        (("GET",), "get", False),
        (("PURGE",), "PURGE", True),
        (("PURGE", "GET"), "GET", True),
        (("PURGE",), "PURGES", False),
        (("PURGE",), "REPORT", False),
        (("GET",), "PURGE", False),
        (("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"), "PATCH", True),
    ],
)
def test_methods(methods: tuple[str, ...], method: str, expected: bool) -> None:
    assert takes(RouteSpec(methods=methods), method=method.encode()) is expected


FIELDS = [(b"X-Tenant", b"red"), (b"Accept", b"a"), (b"accept", b"b"), (b"X-Empty", b"")]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ((("x-tenant", "red"),), True),
        ((("X-TENANT", "red"),), True),
        ((("X-Tenant", "Red"),), False),
        ((("X-Tenant", "re"),), False),
        ((("X-Tenant", True),), True),
        ((("X-Tenant", False),), False),
        ((("X-Other", True),), False),
        ((("X-Other", False),), True),
        ((("X-Other", "red"),), False),
        ((("Accept", "b"),), True),
        ((("Accept", "a, b"),), False),
        ((("X-Empty", ""),), True),
        ((("X-Tenant", "red"), ("Accept", "c")), False),
        ((("X-Tenant", "red"), ("X-Other", False)), True),
    ],
)
def test_fields(conditions: tuple[tuple[str, str | bool], ...], expected: bool) -> None:
    assert takes(RouteSpec(fields=conditions), fields=FIELDS) is expected


@pytest.mark.parametrize(
    ("condition", "query", "expected"),
    [
        (("a", "1"), "a=1", True),
        (("a", "1"), "a=12", False),
        (("a", "1"), "a=2&a=1", True),
        (("a", "1"), "ba=1", False),
        (("a", True), "a", True),
        (("a", ""), "a", True),
        (("a", ""), "a=", True),
        (("a", True), "", False),
        (("a", False), "", True),
        (("a", False), "b=a", True),
        (("a", False), "&a", False),
        (("a", "x y"), "a=x+y", True),
        (("a", "x y"), "a=x%20y", True),
        (("a", "\xe9"), "a=%C3%a9", True),
        (("\xe9", True), "%c3%a9=1", True),
        (("a", "%"), "a=%", True),
        (("a", "%2"), "a=%2", True),
        (("a", "b=c"), "a=b=c", True),
        (("a", "1"), "&&a=1&", True),
        (("a=b", True), "a%3Db", True),
        (("a", True), "=a", False),
    ],
)
def test_query(condition: tuple[str, str | bool], query: str, expected: bool) -> None:
    assert takes(RouteSpec(query=(condition,)), query=query.encode()) is expected


def test_clients() -> None:
    spec = RouteSpec(clients=("10.0.0.0/8", "2001:db8::/32"))
    assert takes(spec, client="10.1.1.1")
    assert takes(spec, client="::ffff:10.1.1.1")
    assert takes(spec, client="2001:db8::5")
    assert not takes(spec, client="11.0.0.1")
    assert not takes(spec, client="unix")
    assert not takes(spec, client=None)
    assert not takes(RouteSpec(clients=("::/0", "0.0.0.0/0")), client="unix")


def test_first_match_wins_not_the_most_specific() -> None:
    table = RouteTable(
        [
            RouteSpec(path_kind=PREFIX, path="/a/b", methods=("POST",)),
            RouteSpec(path_kind=PREFIX, path="/a"),
            RouteSpec(path_kind=EXACT, path="/a/b/c"),
            RouteSpec(hosts=("h",)),
            RouteSpec(hosts=("h",), path_kind=PREFIX, path="/x"),
            RouteSpec(),
        ]
    )
    assert match(table, path=b"/a/b/c", method=b"POST") == 0
    assert match(table, path=b"/a/b/c") == 1
    assert match(table, path=b"/x", host=b"h") == 3
    assert match(table, path=b"/x") == 5


def test_wildcards_of_several_depths_in_order() -> None:
    names = ["*.c.example", "*.b.c.example", "a.b.c.example"]
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        table = RouteTable([RouteSpec(hosts=(names[i],)) for i in order])
        assert match(table, host=b"a.b.c.example") == 0
        assert match(table, host=b"x.b.c.example") == min(order.index(0), order.index(1))
        assert match(table, host=b"b.c.example") == order.index(0)
        assert match(table, host=b"c.example") == -1


def test_same_keys_with_other_conditions() -> None:
    table = RouteTable(
        [RouteSpec(hosts=("h",), path_kind=PREFIX, path="/a", fields=(("x", str(i)),)) for i in range(50)]
        + [RouteSpec(hosts=("h",), path_kind=PREFIX, path="/a")]
    )
    for i in (0, 7, 49):
        assert match(table, host=b"h", path=b"/a/q", fields=[(b"X", b"%d" % i)]) == i
    assert match(table, host=b"h", path=b"/a/q", fields=[(b"X", b"50")]) == 50


def test_ten_thousand_of_each() -> None:
    specs = [
        RouteSpec(hosts=(f"h{i}.example", f"*.h{i}.example"), path_kind=PREFIX, path=f"/p{i}/") for i in range(10_000)
    ]
    specs += [RouteSpec(path_kind=EXACT, path=f"/q{i}") for i in range(10_000)]
    specs += [RouteSpec(path_kind=PATTERN, path=f"/r{i}/*/x") for i in range(10_000)]
    table = RouteTable(specs)
    for i in (0, 1, 4321, 9999):
        assert match(table, host=b"h%d.example" % i, path=b"/p%d/a" % i) == i
        assert match(table, host=b"www.h%d.example" % i, path=b"/p%d/a" % i) == i
        assert match(table, host=b"h%d.example" % i, path=b"/p%d/a" % (i + 1)) == -1
        assert match(table, host=b"h1.example", path=b"/q%d" % i) == 10_000 + i
        assert match(table, path=b"/r%d/b/x" % i) == 20_000 + i
        assert match(table, path=b"/r%d/b/y" % i) == -1


def test_regex_that_raises_is_no_match_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def fullmatch(self, path: bytes) -> object:
            raise RecursionError(path)

    monkeypatch.setattr(re, "compile", lambda _: Broken())
    table = RouteTable([RouteSpec(path_kind=REGEX, path="/a"), RouteSpec()])
    assert match(table, path=b"/a") == 1
    assert table.errors == 1


@pytest.mark.parametrize(
    "spec",
    [
        RouteSpec(hosts=("a b",)),
        RouteSpec(hosts=("a:80",)),
        RouteSpec(hosts=("*.10.0.0.1",)),
        RouteSpec(hosts=("a.*",)),
        RouteSpec(path_kind=PREFIX, path="a"),
        RouteSpec(path_kind=EXACT, path=""),
        RouteSpec(path_kind=PREFIX, path="/%"),
        RouteSpec(path_kind=REGEX, path="("),
        RouteSpec(clients=("10.0.0.0/40",)),
        RouteSpec(path_kind="other", path="/"),  # type: ignore[arg-type]
    ],
)
def test_malformed_specs(spec: RouteSpec) -> None:
    with pytest.raises((ValueError, re.error)):
        RouteTable([spec])


def test_normal_forms() -> None:
    assert normal_path("/a/./%7e") == b"/a/~"
    assert normal_path("/\xe9") == b"/%C3%A9"
    assert normal_pattern("/a/../*/%7e") == b"/*/~"
    assert normal_pattern("**/\xe9") == b"**/%C3%A9"
