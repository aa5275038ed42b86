"""The exposition, read by Prometheus' own parser."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from limen import __version__
from limen.engine import _observe_probe as probe
from limen.engine.board import Board
from limen.observe.board import BoardReader, EndpointCell, ListenerCell, WorkerCell, create
from limen.observe.catalogue import CATALOGUE, Kind
from limen.observe.exposition import Condition, Conditions, Names, render

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def descriptor() -> Iterator[int]:
    made, header = create(2)
    yield made
    header.close()
    os.close(made)


def parsed(descriptor: int, names: Names) -> Samples:
    text = render(BoardReader(descriptor), names).decode()
    assert text.endswith("\n")
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def test_an_unused_board_shows_only_what_is_always_there(descriptor: int) -> None:
    names = Names({0: "entry"}, {0: "api"}, {0: ("web", "127.0.0.1:80")})
    found = parsed(descriptor, names)
    assert found.pop(("limen_info", (("version", __version__),))) == 1
    assert found.pop(("limen_workers", ())) == 2
    assert set(found.values()) == {0}
    assert {labels for _, labels in found} == {()}
    assert len(found) == len(WorkerCell)


def test_everything_is_summed_and_labelled(descriptor: int) -> None:
    first, second = Board(descriptor, 0), Board(descriptor, 1)
    for board in (first, second):
        probe.count_exchange(board, 300, 200, 10, 1000, 600_000)
        probe.count_exchange(board, 300, 0, 0, 0, 90_000_000_000)
        probe.count_fault(board, 41)
        probe.count_fault(board, 29)  # no such fault
        for cell in EndpointCell:
            probe.endpoint_add(board, 700, cell, cell + 1)
        for listener_cell in ListenerCell:
            probe.listener_add(board, 3, listener_cell, 5)
        for worker_cell in WorkerCell:
            board.count(worker_cell, 7)
    probe.count_exchange(first, 5, 503, 0, 0, 1)
    names = Names({3: "entry"}, {300: "api", 5: 'od"d\\na\nme', 6: "unused"}, {700: ("web", "127.0.0.1:80")})
    found = parsed(descriptor, names)
    route = ("route", "api")
    assert found["limen_exchanges_total", (("code", "2xx"), route)] == 2
    assert found["limen_exchanges_total", (("code", "none"), route)] == 2
    assert found["limen_exchanges_total", (("code", "5xx"), ("route", 'od"d\\na\nme'))] == 1
    assert found["limen_received_bytes_total", (route,)] == 20
    assert found["limen_sent_bytes_total", (route,)] == 2000
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in found.items()
        if name == "limen_exchange_duration_seconds_bucket" and route in labels
    }
    assert len(buckets) == 17
    assert (buckets["0.0005"], buckets["0.001"], buckets["60"], buckets["+Inf"]) == (0, 2, 2, 4)
    assert list(buckets.values()) == sorted(buckets.values())
    assert found["limen_exchange_duration_seconds_count", (route,)] == 4
    assert found["limen_exchange_duration_seconds_sum", (route,)] == pytest.approx(180.0012)
    assert found["limen_faults_total", (("fault", "dns_timeout"), ("side", "origin"))] == 2
    endpoint = (("endpoint", "127.0.0.1:80"), ("upstream", "web"))
    assert [value for (name, labels), value in found.items() if labels == endpoint] == [
        0 if cell is EndpointCell.OUT else 2 * (cell + 1) / (1e9 if cell is EndpointCell.NANOSECONDS else 1)
        for cell in EndpointCell
    ]
    assert found["limen_endpoint_idle_connections", endpoint] == 6
    assert found["limen_listener_accepted_total", (("listener", "entry"),)] == 10
    assert found["limen_dns_lookups_total", ()] == 14
    assert not any(("route", "unused") in labels for _, labels in found)


def test_what_is_shown_is_what_the_catalogue_says(descriptor: int) -> None:
    board = Board(descriptor, 0)
    probe.count_exchange(board, 0, 200, 0, 0, 1)
    probe.count_fault(board, 1)
    probe.listener_add(board, 0, ListenerCell.ACCEPTED, 1)
    probe.endpoint_add(board, 0, EndpointCell.REQUESTS, 1)
    names = Names({0: "entry"}, {0: "api"}, {0: ("web", "127.0.0.1:80")}, {1: ("entry", "no-mail")})
    probe.count_exchange(board, 1, 0, 0, 0, 1)
    expiries = [("entry", "", "/a.pem", 1_800_000_000), ("entry", "", "/a.pem", 1_800_000_000)]
    limits = [("api", (3, 1, 0, 0, 0, 0, 0, 0))]
    conditions = Conditions([Condition("web", "127.0.0.1:80", "down", 3, 2, 1)], {"web": True})
    text = render(
        BoardReader(descriptor),
        names,
        expiries,
        [("web", (3, 1_800_000_000, 2, 1))],
        conditions,
        limits=limits,
        lists=[("bad", 5, 1000, None), ("ads", 7, 2000, 3)],
    ).decode()
    endpoint = 'upstream="web",endpoint="127.0.0.1:80"'
    for line in (
        f'limen_endpoint_state{{{endpoint},state="down"}} 1',
        f"limen_probes_total{{{endpoint}}} 3",
        f"limen_probes_failed_total{{{endpoint}}} 2",
        f"limen_ejections_total{{{endpoint}}} 1",
        'limen_upstream_panic{upstream="web"} 1',
        'limen_rule_exchanges_total{listener="entry",rule="no-mail"} 1',
        'limen_host_list_entries{list="ads"} 7',
        'limen_host_list_ignored{list="ads"} 3',
    ):
        assert line in text.splitlines()
    assert 'limen_discovery_endpoints{upstream="web"} 3\n' in text
    assert 'limen_discovery_failures_total{upstream="web"} 2\n' in text
    assert 'limen_limit_refused_total{limit="api"} 1\n' in text
    assert 'limen_address_list_bytes{list="bad"} 1000\n' in text
    assert 'limen_certificate_expiry_seconds{listener="entry",upstream="",file="/a.pem"} 1800000000\n' in text
    families = list(text_string_to_metric_families(text))
    # The parser takes _total off the names of counters.
    shown = [family.name + ("_total" if family.type == "counter" else "") for family in families]
    assert shown == [metric.name for metric in CATALOGUE]
    for family, metric in zip(families, CATALOGUE, strict=True):
        assert family.type == metric.kind and family.documentation == metric.meaning
        labels = {label for sample in family.samples for label in sample.labels}
        assert labels - {"le"} == set(metric.labels)


def test_names_follow_the_rules() -> None:
    names = [metric.name for metric in CATALOGUE]
    assert len(set(names)) == len(names)
    for metric in CATALOGUE:
        assert metric.name.startswith("limen_")
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert metric.meaning.endswith(".")
        assert (metric.unit == "bytes") == ("bytes" in metric.name)


def test_slots_out_of_range_are_an_error(descriptor: int) -> None:
    with pytest.raises(IndexError):
        render(BoardReader(descriptor), Names({256: "x"}))


def test_gaps_between_slots_cost_no_memory(descriptor: int) -> None:
    names = Names({}, {slot: str(slot) for slot in range(0, 65536, 1000)}, {65535: ("a", "b")})
    before = os.fstat(descriptor).st_blocks
    render(BoardReader(descriptor), names)
    assert os.fstat(descriptor).st_blocks == before
