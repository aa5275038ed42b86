"""Route and access tables against naive evaluators: the same verdict for every table and request."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from ipaddress import IPv6Network, ip_address, ip_network
from urllib.parse import unquote_to_bytes

from hypothesis import given, settings
from hypothesis import strategies as st

from limen.engine._tables_probe import decide, glob, match, normalize
from limen.engine.access import AccessTable
from limen.engine.tables import RouteTable
from limen.policy.matchers import covers
from limen.policy.routes import find_unreachable
from limen.policy.specs import AccessSpec, CertificateSpec, PathKind, RouteSpec, Window

NAMES = ["com", "a.com", "b.a.com", "c.b.a.com", "b.com", "aa.com", "10.0.0.1", "localhost"]
HOSTS = [*NAMES, "*.com", "*.a.com", "*.b.a.com", "*.aa.com"]
PATHS = ["/", "/a", "/a/", "/a/b", "/a/b/", "/a//", "//", "/ab", "/a/b/c", "/a/%2F", "/~", "/x" * 40]
PATTERNS = ["/*", "/**", "/a/*", "/a/**", "/*/b", "/a?", "**", "/a/b", "/a*/b", "**/c"]
REGEXES = ["/a.*", "/[ab]+", ".*", "/a/b", "/x*"]
METHODS = ["GET", "POST", "PURGE", "REPORT"]
NETWORKS = ["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "::/0", "2001:db8::/32", "::ffff:10.0.0.0/104"]
CLIENTS = ["10.0.0.1", "10.1.2.3", "11.0.0.1", "2001:db8::1", "::1", "unix"]
SUBJECTS = ["CN=a", "CN=*", "*O=x", "*"]
ALTERNATIVES = ["a.com", "*.a.com", "spiffe://*", "*@*", "10.*"]
FINGERPRINTS = ["0" * 64, "ab" * 32]
JA4S = [
    "t13d1516h2_8daaf6152771_e5627efa2ab1",
    "t12i000000_000000000000_000000000000",
    "t13*",
    "*_8daaf6152771_*",
    "t1?i*",
]
CONDITIONS = [("x", "1"), ("x", True), ("x", False), ("y", "2"), ("Y", True), ("y", False), ("x", "")]


def several(values: list, most: int = 3) -> st.SearchStrategy[tuple]:
    return st.lists(st.sampled_from(values), max_size=most).map(tuple)


def rarely(values: list) -> st.SearchStrategy[tuple]:
    return st.one_of(st.just(()), st.just(()), several(values, 2))


paths = st.one_of(
    st.tuples(st.just(PathKind.NONE), st.just("")),
    st.tuples(st.sampled_from([PathKind.PREFIX, PathKind.EXACT]), st.sampled_from(PATHS)),
    st.tuples(st.just(PathKind.PATTERN), st.sampled_from(PATTERNS)),
    st.tuples(st.just(PathKind.REGEX), st.sampled_from(REGEXES)),
)
specs = st.builds(
    lambda hosts, path, methods, fields, query, clients, certificate, ja4: RouteSpec(
        None, hosts, path[0], path[1], methods, fields, query, clients, certificate=certificate, ja4=ja4
    ),
    several(HOSTS),
    paths,
    rarely(METHODS),
    rarely(CONDITIONS),
    rarely(CONDITIONS),
    rarely(NETWORKS),
    st.sampled_from([None] * 6 + [True, False])
    | st.builds(CertificateSpec, rarely(SUBJECTS), rarely(ALTERNATIVES), rarely(FINGERPRINTS)),
    rarely(JA4S),
)
requests = st.fixed_dictionaries(
    {
        "host": st.sampled_from([*NAMES, "", "x.a.com", "x.y.b.a.com", "x.localhost"]).map(str.encode),
        "path": st.one_of(st.sampled_from([*PATHS, "*", "", "/c", "/a/b/c/d", "/a//b"]), st.text("/ab", max_size=8).map(lambda t: "/" + t)).map(str.encode),
        "query": st.sampled_from(["", "x", "x=1", "x=%31&y=2", "y=3&y=2", "X=1", "x=", "&&"]).map(str.encode),
        "method": st.sampled_from(METHODS).map(str.encode),
        "fields": st.lists(st.sampled_from([(b"x", b"1"), (b"X", b"2"), (b"y", b"2"), (b"xx", b"1"), (b"x", b"")]), max_size=3),
        "client": st.sampled_from(CLIENTS),
        "certificate": st.none() | st.tuples(
            st.sampled_from([b"CN=a", b"CN=b/c,O=x", b""]),
            st.sampled_from([b"", b"a.com\n", b"x.a.com\nspiffe://a/b\n", b"10.0.0.1\nb@a.com\n"]),
            st.sampled_from([text.encode() for text in FINGERPRINTS]),
        ),
        "ja4": st.sampled_from([b"", *JA4S[:2]]).map(lambda text: text if isinstance(text, bytes) else text.encode()),
    }
)  # fmt: skip


def naive_host(pattern: str, host: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def naive_glob(pattern: str, text: str, separator: str) -> bool:
    one = f"[^{re.escape(separator)}]"
    regex = re.sub(
        r"\*\*+|[*?]|[^*?]",
        lambda m: {"*": one + "*", "?": one}.get(m[0], ".*" if m[0][0] == "*" else re.escape(m[0])),
        pattern,
    )
    return re.fullmatch(regex, text, re.DOTALL) is not None


def naive_path(spec: RouteSpec, path: str) -> bool:
    value = spec.path
    if spec.path_kind is PathKind.PREFIX:
        return path == value or path.startswith(value if value.endswith("/") else value + "/")
    if spec.path_kind is PathKind.EXACT:
        return path == value
    if spec.path_kind is PathKind.PATTERN:
        return naive_glob(value, path, "/")
    return spec.path_kind is PathKind.NONE or re.fullmatch(value, path) is not None


def naive_within(networks: tuple[str, ...], address: str) -> bool:
    if not networks:
        return True
    if address == "unix":
        return False
    ip = ip_address(address)
    for text in networks:
        network = ip_network(text)
        if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped:
            network = ip_network(f"{network.network_address.ipv4_mapped}/{network.prefixlen - 96}")
        if ip in network:
            return True
    return False


def naive_conditions(conditions: tuple, given_: list[tuple[bytes, bytes]], *, fold: bool) -> bool:
    for name, value in conditions:
        wanted = name.lower() if fold else name
        values = [v for n, v in given_ if (n.decode().lower() if fold else n.decode()) == wanted]
        if value is True or value is False:
            if bool(values) is not value:
                return False
        elif value.encode() not in values:
            return False
    return True


def naive_certificate(spec: CertificateSpec | bool | None, shown: tuple[bytes, bytes, bytes] | None) -> bool:
    if spec is None or isinstance(spec, bool) or shown is None:
        return spec is None or (shown is not None) == (spec is not False)
    subject, names, digits = (text.decode() for text in shown)
    return (
        (not spec.subjects or any(fnmatchcase(subject, pattern) for pattern in spec.subjects))
        and (not spec.fingerprints or digits in spec.fingerprints)
        and (not spec.names or any(fnmatchcase(name, one) for name in names.splitlines() for one in spec.names))
    )


def naive_takes(spec: RouteSpec, request: dict) -> bool:
    parameters = [
        tuple(unquote_to_bytes(part) for part in (*piece.split(b"=", 1), b"")[:2])
        for piece in request["query"].split(b"&")
        if piece
    ]
    return (
        (not spec.hosts or any(naive_host(host, request["host"].decode()) for host in spec.hosts))
        and naive_path(spec, request["path"].decode())
        and (not spec.methods or request["method"].decode() in spec.methods)
        and naive_conditions(spec.fields, request["fields"], fold=True)
        and naive_conditions(spec.query, parameters, fold=False)
        and naive_within(spec.clients, request["client"])
        and naive_certificate(spec.certificate, request["certificate"])
        and (not spec.ja4 or any(fnmatchcase(request["ja4"].decode(), pattern) for pattern in spec.ja4))
    )


@settings(max_examples=400, deadline=None)
@given(st.lists(specs, max_size=8), st.lists(requests, min_size=1, max_size=8))
def test_routes_agree_with_a_naive_evaluator(routes: list[RouteSpec], asked: list[dict]) -> None:
    table = RouteTable(routes)
    for request in asked:
        expected = next((i for i, spec in enumerate(routes) if naive_takes(spec, request)), -1)
        assert match(table, **request) == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(specs, min_size=2, max_size=10), st.lists(requests, min_size=1, max_size=20))
def test_unreachable_routes_are_never_reached(routes: list[RouteSpec], asked: list[dict]) -> None:
    unreachable = find_unreachable(routes)
    for number, by in unreachable:
        assert by < number
        assert covers(routes[by], routes[number])
    numbers = {number for number, _ in unreachable}
    assert not numbers & {match(RouteTable(routes), **request) for request in asked}
    for number, by in unreachable:
        for request in asked:
            assert not naive_takes(routes[number], request) or naive_takes(routes[by], request)


ACCESS_HOSTS = [*NAMES, ".com", ".a.com", ".b.a.com", "*.com", "*.a.com", "a*.com", "**a.com", "?.com", "*.*.com", "*"]
OPEN = Window(frozenset([0]), 0, 60, "UTC")
CLOSED = Window(frozenset([1]), 0, 60, "UTC")
access_specs = st.builds(
    AccessSpec,
    st.booleans(),
    name=st.just(""),
    clients=rarely(NETWORKS),
    hosts=several(ACCESS_HOSTS),
    addresses=rarely(NETWORKS),
    ports=rarely([(80, 80), (1, 100), (443, 443), (81, 65535)]),
    methods=rarely(METHODS),
    windows=rarely([OPEN, CLOSED]),
)
access_requests = st.fixed_dictionaries(
    {
        "host": st.sampled_from([*NAMES, "x.a.com", "x.y.b.a.com", "x"]).map(str.encode),
        "port": st.sampled_from([1, 80, 100, 101, 443, 65535]),
        "method": st.sampled_from(METHODS).map(str.encode),
        "client": st.sampled_from(CLIENTS),
        "target": st.sampled_from([None, "10.1.2.3", "11.0.0.1", "2001:db8::1"]),
    }
)


def naive_access_host(pattern: str, host: str) -> bool:
    if pattern.startswith("."):
        return host == pattern[1:] or host.endswith(pattern)
    if pattern.startswith("*.") and "*" not in pattern[2:]:
        return host.endswith(pattern[1:])
    if pattern == "*":
        return True
    return naive_glob(pattern, host, ".")


def naive_decision(rules: list[AccessSpec], request: dict) -> tuple[int, int]:
    for number, rule in enumerate(rules):
        if (
            (rule.hosts and not any(naive_access_host(host, request["host"].decode()) for host in rule.hosts))
            or (rule.ports and not any(low <= request["port"] <= high for low, high in rule.ports))
            or (rule.methods and request["method"].decode() not in rule.methods)
            or not naive_within(rule.clients, request["client"])
            or (rule.windows and OPEN not in rule.windows)
        ):
            continue
        if rule.addresses and request["target"] is None:
            return 2, number
        if naive_within(rule.addresses, request["target"] or "unix"):
            return int(rule.allow), number
    return 0, -1


@settings(max_examples=400, deadline=None)
@given(st.lists(access_specs, max_size=8), st.lists(access_requests, min_size=1, max_size=8))
def test_access_agrees_with_a_naive_evaluator(rules: list[AccessSpec], asked: list[dict]) -> None:
    table = AccessTable(rules)
    table.set_windows(bytes(window == OPEN for window in table.windows))
    for request in asked:
        assert decide(table, **request) == naive_decision(rules, request)


@settings(max_examples=1000, deadline=None)
@given(st.text("ab/?*", max_size=12), st.text("ab/", max_size=16))
def test_globs(pattern: str, text: str) -> None:
    assert glob(pattern.encode(), text.encode()) == naive_glob(pattern, text, "/")


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from(["/", ".", "..", "a", "%2e", "%2E", "%41", "%2f", "%c3", "~"]), max_size=14))
def test_normal_paths_stay_and_never_climb(pieces: list[str]) -> None:
    path = ("/" + "".join(pieces)).encode()
    normal = normalize(path)
    assert normal is not None
    assert normalize(normal) == normal
    assert normal.startswith(b"/")
    assert not {b".", b".."} & set(normal.split(b"/"))
    assert len(normal) <= len(path)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=24))
def test_any_bytes_do_no_harm(raw: bytes) -> None:
    normal = normalize(b"/" + raw)
    assert normal is None or normalize(normal) == normal
    table = RouteTable([RouteSpec(path_kind=PathKind.PREFIX, path="/a"), RouteSpec(hosts=("*.b",))])
    match(table, host=raw, path=raw, query=raw, method=raw.decode("latin-1").encode("ascii", "replace"))
    decide(AccessTable([AccessSpec(True, hosts=(".a", "*.b", "c*"))]), host=raw)
