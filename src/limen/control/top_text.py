"""The lines of `limen top`: traffic, then what is not well, then who does most."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from limen.control.rates import items, mapping, number
from limen.control.table import duration, latency, printable, share, table

SORTS = ("state", "requests", "active", "failures", "name")

Row = Mapping[str, object]

_WELL = ("usable", "up", "warming")
_LEAST_ROWS = 5


def drawn(rates: Row, *, sort: str = "state", height: int = 0) -> list[str]:
    """The screen, cut to `height` lines (0: whole)."""
    lines = [*_head(rates), "", *_endpoints(rates, sort), "", *_routes(rates), "", *_listeners(rates)]
    faults = _faults(rates)
    lines += ["", *faults] if faults else []
    lines += ["", *_workers(rates)]
    found = mapping(rates.get("talkers"))
    lines += ["", *talkers(found)] if found else []
    if "refused" in rates:
        lines += ["", *_refused(mapping(rates["refused"]))]
    safe = printable(lines)
    return safe[: max(height - 1, _LEAST_ROWS)] if height else safe


def _head(rates: Row) -> Iterator[str]:
    revision, traffic = mapping(rates.get("revision")), mapping(rates.get("traffic"))
    classes = mapping(traffic.get("classes"))
    requests = number(traffic.get("requests"))
    errors = f"{number(classes.get('5xx')) / requests:.1%}" if requests else "-"
    yield (
        f"limen {rates.get('version')}  pid {rates.get('pid')}  {rates.get('state')}  "
        f"up {duration(rates.get('uptime'))}  revision {revision.get('number')} ({revision.get('digest')})"
    )
    yield (
        f"requests {_per_second(requests)}/s  5xx {errors}  "
        + "  ".join(f"{name} {latency(traffic.get(name))}" for name in ("p50", "p95", "p99"))
        + f"  received {byte_count(traffic.get('received'))}/s  sent {byte_count(traffic.get('sent'))}/s"
    )
    yield (
        f"live: {traffic.get('connections')} connections, {traffic.get('in_flight')} exchanges, "
        f"{traffic.get('tunnels')} tunnels ({byte_count(traffic.get('tunnel_bytes'))}/s)"
    )


def _endpoints(rates: Row, sort: str) -> list[str]:
    rows = [
        (upstream, one)
        for upstream in map(mapping, items(rates.get("upstreams")))
        for one in map(mapping, items(upstream.get("endpoints")))
    ]
    rows.sort(key=_order(sort))
    cells = [
        (
            upstream.get("name"), one.get("address"), one.get("state"), _why(one), one.get("weight"),
            _per_second(one.get("requests")), one.get("active"), one.get("connections"),
            latency(one.get("mean")), _per_second(one.get("failures")), _per_second(one.get("retries")),
            one.get("ejections"), share(one.get("load")),
        )
        for upstream, one in rows
    ]  # fmt: skip
    head = (
        "UPSTREAM",
        "ENDPOINT",
        "STATE",
        "WHY",
        "WEIGHT",
        "REQUESTS/S",
        "ACTIVE",
        "CONNECTIONS",
        "MEAN",
        "FAILURES/S",
        "RETRIES/S",
        "EJECTIONS",
        "LOAD",
    )
    return table(head, cells)


def _order(sort: str) -> Callable[[tuple[Row, Row]], tuple[object, ...]]:
    """Keys of rows: the most comes first."""

    def key(row: tuple[Row, Row]) -> tuple[object, ...]:
        upstream, one = row
        name = (str(upstream.get("name")), str(one.get("address")))
        if sort == "name":
            return name
        if sort == "state":
            return (one.get("state") in _WELL, -number(one.get("requests")), *name)
        return (-number(one.get(sort)), *name)

    return key


def _why(one: Row) -> str:
    since = one.get("since")
    return ", ".join(part for part in (str(one.get("reason") or ""), f"since {since}" if since else "") if part) or "-"


def _routes(rates: Row) -> list[str]:
    rows = sorted(map(mapping, items(rates.get("routes"))), key=lambda one: -number(one.get("requests")))
    cells = [
        (
            one.get("name"), _per_second(one.get("requests")), _per_second(mapping(one.get("classes")).get("4xx")),
            _per_second(mapping(one.get("classes")).get("5xx")), latency(one.get("p50")), latency(one.get("p99")),
            byte_count(one.get("received")), byte_count(one.get("sent")),
        )
        for one in rows
    ]  # fmt: skip
    return table(("ROUTE", "PER SECOND", "4XX", "5XX", "P50", "P99", "RECEIVED", "SENT"), cells)


def _listeners(rates: Row) -> list[str]:
    cells = [
        (
            one.get("name"), one.get("address"), one.get("kind"), one.get("connections"),
            _per_second(one.get("accepted")), _per_second(one.get("refused")),
        )
        for one in map(mapping, items(rates.get("listeners")))
    ]  # fmt: skip
    return table(("LISTENER", "ADDRESS", "SERVES", "CONNECTIONS", "ACCEPTED/S", "REFUSED/S"), cells)


def _faults(rates: Row) -> list[str]:
    rows = sorted(map(mapping, items(rates.get("faults"))), key=lambda one: -number(one.get("rate")))
    cells = [
        (one.get("name"), one.get("side"), _per_second(one.get("rate"))) for one in rows if number(one.get("rate"))
    ]
    return table(("FAULT", "SIDE", "PER SECOND"), cells) if cells else []


def _workers(rates: Row) -> list[str]:
    cells = []
    for one in map(mapping, items(rates.get("workers"))):
        live = mapping(one.get("live"))
        counts = [live.get(name) for name in ("connections", "exchanges", "tunnels")]
        cells.append((*(one.get(name) for name in ("number", "pid", "state", "restarts")), *counts))
    return table(("WORKER", "PID", "STATE", "RESTARTS", "CONNECTIONS", "EXCHANGES", "TUNNELS"), cells)


def _refused(found: Row) -> list[str]:
    cells = [
        (
            one.get("time") or "-", one.get("client") or "-", one.get("user") or "-", one.get("host") or "-",
            one.get("limit") or one.get("rule") or one.get("route") or "-", one.get("fault") or "-",
        )
        for one in map(mapping, items(found.get("refused")))
    ]  # fmt: skip
    return table(("REFUSED AT", "CLIENT", "USER", "TARGET", "BY", "WHY"), cells) if cells else ["nothing was refused"]


def _per_second(value: object) -> str:
    rate = number(value)
    return f"{rate:,.0f}" if rate >= 10 or rate == int(rate) else f"{rate:.1f}"


def byte_count(value: object) -> str:
    """Like 12.3MB."""
    size = number(value)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f}{unit}" if unit == "B" or size >= 100 else f"{size:.1f}{unit}"
        size /= 1000
    return f"{size:.1f}TB"


def talkers(found: Mapping[str, object]) -> list[str]:
    """Tables of the clients and targets with most, over a window."""
    lines: list[str] = []
    for name, title in (("clients", "CLIENT"), ("targets", "TARGET")):
        rows = [
            (one.get("name") or "-", byte_count(one.get("bytes")), one.get("exchanges"), one.get("refused"))
            for one in map(mapping, items(found.get(name)))
        ]
        lines += ["", *(table((title, "BYTES", "EXCHANGES", "REFUSED"), rows) if rows else [f"no {name}"])]
    return printable(lines[1:])
