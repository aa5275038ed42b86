"""The board as its readers see it: making the shared memory, and summing over the workers.

The supervisor uses this file and imports no engine module. The numbers repeat those of
limen/engine/board.pxd, whose comments give the meanings; a test compares the two.
"""

from __future__ import annotations

import enum
import mmap
import os
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

if sys.byteorder != "little":  # pragma: no cover - Limen's platforms are x86-64 and AArch64
    raise ImportError("limen: the board is laid out for little-endian machines")

MAGIC = 0x4C494D454E424F41  # "LIMENBOA"
VERSION = 5
CELL = 8

HEADER = 401408
EPOCH = 8
ALARM = 16
TOTALS = 8192
RUNS = 73728
HEALTH = 139264
LOADS = 270336
PEAKS = 335872
ROUTES = 65536
ENDPOINTS = 65536
LISTENERS = 256
FAULTS = 128
WORKER_AREA, WORKER_CELLS = 0, 64
FAULT_AREA = 64
LISTENER_AREA, LISTENER_CELLS = 192, 8
ROUTE_AREA, ROUTE_CELLS = 8192, 32
ENDPOINT_AREA, ENDPOINT_CELLS = ROUTE_AREA + ROUTES * ROUTE_CELLS, 16
REGION = ENDPOINT_AREA + ENDPOINTS * ENDPOINT_CELLS

MAX_WORKERS = 1024

#: Upper bounds of the duration buckets in seconds, inclusive; the last bucket is everything above.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class RouteCell(enum.IntEnum):
    """Cells of a route: counters."""

    STATUS = 0  # + class of the status; 0: ended without an answer
    RECEIVED = 6
    SENT = 7
    NANOSECONDS = 8
    BUCKETS = 9
    RETRIES = 27  # + cause: no connection, reset, too late, status
    BUDGET_SPENT = 31


class EndpointCell(enum.IntEnum):
    """Cells of an endpoint; those below REQUESTS are gauges."""

    ACTIVE = 0
    CONNECTIONS = 1
    IDLE = 2
    OUT = 3  # of one worker: monotonic ns until which it leaves it out; added up: workers that do so now
    REQUESTS = 4
    RESPONSES = 5
    NANOSECONDS = 6
    FAILURES = 7
    DIALS = 8
    DIAL_FAILURES = 9
    RESPONSE_FAULTS = 10
    RETRIES = 11


class HealthCell(enum.IntEnum):
    """Cells of an endpoint's health, written by the supervisor."""

    WORD = 0  # HealthFlag, and from bit WEIGHT_SHIFT on the weight in force if it is not the configured one
    SINCE = 1  # monotonic nanoseconds at which it came (back) into rotation; 0: from the beginning


HEALTH_CELLS = 2
WEIGHT_SHIFT = 32

# A cell of LOADS: thousandths in the lowest bits, above them the millisecond (monotonic) in which that was said.
LOAD_BITS = 10
LOAD_LIFE = 10_000
"""Milliseconds that it counts."""


class HealthFlag(enum.IntFlag):
    """What the supervisor says of an endpoint."""

    DOWN = 1
    EJECTED = 2
    DRAINING = 4
    DISABLED = 8
    PANIC = 16
    CALLED = 32


class ListenerCell(enum.IntEnum):
    """Cells of a listener; CONNECTIONS is a gauge."""

    CONNECTIONS = 0
    ACCEPTED = 1
    REFUSED = 2
    HANDSHAKES = 3
    RESUMED = 4
    UNSEALED = 5


class WorkerCell(enum.IntEnum):
    """Cells of a worker as a whole; those below TUNNEL_BYTES are gauges."""

    CONNECTIONS = 0
    EXCHANGES = 1
    TUNNELS = 2
    TUNNEL_BYTES = 8
    HOOK_CALLS = 9
    HOOK_FAILURES = 10
    DNS_LOOKUPS = 11
    LOG_LOST = 12
    HEDGES = 24
    HEDGES_WON = 25
    MIRRORED = 26
    MIRRORS_SHED = 27
    MIRRORS_FAILED = 28
    HEDGES_SHED = 40
    IDENTITY_CHECKS = 29
    IDENTITY_FAILURES = 30
    IDENTITY_SHED = 31
    CAPTURED = 41
    CAPTURE_LOST = 42


def create(workers: int) -> tuple[int, mmap.mmap]:
    """Make the board for `workers` (1 to 1024) and return its descriptor and its header's mapping.

    The memory is sparse: 25 MiB of addresses per worker, of which only touched pages exist. The
    descriptor is not inheritable by default (the supervisor passes it to workers by number).
    Raises ValueError for a number out of range, OSError if the kernel refuses.
    """
    if not 1 <= workers <= MAX_WORKERS:
        raise ValueError(f"workers must be 1 to {MAX_WORKERS}, not {workers}")
    descriptor = os.memfd_create("limen-board", os.MFD_CLOEXEC)
    try:
        os.ftruncate(descriptor, (HEADER + workers * REGION) * CELL)
        header = mmap.mmap(descriptor, HEADER * CELL)
        header[: 4 * CELL] = struct.pack("<4Q", MAGIC, VERSION, workers, REGION * CELL)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, header


@dataclass(frozen=True, slots=True)
class RouteCounts:
    """What one route did, all workers together."""

    classes: tuple[int, ...]  # exchanges by status class; [0]: ended without an answer
    received: int
    sent: int
    nanoseconds: int
    buckets: tuple[int, ...]  # len(BUCKETS) + 1, not cumulative
    retries: tuple[int, ...]  # by cause: no connection, reset, too late, status
    budget_spent: int

    @classmethod
    def of(cls, cells: tuple[int, ...]) -> RouteCounts:
        """From a route's cells."""
        return cls(
            classes=cells[RouteCell.STATUS : RouteCell.RECEIVED],
            received=cells[RouteCell.RECEIVED],
            sent=cells[RouteCell.SENT],
            nanoseconds=cells[RouteCell.NANOSECONDS],
            buckets=cells[RouteCell.BUCKETS : RouteCell.BUCKETS + len(BUCKETS) + 1],
            retries=cells[RouteCell.RETRIES : RouteCell.BUDGET_SPENT],
            budget_spent=cells[RouteCell.BUDGET_SPENT],
        )

    @property
    def exchanges(self) -> int:
        """How many exchanges ended on this route."""
        return sum(self.classes)


class BoardReader:
    """Sums of the cells over all workers. It reads by pread, because looking at a mapping would allocate
    the untouched pages; a cell is never seen torn, but two cells may be of slightly different moments.

    Raises ValueError if the descriptor is not a board of this version. IndexError for a slot out of range.
    """

    def __init__(self, descriptor: int) -> None:
        """The descriptor stays the caller's and must stay open."""
        header = os.pread(descriptor, 4 * CELL, 0)
        if len(header) != 4 * CELL:
            raise ValueError("this descriptor is not a board")
        magic, version, workers, region = struct.unpack("<4Q", header)
        if magic != MAGIC or version != VERSION or region != REGION * CELL:
            raise ValueError("this descriptor is not a board of this version")
        self._descriptor = descriptor
        self.workers: int = workers

    def worker(self, number: int) -> tuple[int, ...]:
        """The own cells of one worker (index: WorkerCell)."""
        _bounded(number, self.workers)
        return _cells(self._read(number, WORKER_AREA, WORKER_CELLS))

    def workers_sum(self) -> tuple[int, ...]:
        """The own cells of all workers, added (index: WorkerCell)."""
        return self._sum(WORKER_AREA, WORKER_CELLS)

    def faults(self) -> tuple[int, ...]:
        """How often each fault happened (index: fault number)."""
        return self._sum(FAULT_AREA, FAULTS)

    def listener(self, slot: int) -> tuple[int, ...]:
        """The cells of a listener (index: ListenerCell)."""
        return self._one(LISTENER_AREA, LISTENER_CELLS, LISTENERS, slot)

    def endpoint(self, slot: int) -> tuple[int, ...]:
        """The cells of an endpoint (index: EndpointCell)."""
        return next((cells for _, cells in self.endpoints([slot])), (0,) * ENDPOINT_CELLS)

    def route(self, slot: int) -> RouteCounts:
        """The counters of a route."""
        return RouteCounts.of(self._one(ROUTE_AREA, ROUTE_CELLS, ROUTES, slot))

    def listeners(self, slots: Iterable[int]) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Those of the listeners that were ever touched, with their cells, by slot."""
        return self._touched(LISTENER_AREA, LISTENER_CELLS, LISTENERS, slots)

    def endpoints(self, slots: Iterable[int]) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Those of the endpoints that were ever touched, likewise."""
        return self._touched(ENDPOINT_AREA, ENDPOINT_CELLS, ENDPOINTS, slots, _counting_out(time.monotonic_ns()))

    def routes(self, slots: Iterable[int]) -> Iterator[tuple[int, RouteCounts]]:
        """Those of the routes that were ever touched, likewise."""
        for slot, cells in self._touched(ROUTE_AREA, ROUTE_CELLS, ROUTES, slots):
            yield slot, RouteCounts.of(cells)

    def _touched(
        self, area: int, size: int, bound: int, slots: Iterable[int], add: _Add | None = None
    ) -> Iterator[tuple[int, tuple[int, ...]]]:
        # A block of slots per system call: slots are handed out densely, and there may be thousands.
        for first, group in groupby(sorted(slots), lambda slot: slot // _BLOCK * _BLOCK):
            count = min(_BLOCK, bound - first)
            blocks = [self._read(worker, area + first * size, count * size) for worker in range(self.workers)]
            for slot in group:
                _bounded(slot, bound)
                start = (slot - first) * size * CELL
                rows = [row for row in (block[start : start + size * CELL] for block in blocks) if any(row)]
                if rows:
                    yield slot, (add or _added)(rows)

    def _one(self, area: int, size: int, bound: int, slot: int) -> tuple[int, ...]:
        _bounded(slot, bound)
        return self._sum(area + slot * size, size)

    def _sum(self, start: int, count: int) -> tuple[int, ...]:
        return _added([self._read(worker, start, count) for worker in range(self.workers)])

    def _read(self, worker: int, start: int, count: int) -> bytes:
        return os.pread(self._descriptor, count * CELL, (HEADER + worker * REGION + start) * CELL)


_Add = Callable[[list[bytes]], tuple[int, ...]]
#: Slots read at once.
_BLOCK = 256


def _cells(row: bytes) -> tuple[int, ...]:
    # Signed, because gauges are sums of signed steps; no counter reaches 2**63.
    return struct.unpack(f"<{len(row) // CELL}q", row)


def _added(rows: list[bytes]) -> tuple[int, ...]:
    return tuple(map(sum, zip(*map(_cells, rows), strict=True)))


def _counting_out(now: int) -> _Add:
    """Adds rows of endpoints: deadlines cannot be added, those that are to come can be counted."""

    def added(rows: list[bytes]) -> tuple[int, ...]:
        cells = list(map(_cells, rows))
        total = [sum(column) for column in zip(*cells, strict=True)]
        total[EndpointCell.OUT] = sum(row[EndpointCell.OUT] > now for row in cells)
        return tuple(total)

    return added


def _bounded(slot: int, bound: int) -> None:
    if not 0 <= slot < bound:
        raise IndexError(f"slot {slot} is out of range 0 to {bound - 1}")
