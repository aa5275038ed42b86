"""The exposition: the board as text for Prometheus (text format 0.0.4).

Only slots that have a name and were ever touched are shown, so a configuration of thousands of endpoints
costs what is used of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from limen import __version__
from limen.faults import FAULTS as FAULT_TABLE
from limen.observe import catalogue
from limen.observe.board import BUCKETS, BoardReader, RouteCounts
from limen.observe.catalogue import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_CODES = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")
_CAUSES = ("dial", "reset", "timeout", "status")
_BOUNDS = (*(f"{bound:g}" for bound in BUCKETS), "+Inf")

Sample = tuple[tuple[str, ...], int | float | str]  # label values, value


@dataclass(frozen=True, slots=True)
class Names:
    """What the slots of the board are called, as the supervisor handed them out."""

    listeners: Mapping[int, str] = field(default_factory=dict)
    routes: Mapping[int, str] = field(default_factory=dict)
    endpoints: Mapping[int, tuple[str, str]] = field(default_factory=dict)  # upstream, endpoint
    rules: Mapping[int, tuple[str, str]] = field(default_factory=dict)  # listener, rule: numbers of routes


Expiries = Sequence[tuple[str, str, str, int]]
"""Certificates: listener, upstream (one of both is empty), file, Unix time of the end."""


ListSizes = Sequence[tuple[str, int, int, int | None]]
"""Lists: name, entries, bytes, and of names the lines that were not understood (None: a list of addresses)."""


Discoveries = Sequence[tuple[str, tuple[int, int, int, int]]]
"""Upstreams with a source, and their values in the order of catalogue.DISCOVERY."""


def _discovery(discoveries: Discoveries) -> Iterator[str]:
    for number, metric in enumerate(catalogue.DISCOVERY):
        yield _family(metric, [((upstream,), values[number]) for upstream, values in discoveries])


@dataclass(frozen=True, slots=True)
class Condition:
    """What the supervisor knows of an endpoint that is not on the board."""

    upstream: str
    endpoint: str
    state: str
    probes: int = 0
    probes_failed: int = 0
    ejections: int = 0


@dataclass(frozen=True, slots=True)
class Conditions:
    """Of all endpoints, and which upstreams panic."""

    endpoints: Sequence[Condition] = ()
    panics: Mapping[str, bool] = field(default_factory=dict)


NO_CONDITIONS = Conditions()


def render(
    reader: BoardReader,
    names: Names,
    expiries: Expiries = (),
    discoveries: Discoveries = (),
    conditions: Conditions = NO_CONDITIONS,
    *,
    limits: Sequence[tuple[str, tuple[int, ...]]] = (),
    lists: ListSizes = (),
) -> bytes:
    """The whole exposition, as CONTENT_TYPE says.

    `limits`: name and counts (index: LimitCell).
    """
    families = (
        *_families(reader, names, conditions),
        *_shielding(limits, lists),
        _expiry(expiries),
        *_discovery(discoveries),
    )
    return "".join(families).encode()


def _conditions(conditions: Conditions) -> Iterator[str]:
    found = conditions.endpoints
    yield _family(catalogue.STATE, [((one.upstream, one.endpoint, one.state), 1) for one in found])
    yield _family(catalogue.PROBES, [((one.upstream, one.endpoint), one.probes) for one in found if one.probes])
    failed = [((one.upstream, one.endpoint), one.probes_failed) for one in found if one.probes]
    yield _family(catalogue.PROBES_FAILED, failed)
    yield _family(
        catalogue.EJECTIONS, [((one.upstream, one.endpoint), one.ejections) for one in found if one.ejections]
    )
    yield _family(catalogue.PANIC, [((name,), int(panics)) for name, panics in conditions.panics.items()])


def _shielding(limits: Sequence[tuple[str, tuple[int, ...]]], lists: ListSizes) -> Iterator[str]:
    for cell, metric in catalogue.LIMIT.items():
        yield _family(metric, [((name,), counts[cell]) for name, counts in limits])
    addresses = [one for one in lists if one[3] is None]
    yield _family(catalogue.LIST_ENTRIES, [((name,), entries) for name, entries, _, _ in addresses])
    yield _family(catalogue.LIST_BYTES, [((name,), size) for name, _, size, _ in addresses])
    hosts = [(name, entries, size, ignored) for name, entries, size, ignored in lists if ignored is not None]
    yield _family(catalogue.HOST_LIST_ENTRIES, [((name,), entries) for name, entries, _, _ in hosts])
    yield _family(catalogue.HOST_LIST_BYTES, [((name,), size) for name, _, size, _ in hosts])
    yield _family(catalogue.HOST_LIST_IGNORED, [((name,), ignored) for name, _, _, ignored in hosts])


def _expiry(expiries: Expiries) -> str:
    # one file may serve a listener twice; a sample may stand there once
    ends = {(listener, upstream, file): end for listener, upstream, file, end in expiries}
    return _family(catalogue.EXPIRY, list(ends.items()))


def _families(reader: BoardReader, names: Names, conditions: Conditions) -> Iterator[str]:
    yield _family(catalogue.INFO, [((__version__,), 1)])
    yield _family(catalogue.WORKERS, [((), reader.workers)])
    totals = reader.workers_sum()
    for worker_cell, metric in catalogue.WORKER.items():
        yield _family(metric, [((), totals[worker_cell])])
    listeners = [((names.listeners[slot],), cells) for slot, cells in reader.listeners(names.listeners)]
    for listener_cell, metric in catalogue.LISTENER.items():
        yield _family(metric, [(labels, cells[listener_cell]) for labels, cells in listeners])
    yield from _routes([(names.routes[slot], counts) for slot, counts in reader.routes(names.routes)])
    # a rule has a route's cells, and counts in the first
    rules = [(names.rules[slot], counts.classes[0]) for slot, counts in reader.routes(names.rules)]
    yield _family(catalogue.RULES, rules)
    endpoints = [(names.endpoints[slot], cells) for slot, cells in reader.endpoints(names.endpoints)]
    for endpoint_cell, metric in catalogue.ENDPOINT.items():
        unit = 1e9 if metric.unit == "seconds" else 1
        yield _family(
            metric,
            [
                (labels, cells[endpoint_cell] / unit if unit > 1 else cells[endpoint_cell])
                for labels, cells in endpoints
            ],
        )
    yield from _conditions(conditions)
    yield _family(catalogue.FAULTS, list(_faults(reader)))


def _routes(routes: list[tuple[str, RouteCounts]]) -> Iterator[str]:
    yield _family(
        catalogue.EXCHANGES,
        [
            ((route, code), count)
            for route, counts in routes
            for code, count in zip(_CODES, counts.classes, strict=True)
            if count
        ],
    )
    yield _family(catalogue.RECEIVED, [((route,), counts.received) for route, counts in routes])
    yield _family(catalogue.SENT, [((route,), counts.sent) for route, counts in routes])
    yield _histogram(catalogue.DURATION, routes)
    yield _family(
        catalogue.RETRIES,
        [
            ((route, cause), count)
            for route, counts in routes
            for cause, count in zip(_CAUSES, counts.retries, strict=True)
        ],
    )
    yield _family(catalogue.BUDGET_SPENT, [((route,), counts.budget_spent) for route, counts in routes])


def _faults(reader: BoardReader) -> Iterator[Sample]:
    for number, count in enumerate(reader.faults()):
        fault = FAULT_TABLE.get(number)
        if count and fault is not None:
            yield (fault.label, fault.side.value), count


def _family(metric: Metric, samples: Iterable[Sample]) -> str:
    """A family's head and samples; nothing for a family without samples."""
    lines = [f"{metric.name}{_labels(metric.labels, values)} {value}\n" for values, value in samples]
    return _head(metric) + "".join(lines) if lines else ""


def _histogram(metric: Metric, routes: list[tuple[str, RouteCounts]]) -> str:
    lines = []
    for route, counts in routes:
        for bound, count in zip(_BOUNDS, accumulate(counts.buckets), strict=True):
            lines.append(f"{metric.name}_bucket{_labels((*metric.labels, 'le'), (route, bound))} {count}\n")
        labels = _labels(metric.labels, (route,))
        # The count is the last bucket's, not that of the classes: the two could be of different moments.
        lines.append(f"{metric.name}_sum{labels} {counts.nanoseconds / 1e9!r}\n")
        lines.append(f"{metric.name}_count{labels} {sum(counts.buckets)}\n")
    return _head(metric) + "".join(lines) if lines else ""


def _head(metric: Metric) -> str:
    return f"# HELP {metric.name} {_escape_help(metric.meaning)}\n# TYPE {metric.name} {metric.kind}\n"


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    if not names:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True)) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _escape_help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")
