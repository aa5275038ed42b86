"""AccessTable: first match decides, the address is asked for only when all else matches."""

from __future__ import annotations

import pytest

from limen.engine._tables_probe import decide
from limen.engine.access import AccessTable
from limen.policy.specs import AccessSpec, Window

DENY, ALLOW, NEED_ADDRESS = 0, 1, 2
ALWAYS = Window(frozenset(range(7)), 0, 1440, "UTC")
MONDAY = Window(frozenset([0]), 0, 1440, "UTC")


def test_last_word_is_deny() -> None:
    assert decide(AccessTable()) == (DENY, -1)
    assert decide(AccessTable([AccessSpec(True, ports=((80, 80),))]), port=81) == (DENY, -1)


def test_first_match_decides() -> None:
    table = AccessTable([AccessSpec(False, hosts=("bad.example",)), AccessSpec(True), AccessSpec(False)])
    assert decide(table, host=b"bad.example") == (DENY, 0)
    assert decide(table, host=b"good.example") == (ALLOW, 1)


def test_names() -> None:
    table = AccessTable([AccessSpec(True, "first"), AccessSpec(False)])
    assert table.names == ["first", ""]
    assert len(table) == 2


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("example.com", "example.com", True),
        ("Example.COM.", "example.com", True),
        ("example.com", "www.example.com", False),
        (".example.com", "example.com", True),
        (".example.com", "a.b.example.com", True),
        (".example.com", "notexample.com", False),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("cdn*.example.com", "cdn1.example.com", True),
        ("cdn*.example.com", "cdn.x.example.com", False),
        ("CDN**.example.com", "cdn.x.example.com", True),
        ("h?st", "host", True),
        ("*", "anything", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("0x0a000001", "10.0.0.1", True),
        ("[::1]", "::1", True),
        ("::1", "::1", True),
    ],
)
def test_hosts(pattern: str, host: str, expected: bool) -> None:
    table = AccessTable([AccessSpec(True, hosts=("other.example", pattern))])
    assert decide(table, host=host.encode()) == ((ALLOW, 0) if expected else (DENY, -1))


def test_rules_by_key_and_by_scan_keep_their_order() -> None:
    table = AccessTable(
        [
            AccessSpec(False, hosts=("a*.example.com", "b.example.com"), ports=((1, 1),)),
            AccessSpec(True, hosts=(".example.com",), ports=((2, 2),)),
            AccessSpec(False, ports=((3, 3),)),
            AccessSpec(True, hosts=("a.example.com", "*.example.com")),
            AccessSpec(False),
        ]
    )
    assert [decide(table, host=b"a.example.com", port=port) for port in (1, 2, 3, 4)] == [
        (0, 0),
        (1, 1),
        (0, 2),
        (1, 3),
    ]
    assert [decide(table, host=b"b.example.com", port=port) for port in (1, 2, 3, 4)] == [
        (0, 0),
        (1, 1),
        (0, 2),
        (1, 3),
    ]
    assert [decide(table, host=b"example.com", port=port) for port in (1, 2, 3, 4)] == [(0, 4), (1, 1), (0, 2), (0, 4)]
    assert [decide(table, host=b"x", port=port) for port in (1, 3)] == [(0, 4), (0, 2)]


def test_ports_methods_clients() -> None:
    table = AccessTable(
        [
            AccessSpec(True, clients=("10.0.0.0/8",), ports=((443, 443),), methods=("CONNECT",)),
            AccessSpec(
                True, clients=("10.0.0.0/8",), ports=((1025, 65535), (80, 80), (81, 90)), methods=("GET", "PURGE")
            ),
        ]
    )
    assert decide(table, client="10.0.0.1") == (ALLOW, 0)
    assert decide(table, client="11.0.0.1") == (DENY, -1)
    assert decide(table, client="unix") == (DENY, -1)
    assert decide(table, client="10.0.0.1", port=8443) == (DENY, -1)
    for port, expected in ((79, -1), (80, 1), (85, 1), (90, 1), (91, -1), (1024, -1), (1025, 1), (65535, 1)):
        assert decide(table, client="10.0.0.1", method=b"GET", port=port)[1] == expected
    assert decide(table, client="10.0.0.1", method=b"PURGE", port=80) == (ALLOW, 1)
    assert decide(table, client="10.0.0.1", method=b"REPORT", port=80) == (DENY, -1)


def test_address_is_needed_only_when_all_else_matches() -> None:
    table = AccessTable(
        [
            AccessSpec(True, hosts=("free.example",)),
            AccessSpec(False, ports=((25, 25),), addresses=("192.0.2.0/24",)),
            AccessSpec(True, addresses=("198.51.100.0/24", "2001:db8::/32")),
        ]
    )
    assert decide(table, host=b"free.example") == (ALLOW, 0)
    assert decide(table, host=b"x", port=25) == (NEED_ADDRESS, 1)
    assert decide(table, host=b"x", port=443) == (NEED_ADDRESS, 2)
    assert decide(table, host=b"x", port=25, target="192.0.2.9") == (DENY, 1)
    assert decide(table, host=b"x", port=443, target="192.0.2.9") == (DENY, -1)
    assert decide(table, host=b"x", port=443, target="198.51.100.1") == (ALLOW, 2)
    assert decide(table, host=b"x", port=443, target="2001:db8::1") == (ALLOW, 2)


def test_windows() -> None:
    table = AccessTable(
        [AccessSpec(True, windows=(MONDAY,)), AccessSpec(False, windows=(ALWAYS, MONDAY)), AccessSpec(True)]
    )
    assert table.windows == [MONDAY, ALWAYS]
    # Nothing is known yet: rules that deny count, rules that allow do not.
    assert decide(table) == (DENY, 1)
    table.set_windows(b"\1\1")
    assert decide(table) == (ALLOW, 0)
    table.set_windows(b"\0\1")
    assert decide(table) == (DENY, 1)
    table.set_windows(b"\0\0")
    assert decide(table) == (ALLOW, 2)
    with pytest.raises(ValueError, match="1 flags for 2 windows"):
        table.set_windows(b"\1")


def test_large_lists() -> None:
    blocked = tuple(f".ads{i}.example" for i in range(20_000))
    table = AccessTable(
        [AccessSpec(False, hosts=blocked), *(AccessSpec(True, hosts=(f"h{i}.example",)) for i in range(20_000))]
    )
    for i in (0, 777, 19_999):
        assert decide(table, host=b"x.ads%d.example" % i) == (DENY, 0)
        assert decide(table, host=b"ads%d.example" % i) == (DENY, 0)
        assert decide(table, host=b"h%d.example" % i) == (ALLOW, i + 1)
    assert decide(table, host=b"other.example") == (DENY, -1)


def test_many_rules_of_one_host() -> None:
    table = AccessTable(
        [AccessSpec(bool(i % 2), hosts=("h", ".h", "*.x.h", "**h"), ports=((i, i),)) for i in range(1, 500)]
    )
    for port in (1, 2, 498, 499):
        assert decide(table, host=b"h", port=port) == (port % 2, port - 1)
        assert decide(table, host=b"a.x.h", port=port) == (port % 2, port - 1)


def test_deep_and_overlong_hosts() -> None:
    deep = ".".join(["a"] * 127)
    table = AccessTable(
        [
            AccessSpec(
                False,
                hosts=tuple("." + deep[i:] for i in range(0, 253, 2))
                + tuple("*." + deep[i:] for i in range(0, 253, 2)),
                ports=((1, 1),),
            ),
            AccessSpec(True),
        ]
    )
    assert decide(table, host=deep.encode(), port=1) == (DENY, 0)
    assert decide(table, host=deep.encode(), port=2) == (ALLOW, 1)
    assert decide(table, host=b"a." * 128, port=2) == (DENY, -1)


@pytest.mark.parametrize(
    "spec",
    [
        AccessSpec(True, hosts=("a b",)),
        AccessSpec(True, hosts=(".10.0.0.1",)),
        AccessSpec(True, hosts=("",)),
        AccessSpec(True, clients=("x",)),
        AccessSpec(True, addresses=("x",)),
        AccessSpec(True, ports=((0, 1),)),
        AccessSpec(True, ports=((2, 1),)),
        AccessSpec(True, ports=((1, 65536),)),
    ],
)
def test_malformed_specs(spec: AccessSpec) -> None:
    with pytest.raises(ValueError):
        AccessTable([spec])
