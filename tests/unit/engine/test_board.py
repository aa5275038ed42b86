"""The board: counting, summing over workers, sparse memory, replacement of a worker."""

from __future__ import annotations

import os
import re
import time
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

import pytest

import limen.observe.board as layout
from limen.engine import _observe_probe as probe
from limen.engine.board import Board
from limen.observe.board import (
    BoardReader,
    EndpointCell,
    HealthCell,
    HealthFlag,
    ListenerCell,
    RouteCell,
    WorkerCell,
    create,
)

HEADER = Path(layout.__file__).parent.parent / "engine" / "board.pxd"


@pytest.fixture
def descriptor() -> Iterator[int]:
    made, header = create(3)
    yield made
    header.close()
    os.close(made)


def allocated(descriptor: int) -> int:
    return os.fstat(descriptor).st_blocks * 512


def test_layout_is_the_same_on_both_sides() -> None:
    numbers = {
        name: int(value) for name, value in re.findall(r"^    ([A-Z_]+) = (\d+)", HEADER.read_text(), re.MULTILINE)
    }
    areas = ("HEADER", "EPOCH", "ALARM", "TOTALS", "RUNS", "HEALTH", "LOADS", "PEAKS")
    for name in (*areas, "ROUTES", "ENDPOINTS", "LISTENERS", "FAULTS", "VERSION", "REGION"):
        assert numbers.pop(f"BOARD_{name}") == getattr(layout, name)
    for kind in ("WORKER", "LISTENER", "ROUTE", "ENDPOINT"):
        assert numbers.pop(f"{kind}_AREA") == getattr(layout, f"{kind}_AREA")
        assert numbers.pop(f"{kind}_CELLS") == getattr(layout, f"{kind}_CELLS")
    assert numbers.pop("FAULT_AREA") == layout.FAULT_AREA
    gauges = {name: numbers.pop(f"{name}_GAUGES") for name in ("WORKER", "LISTENER", "ENDPOINT")}
    assert gauges == {"WORKER": 8, "LISTENER": ListenerCell.ACCEPTED, "ENDPOINT": EndpointCell.REQUESTS}
    assert numbers.pop("HEALTH_CELLS") == layout.HEALTH_CELLS
    for kind in (HealthCell, HealthFlag):
        for one in kind:
            assert numbers.pop(f"HEALTH_{one.name}") == one.value
    cells = {"ROUTE": RouteCell, "ENDPOINT": EndpointCell, "LISTENER": ListenerCell, "WORKER": WorkerCell}
    assert numbers == {f"{kind}_{cell.name}": cell.value for kind, group in cells.items() for cell in group}


def test_areas_do_not_overlap() -> None:
    assert layout.TOTALS + layout.ENDPOINTS <= layout.RUNS
    assert layout.RUNS + layout.ENDPOINTS <= layout.HEALTH
    assert layout.HEALTH + layout.ENDPOINTS * layout.HEALTH_CELLS <= layout.HEADER
    assert layout.WORKER_AREA + layout.WORKER_CELLS <= layout.FAULT_AREA
    assert layout.FAULT_AREA + layout.FAULTS <= layout.LISTENER_AREA
    assert layout.LISTENER_AREA + layout.LISTENERS * layout.LISTENER_CELLS <= layout.ROUTE_AREA
    assert layout.ROUTE_AREA + layout.ROUTES * layout.ROUTE_CELLS <= layout.ENDPOINT_AREA
    assert RouteCell.BUCKETS + len(layout.BUCKETS) + 1 <= layout.ROUTE_CELLS
    for start in (layout.HEADER, layout.TOTALS, layout.RUNS, layout.HEALTH, layout.REGION, layout.ROUTE_AREA):
        assert start * layout.CELL % 65536 == 0


def test_buckets_are_those_of_the_reader() -> None:
    bounds = [round(bound * 1e9) for bound in layout.BUCKETS]
    for value in [0, 1, *bounds, *(bound + 1 for bound in bounds), *(bound - 1 for bound in bounds), 2**63]:
        assert probe.bucket(value) == bisect_left(bounds, value)


def test_exchanges_are_summed_over_the_workers(descriptor: int) -> None:
    boards = [Board(descriptor, worker) for worker in range(3)]
    for board in boards:
        probe.count_exchange(board, 7, 204, 100, 2000, 3_000_000)
    probe.count_exchange(boards[1], 7, 503, 1, 2, 70_000_000_000)
    probe.count_exchange(boards[1], 7, 0, 0, 0, 0)
    probe.count_exchange(boards[1], 7, 999, 0, 0, 0)
    counts = BoardReader(descriptor).route(7)
    assert counts.classes == (2, 0, 3, 0, 0, 1)
    assert (counts.received, counts.sent) == (301, 6002)
    assert counts.nanoseconds == 70_009_000_000
    assert (counts.buckets[3], counts.buckets[16], counts.buckets[0]) == (3, 1, 2)
    assert counts.exchanges == 6
    assert BoardReader(descriptor).route(6).exchanges == 0


def test_first_and_last_slot_are_apart(descriptor: int) -> None:
    board = Board(descriptor, 2)
    for slot in (0, layout.ROUTES - 1):
        probe.count_exchange(board, slot, 200, 0, 0, 1)
    for slot in (0, layout.ENDPOINTS - 1):
        probe.endpoint_add(board, slot, EndpointCell.REQUESTS, slot + 1)
    for slot in (0, layout.LISTENERS - 1):
        probe.listener_add(board, slot, ListenerCell.ACCEPTED, slot + 1)
    for fault in (0, layout.FAULTS - 1):
        probe.count_fault(board, fault)
    probe.worker_add(board, WorkerCell.LOG_LOST, 5)
    reader = BoardReader(descriptor)
    assert [reader.route(slot).exchanges for slot in (0, 1, layout.ROUTES - 1)] == [1, 0, 1]
    ends = (0, layout.ENDPOINTS - 1)
    assert [reader.endpoint(slot)[EndpointCell.REQUESTS] for slot in ends] == [1, layout.ENDPOINTS]
    assert [reader.listener(slot)[ListenerCell.ACCEPTED] for slot in (0, 255)] == [1, 256]
    assert sum(reader.faults()) == 2
    assert reader.workers_sum()[WorkerCell.LOG_LOST] == 5
    assert reader.worker(2)[WorkerCell.LOG_LOST] == 5
    assert not any(reader.worker(0))


def test_slots_out_of_range_are_dropped(descriptor: int) -> None:
    board = Board(descriptor, 0)
    probe.count_exchange(board, layout.ROUTES, 200, 0, 0, 1)
    probe.endpoint_add(board, layout.ENDPOINTS, EndpointCell.ACTIVE, 1)
    probe.endpoint_set(board, layout.ENDPOINTS, EndpointCell.ACTIVE, 1)
    probe.listener_add(board, layout.LISTENERS, ListenerCell.ACCEPTED, 1)
    probe.count_fault(board, -1)
    probe.count_fault(board, layout.FAULTS)
    assert probe.endpoint_get(board, layout.ENDPOINTS, EndpointCell.ACTIVE) == 0
    reader = BoardReader(descriptor)
    assert not any(reader.faults())
    assert not any(reader.listener(0)) and not any(reader.endpoint(0))
    for read in (reader.route, reader.endpoint, reader.listener):
        with pytest.raises(IndexError):
            read(layout.ROUTES)


def test_untouched_memory_costs_nothing(descriptor: int) -> None:
    reader = BoardReader(descriptor)
    before = allocated(descriptor)
    for slot in range(0, layout.ROUTES, 997):
        reader.route(slot)
        reader.endpoint(slot)
    assert allocated(descriptor) == before
    board = Board(descriptor, 1)
    probe.count_exchange(board, 60_000, 200, 0, 0, 1)
    board.reset_gauges()
    assert allocated(descriptor) - before <= 8 * 65536


def test_a_replacement_clears_gauges_and_keeps_counters(descriptor: int) -> None:
    crashed = Board(descriptor, 1)
    other = Board(descriptor, 2)
    slots = (0, 3, 511, layout.ENDPOINTS - 1)
    for board in (crashed, other):
        for slot in slots:
            for cell in EndpointCell:
                probe.endpoint_add(board, slot, cell, 2)
        for listener_cell in ListenerCell:
            probe.listener_add(board, 255, listener_cell, 3)
        for worker_cell in WorkerCell:
            board.count(worker_cell, 4)
        probe.count_fault(board, 40)
    del crashed
    replacement = Board(descriptor, 1)
    replacement.reset_gauges()
    reader = BoardReader(descriptor)
    for slot in slots:
        cells = reader.endpoint(slot)
        gauges = [0 if cell is EndpointCell.OUT else 2 for cell in EndpointCell if cell < EndpointCell.REQUESTS]
        assert [*cells[: len(EndpointCell)]] == [*gauges, *[4] * (len(EndpointCell) - len(gauges))]
        assert probe.endpoint_get(replacement, slot, EndpointCell.ACTIVE) == 0
    assert reader.listener(255)[:3] == (3, 6, 6)
    totals = reader.workers_sum()
    assert [totals[cell] for cell in WorkerCell] == [4, 4, 4, *[8] * 16]
    assert reader.faults()[40] == 2


def test_gauges_go_down(descriptor: int) -> None:
    board = Board(descriptor, 0)
    probe.endpoint_add(board, 5, EndpointCell.IDLE, 3)
    probe.endpoint_add(board, 5, EndpointCell.IDLE, -3)
    probe.endpoint_add(board, 5, EndpointCell.ACTIVE, -1)
    assert BoardReader(descriptor).endpoint(5)[:4] == (-1, 0, 0, 0)


def test_workers_that_leave_an_endpoint_out_are_counted_as_long_as_they_do(descriptor: int) -> None:
    now = time.monotonic_ns()
    for worker, until in ((0, now + 10**12), (1, now - 1), (2, now + 10**12)):
        probe.endpoint_set(Board(descriptor, worker), 5, EndpointCell.OUT, until)
    assert BoardReader(descriptor).endpoint(5)[EndpointCell.OUT] == 2
    assert [cells[EndpointCell.OUT] for _, cells in BoardReader(descriptor).endpoints([5])] == [2]
    probe.endpoint_set(Board(descriptor, 2), 5, EndpointCell.OUT, 0)
    assert BoardReader(descriptor).endpoint(5)[EndpointCell.OUT] == 1


def test_private_board_counts_for_nobody() -> None:
    board = Board(None)
    assert not board.shared
    probe.count_exchange(board, layout.ROUTES - 1, 200, 1, 1, 1)
    probe.endpoint_add(board, layout.ENDPOINTS - 1, EndpointCell.ACTIVE, 1)
    board.count(WorkerCell.CONNECTIONS)
    assert repr(board) == "<Board private, worker 0: 1 connections, 0 exchanges, 0 tunnels>"
    board.reset_gauges()
    assert probe.endpoint_get(board, layout.ENDPOINTS - 1, EndpointCell.ACTIVE) == 0


def test_what_is_no_board_is_refused(descriptor: int, tmp_path: Path) -> None:
    other = tmp_path / "file"
    other.write_bytes(bytes(64))
    with other.open("rb") as file:
        with pytest.raises(ValueError, match="not a board"):
            Board(file.fileno(), 0)
        with pytest.raises(ValueError, match="not a board"):
            BoardReader(file.fileno())
    with pytest.raises(ValueError, match="no number 3"):
        Board(descriptor, 3)
    with pytest.raises(ValueError, match="workers must be"):
        create(0)
    with pytest.raises(IndexError):
        Board(descriptor, 0).count(64)
