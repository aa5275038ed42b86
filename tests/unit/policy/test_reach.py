"""Access rules that can never decide: by examples, and as `limen check` says it."""

import pytest

from limen.config import reads
from limen.control.unreachable import unreachable_rules
from limen.policy.reach import MOST_CANDIDATES, covers, find_covered, why_never
from limen.policy.specs import AccessSpec, PlaceSpec, Window

DAY, NIGHT = Window(frozenset([0]), 8 * 60, 18 * 60, "UTC"), Window(frozenset([0]), 18 * 60, 23 * 60, "UTC")


def rule(**conditions):
    return AccessSpec(True, **conditions)


@pytest.mark.parametrize(
    ("wide", "narrow", "is_covered"),
    [
        (rule(), rule(hosts=("a.b",)), True),
        (rule(hosts=("*",)), rule(host_lists=("x",)), True),
        (rule(hosts=(".b",)), rule(hosts=("a.b", "*.x.b", ".b")), True),
        (rule(hosts=("*.b",)), rule(hosts=(".b",)), False),
        (rule(hosts=("*.b",)), rule(hosts=(".A.b",)), True),
        (rule(hosts=("a*.b",)), rule(hosts=("ab.b",)), False),
        (rule(hosts=("a.b",), host_lists=("x", "y")), rule(host_lists=("y",)), True),
        (rule(hosts=("a.b",)), rule(host_lists=("y",)), False),
        (rule(ports=((1, 100), (101, 200))), rule(ports=((50, 150),)), True),
        (rule(ports=((1, 65535),)), rule(), True),
        (rule(ports=((80, 80),)), rule(ports=((80, 81),)), False),
        (rule(clients=("10.0.0.0/8",)), rule(clients=("10.1.0.0/16",)), True),
        (rule(client_lists=("x",)), rule(clients=("10.1.0.0/16",)), False),
        (rule(addresses=("10.0.0.0/8",)), rule(), False),
        (rule(users=("*",)), rule(users=("ann",)), True),
        (rule(groups=("staff",)), rule(users=("ann",)), False),
        (rule(place=PlaceSpec(countries=("FR",))), rule(place=PlaceSpec(countries=("FR",), continents=("EU",))), True),
        (rule(windows=(DAY, NIGHT)), rule(windows=(NIGHT,)), True),
        (rule(windows=(DAY,)), rule(windows=(NIGHT,)), False),
        (rule(schemes=("http", "https")), rule(schemes=("http",)), True),
        (rule(paths=("/a",)), rule(paths=("/a/b", "/a", "/a/*/c")), True),
        (rule(paths=("/a",)), rule(paths=("/ab",)), False),
        (rule(paths=("/a",)), rule(paths=("/a*",)), False),
        (rule(paths=("/a/**",)), rule(paths=("/a/b",)), False),
        (rule(content_types=("image/*",)), rule(content_types=("IMAGE/png",)), True),
        (rule(content_types=("image/png",)), rule(content_types=("image/*",)), False),
        (rule(size_over=10), rule(size_over=11), True),
        (rule(size_over=10), rule(size_over=9), False),
        (rule(size_upto=10), rule(size_over=1, size_upto=9), True),
        (rule(size_upto=10), rule(), False),
    ],
)
def test_covers(wide, narrow, is_covered):
    assert covers(wide, narrow) is is_covered


def test_the_first_that_covers_is_named_and_dry_ones_cover_nothing():
    rules = [rule(hosts=(".b",), dry_run=True), rule(hosts=(".b",)), rule(hosts=("x.b",)), rule(), rule(hosts=("c",))]
    assert find_covered(rules) == [(2, 1), (4, 3)]
    assert find_covered([]) == []


def test_many_rules_are_compared_with_few():
    rules = [rule(hosts=(f"h{number}.example",), ports=((number % 7 + 1, 9),)) for number in range(3000)]
    rules += [rule(hosts=(".example",), ports=((port, port),)) for port in range(1, 9 * MOST_CANDIDATES)]
    assert find_covered([*rules, rule(hosts=("h5.example",), ports=((8, 9),))]) == [(len(rules), 5)]


@pytest.mark.parametrize(
    ("conditions", "bridged", "reason"),
    [
        ({"schemes": ("https",)}, False, "nothing is bridged"),
        ({"schemes": ("https",)}, True, None),
        ({"schemes": ("tunnel",), "paths": ("/a",)}, True, "no `path`"),
        ({"methods": ("CONNECT",), "content_types": ("a/b",)}, True, "no `content_types`"),
        ({"methods": ("UDP", "CONNECT"), "size_upto": 1}, True, "no `size`"),
        ({"methods": ("GET",), "schemes": ("tunnel",)}, True, "asked for with CONNECT"),
        ({"methods": ("CONNECT",), "schemes": ("http", "https")}, True, "is a tunnel"),
        ({"methods": ("CONNECT", "GET"), "paths": ("/a",)}, True, None),
        ({"methods": ("CONNECT",), "schemes": ("tunnel",)}, False, None),
        ({}, False, None),
    ],
)
def test_why_never(conditions, bridged, reason):
    found = why_never(rule(**conditions), bridged=bridged)
    assert found is None if reason is None else reason in found


def test_check_names_rules_that_can_never_match(tmp_path):
    text = """
listeners:
  - bind: 127.0.0.1:3128
    forward:
      access:
        - {name: web, allow: {hosts: .example.org, ports: [80, 443]}}
        - {name: one, deny: {hosts: www.example.org, ports: 443}}
        - {deny: {methods: CONNECT, path: /x}}
        - {deny: {schemes: https}}
"""
    found = reads(text, "f.yaml", tmp_path).check([unreachable_rules]).warnings
    assert [str(one).partition(": ")[2].partition("\n")[0] for one in found] == [
        (
            "listeners[0].forward.access[1]: the rule 'one' can never match: the rule 'web' before it takes all; put the "
            "narrower rule first"
        ),
        (
            "listeners[0].forward.access[2]: the rule number 3 can never match: nobody looks into a tunnel: it has no "
            "`path` that could be seen; remove it, or change its conditions"
        ),
        (
            "listeners[0].forward.access[3]: the rule number 4 can never match: the scheme `https` is that of requests "
            "inside bridged TLS, and nothing is bridged here; remove it, or change its conditions"
        ),
    ]
