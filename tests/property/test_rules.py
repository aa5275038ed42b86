"""Access rules with every condition against a naive evaluator, and what `limen check` says of their order against both."""

from __future__ import annotations

import os
from ipaddress import ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from limen.config.names import to_ascii
from limen.engine._tables_probe import decide_dry
from limen.engine.access import SUFFIXES, AccessTable
from limen.engine.host_listing import build
from limen.engine.host_lists import HostList
from limen.engine.identity import identity_of
from limen.engine.places import Places
from limen.policy.reach import find_covered, why_never
from limen.policy.specs import AccessSpec, PlaceSpec

SUFFIX_RULES = ["com", "co.uk", "*.ck", "!www.ck"]
LISTED = {"ads": ["ads.com", "x.b.com"], "games": ["b.com", "a.com"], "none": []}
HOSTS = ["com", "a.com", ".a.com", "*.a.com", "b.com", ".com", "*.com", "a*.com", "**.com", "*"]
HOSTS += ["a.<suffix>", ".a.<suffix>", "*.a.<suffix>", "x.b.<suffix>"]
NAMES = ["com", "a.com", "x.a.com", "ads.com", "y.ads.com", "b.com", "x.b.com", "aa.com"]
NAMES += ["a.co.uk", "x.a.co.uk", "a.uk", "a.b.ck", "x.b.ck", "a.www.ck", "www.ck", "a", "10.0.0.1"]
NETWORKS = ["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "11.0.0.1/32"]
PATHS = ["/", "/a", "/a/", "/a/b", "/a*", "/a/**", "/*/b", "**"]
TYPES = ["image/*", "image/png", "text/html", "Text/HTML"]
PEOPLE = {"ann": ["staff"], "bob": ["staff", "admins"], "eve": []}


FRANCE, NUMBERED = PlaceSpec(countries=("FR",)), PlaceSpec(asns=(64500,))
FACTS = {"10.0.0.1": ("FR", "EU", 0, ""), "10.1.2.3": ("DE", "EU", 64500, ""), "11.0.0.1": ("", "", 0, "")}
PLACES = Places([], lambda address, _: FACTS[".".join(map(str, address[12:]))])


def listed(names: list[str], kind: str = "domains") -> HostList:
    """`domains`: the name and all below."""
    table, _ = build("\n".join(names).encode(), kind, bytes(16), to_ascii)
    memory = os.memfd_create("list")
    os.write(memory, table)
    made = HostList()
    made.replace(memory)
    os.close(memory)
    return made


LISTS = {name: listed(names) for name, names in LISTED.items()}
LISTS[SUFFIXES] = listed(SUFFIX_RULES, "suffixes")


def few(values: list, most: int = 2) -> st.SearchStrategy[tuple]:
    return st.one_of(st.just(()), st.just(()), st.lists(st.sampled_from(values), min_size=1, max_size=most).map(tuple))


rules = st.builds(
    AccessSpec,
    st.booleans(),
    clients=few(NETWORKS),
    hosts=few(HOSTS),
    host_lists=few(list(LISTED)),
    addresses=few(NETWORKS),
    ports=few([(80, 80), (1, 100), (81, 443), (443, 443)]),
    methods=few(["GET", "CONNECT", "PURGE"]),
    schemes=few(["http", "https", "tunnel"]),
    paths=few(PATHS),
    content_types=few(TYPES),
    size_over=st.sampled_from([None, None, 0, 10]),
    size_upto=st.sampled_from([None, None, 20, 30]),
    place=st.sampled_from([None, None, None, FRANCE]),
    target_place=st.sampled_from([None, None, FRANCE, NUMBERED]),
    users=few(["ann", "bob", "*"]),
    groups=few(["staff", "admins"]),
    dry_run=st.sampled_from([False, False, True]),
)
on_response = st.builds(
    AccessSpec,
    st.just(False),
    hosts=few(HOSTS),
    methods=few(["GET", "PURGE"]),
    paths=few(PATHS),
    users=few(["ann", "*"]),
    response_types=few(TYPES),
    response_over=st.sampled_from([None, 10]),
    response_upto=st.sampled_from([None, 20]),
    dry_run=st.sampled_from([False, False, True]),
)
both = st.one_of(rules, on_response)


@st.composite
def requests(draw) -> dict:
    scheme = draw(st.sampled_from(["http", "https", "tunnel"]))
    asked = {
        "host": draw(st.sampled_from(NAMES)).encode(),
        "port": draw(st.sampled_from([1, 80, 81, 443])),
        "client": draw(st.sampled_from(["10.0.0.1", "10.1.2.3", "11.0.0.1"])),
        "target": draw(st.sampled_from([None, "10.1.2.3", "11.0.0.1"])),
        "scheme": scheme,
        "method": b"CONNECT" if scheme == "tunnel" else draw(st.sampled_from([b"GET", b"PURGE", b"REPORT"])),
        "by_name": draw(st.booleans()),
        "who": draw(st.sampled_from([None, *PEOPLE])),
    }
    if scheme != "tunnel":
        asked["path"] = draw(st.sampled_from(["/", "/a", "/a/", "/a/b", "/ab", "/x/b", "/a/b/c"])).encode()
        asked["content_type"] = draw(st.sampled_from([None, b"image/png", b"IMAGE/gif; x", b"text/html;charset=x"]))
        asked["size"] = draw(st.sampled_from([0, 5, 10, 11, 20, 25, 31, 2**64 - 1]))
        asked["answer_type"] = draw(st.sampled_from([None, b"image/png", b"text/html"]))
        asked["answer_size"] = draw(st.sampled_from([0, 10, 11, 21]))
    return asked


def within(networks: tuple, address: str) -> bool:
    return any(ip_address(address) in ip_network(one) for one in networks)


def glob(pattern: str, text: str, border: str) -> bool:
    if not pattern:
        return not text
    if pattern.startswith("**"):
        return any(glob(pattern[2:], text[at:], border) for at in range(len(text) + 1))
    if pattern[0] == "*":
        most = text.index(border) if border in text else len(text)
        return any(glob(pattern[1:], text[at:], border) for at in range(most + 1))
    return bool(text) and pattern[0] == text[0] and glob(pattern[1:], text[1:], border)


def before_suffix(host: str) -> str:
    """By the algorithm of publicsuffix.org/list, word for word."""
    labels = host.split(".")
    found: list[tuple[bool, int]] = [(False, 1)]
    for rule in SUFFIX_RULES:
        parts = rule.lstrip("!").split(".")
        tail = labels[-len(parts) :]
        if len(tail) == len(parts) and all(part in ("*", label) for part, label in zip(parts, tail, strict=True)):
            found.append((rule.startswith("!"), len(parts) - rule.startswith("!")))
    size = next((size for spared, size in found if spared), max(size for _, size in found))
    return ".".join(labels[:-size]) if not labels[-1].isdigit() else ""


def takes_host(pattern: str, host: str) -> bool:
    if pattern.endswith(".<suffix>"):
        own = before_suffix(host)
        return own != "" and takes_host(pattern.removesuffix(".<suffix>"), own)
    if pattern == "*":
        return True
    if pattern.startswith("."):
        return host == pattern[1:] or host.endswith(pattern)
    if pattern.startswith("*.") and "*" not in pattern[1:]:
        return host.endswith(pattern[1:])
    return glob(pattern, host, ".")


def takes_path(pattern: str, path: str) -> bool:
    if "*" in pattern:
        return glob(pattern, path, "/")
    return path == pattern or path.startswith(pattern if pattern.endswith("/") else pattern + "/")


def takes_type(pattern: str, kind: str) -> bool:
    pattern = pattern.lower()
    return kind == pattern or (pattern.endswith("/*") and kind.startswith(pattern[:-1]))


def is_at(place: PlaceSpec, address: str) -> bool:
    country, _, asn, _ = FACTS[address]
    return (not place.countries or country in place.countries) and (not place.asns or asn in place.asns)


def holds(rule: AccessSpec, asked: dict) -> bool:
    """All of a rule but its conditions on the target's address."""
    host, size, who = asked["host"].decode(), asked.get("size", 0), asked["who"]
    path, tunnel = asked.get("path"), asked["scheme"] == "tunnel"
    kind = asked.get("content_type") or b""
    kind = kind.decode().split(";")[0].strip().lower()
    names = [name for one in rule.host_lists for name in LISTED[one]]
    hosts = [takes_host(one, host) for one in rule.hosts] + [takes_host(f".{name}", host) for name in names]
    return (
        (any(hosts) or not (rule.hosts or rule.host_lists))
        and (not rule.clients or within(rule.clients, asked["client"]))
        and (not rule.ports or any(low <= asked["port"] <= high for low, high in rule.ports))
        and (not rule.methods or asked["method"].decode() in rule.methods)
        and (not rule.schemes or asked["scheme"] in rule.schemes)
        and (not rule.paths or (path is not None and any(takes_path(one, path.decode()) for one in rule.paths)))
        and (not rule.content_types or any(takes_type(one, kind) for one in rule.content_types))
        and (rule.size_over is None or (not tunnel and size > rule.size_over))
        and (rule.size_upto is None or (not tunnel and size <= rule.size_upto))
        and (not rule.users or (who is not None and ("*" in rule.users or who in rule.users)))
        and (rule.place is None or is_at(rule.place, asked["client"]))
        and (not rule.groups or (who is not None and bool(set(rule.groups) & set(PEOPLE[who]))))
    )


def on_answer(rule: AccessSpec) -> bool:
    return bool(rule.response_types) or rule.response_over is not None or rule.response_upto is not None


def holds_answer(rule: AccessSpec, asked: dict) -> bool:
    kind, size = (asked["answer_type"] or b"").decode(), asked["answer_size"]
    return (
        (not rule.response_types or any(takes_type(one, kind) for one in rule.response_types))
        and (rule.response_over is None or size > rule.response_over)
        and (rule.response_upto is None or size <= rule.response_upto)
    )


def expected_of_answer(given_rules: list[AccessSpec], asked: dict) -> tuple[int, int]:
    hits = [
        number
        for number, rule in enumerate(given_rules)
        if on_answer(rule) and holds(rule, asked) and holds_answer(rule, asked)
    ]
    last = next((number for number in hits if not given_rules[number].dry_run), -1)
    dry = next((number for number in hits if given_rules[number].dry_run and (last < 0 or number < last)), -1)
    return last, dry


def expected(given_rules: list[AccessSpec], asked: dict) -> tuple[int, int, int]:
    dry = -1
    for number, rule in enumerate(given_rules):
        if on_answer(rule) or not holds(rule, asked):
            continue
        if rule.addresses or rule.target_place is not None:
            if asked["by_name"]:
                continue
            if asked["target"] is None:
                return 2, number, dry
            if rule.addresses and not within(rule.addresses, asked["target"]):
                continue
            if rule.target_place is not None and not is_at(rule.target_place, asked["target"]):
                continue
        if not rule.dry_run:
            return int(rule.allow), number, dry
        dry = number if dry < 0 else dry
    return 0, -1, dry


def decided(table: AccessTable, asked: dict) -> tuple[int, int, int]:
    who = asked["who"]
    rest = {key: value for key, value in asked.items() if key != "who"}
    return decide_dry(table, places=PLACES, identity=identity_of(who, PEOPLE[who]) if who is not None else None, **rest)


@settings(max_examples=500, deadline=None)
@given(st.lists(both, max_size=8), st.lists(requests(), min_size=1, max_size=8))
def test_decisions_are_those_of_a_naive_evaluator(given_rules: list[AccessSpec], asked: list[dict]) -> None:
    table = AccessTable(given_rules, LISTS)
    for request in asked:
        assert decided(table, request) == expected(given_rules, request)
        if request["scheme"] != "tunnel":
            said = decided(table, {**request, "answered": True})
            assert said == (0, *expected_of_answer(given_rules, request))


@settings(max_examples=500, deadline=None)
@given(st.lists(both, min_size=2, max_size=10), st.lists(requests(), min_size=1, max_size=12))
def test_rules_said_never_to_match_never_do(given_rules: list[AccessSpec], asked: list[dict]) -> None:
    covered = dict(find_covered(given_rules))
    never = {number for number, rule in enumerate(given_rules) if why_never(rule, bridged=True) is not None}
    for request in asked:
        for number, by in covered.items():
            rule, wide = given_rules[number], given_rules[by]
            assert by < number
            assert not wide.dry_run
            assert on_answer(wide) <= (rule == wide)
            assert not holds(rule, request) or holds(wide, request)
        assert not any(holds(given_rules[number], request) for number in never)


@settings(max_examples=300, deadline=None)
@given(both, st.lists(both, max_size=3))
def test_a_rule_again_is_found(rule: AccessSpec, others: list[AccessSpec]) -> None:
    """Not only sound: the same rule later, whatever stands between, is said never to match unless the first is dry."""
    found = dict(find_covered([rule, *others, rule]))
    assert (len(others) + 1 in found) or rule.dry_run
