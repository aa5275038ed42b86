"""Cost of the match structures: 10 rules against 10,000, in nanoseconds per look-up.

    PYTHONPATH=src python bench/tables.py

`hot` asks for one target again and again, `spread` for all of them in random order (so that caches hold what a real
mix leaves). The request itself is warm in both, as one that was just received is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import IPv4Address

from limen.engine import _tables_probe as probe
from limen.engine.access import AccessTable
from limen.engine.addresses import AddressSet
from limen.engine.tables import RouteTable
from limen.policy.specs import AccessSpec, PathKind, RouteSpec

ROUNDS = 7
LOOKUPS = 400_000
SMALL, LARGE = 10, 10_000


def best(measure: Callable[[int], float], requests: int) -> float:
    """The least of some rounds: what the code costs when nothing else runs."""
    loops = max(1, LOOKUPS // requests)
    return min(measure(loops) for _ in range(ROUNDS))


def hosts(count: int) -> tuple[RouteTable, list[dict[str, object]]]:
    """Each route has a host of its own."""
    names = [f"tenant-{i}.example.com" for i in range(count)]
    routes = [RouteSpec(i, hosts=(name,)) for i, name in enumerate(names)]
    return RouteTable(routes), [{"host": name.encode(), "path": b"/assets/site.css"} for name in names]


def suffixes(count: int) -> tuple[RouteTable, list[dict[str, object]]]:
    """Each route has a wildcard."""
    routes = [RouteSpec(i, hosts=(f"*.tenant-{i}.example.com",)) for i in range(count)]
    return RouteTable(routes), [{"host": b"www.tenant-%d.example.com" % i, "path": b"/"} for i in range(count)]


def prefixes(count: int) -> tuple[RouteTable, list[dict[str, object]]]:
    """Path prefixes for any host."""
    routes = [RouteSpec(i, path_kind=PathKind.PREFIX, path=f"/service-{i}/v1") for i in range(count)]
    return RouteTable(routes), [
        {"host": b"api.example.com", "path": b"/service-%d/v1/items/7" % i} for i in range(count)
    ]


def exact(count: int) -> tuple[RouteTable, list[dict[str, object]]]:
    """Exact paths for any host."""
    routes = [RouteSpec(i, path_kind=PathKind.EXACT, path=f"/page/{i}.html") for i in range(count)]
    return RouteTable(routes), [{"host": b"www.example.com", "path": b"/page/%d.html" % i} for i in range(count)]


def mixed(count: int) -> tuple[RouteTable, list[dict[str, object]]]:
    """`count` hosts with a path each, and `count` paths for any host, with a method."""
    routes = [
        RouteSpec(i, hosts=(f"tenant-{i}.example.com",), path_kind=PathKind.PREFIX, path=f"/app-{i}")
        for i in range(count)
    ] + [
        RouteSpec(i, path_kind=PathKind.PREFIX, path=f"/service-{i}/v1", methods=("GET", "HEAD")) for i in range(count)
    ]
    requests: list[dict[str, object]] = []
    for i in range(count):
        requests.append({"host": b"tenant-%d.example.com" % i, "path": b"/app-%d/index.html" % i})
        requests.append({"host": b"other.example.net", "path": b"/service-%d/v1/items" % i})
    return RouteTable(routes), requests


def report_routes() -> None:
    print(f"{'route table':24}{'10 hot':>9}{'10k hot':>9}{'ratio':>7}{'10 spread':>11}{'10k spread':>11}{'ratio':>7}")
    for kind in (hosts, suffixes, prefixes, exact, mixed):
        figures = []
        for count in (SMALL, LARGE):
            table, requests = kind(count)
            for number, request in enumerate(random.Random(1).sample(requests, 10)):
                assert probe.match(table, **request) >= 0, (number, request)
            chosen = requests[len(requests) // 2]
            shuffled = random.Random(2).sample(requests, len(requests))
            figures.append(
                (
                    probe.bench_match(table, [chosen], LOOKUPS),
                    probe.bench_match(table, shuffled, LOOKUPS // len(requests)),
                )
            )
        (hot_small, spread_small), (hot_large, spread_large) = figures
        print(
            f"{kind.__name__:24}{hot_small:9.1f}{hot_large:9.1f}{hot_large / hot_small:7.2f}"
            f"{spread_small:11.1f}{spread_large:11.1f}{spread_large / spread_small:7.2f}"
        )
    table = RouteTable([RouteSpec(0)])
    print(f"one route for all: {probe.bench_match(table, [{'host': b'www.example.com'}], LOOKUPS):.1f} ns")


def report_access() -> None:
    def table(count: int) -> AccessTable:
        blocked = tuple(f".ads-{i}.example.org" for i in range(count))
        return AccessTable(
            [AccessSpec(False, hosts=blocked), AccessSpec(True, clients=("10.0.0.0/8",), ports=((443, 443),))]
        )

    asked = [b"www.example.com", b"static.cdn.example.net", b"x.ads-7.example.org"]
    small, large = (best(partial(probe.bench_decide, table(count), asked), 3) for count in (10, 1_000_000))
    print(f"access, block list of 10 / 1,000,000 suffixes: {small:.1f} / {large:.1f} ns")


def report_addresses() -> None:
    for text in (b"127.0.0.1:8080", b"www.example.com", b"[2001:db8::1]:443"):
        print(f"parse_authority {text.decode():20}{best(partial(probe.bench_authority, text), 1):7.1f} ns")
    for path in (b"/", b"/assets/site.css", b"/a/../b/%7Euser/x%20y"):
        print(f"normalize_path  {path.decode():20}{best(partial(probe.bench_normalize, path), 1):7.1f} ns")
    source = random.Random(3)

    def addresses(count: int) -> Sequence[int]:
        return [source.getrandbits(32) for _ in range(count)]

    asked = [b"\0" * 10 + b"\xff\xff" + value.to_bytes(4, "big") for value in addresses(1000)]
    for count in (10, 10_000, 1_000_000):
        prefixes = AddressSet([f"{IPv4Address(value)}/32" for value in addresses(count)])
        print(f"AddressSet of {count:>9,}: {best(partial(probe.bench_contains, prefixes, asked), 1000):7.1f} ns")


if __name__ == "__main__":
    report_routes()
    report_access()
    report_addresses()
