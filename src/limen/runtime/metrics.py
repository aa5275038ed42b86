"""The supervisor's hold on the board: it makes the memory, clears cells that change their name, and reads sums."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from limen.observe import board
from limen.observe.exposition import NO_CONDITIONS, Conditions, Discoveries, Names, render
from limen.runtime.names import ENDPOINT, LIMIT, LISTENER, ROUTE, endpoint_name

if TYPE_CHECKING:
    from limen.runtime.estate import Estate
    from limen.runtime.shared import Shared

_AREAS = {
    LISTENER: (board.LISTENER_AREA, board.LISTENER_CELLS),
    ROUTE: (board.ROUTE_AREA, board.ROUTE_CELLS),
    ENDPOINT: (board.ENDPOINT_AREA, board.ENDPOINT_CELLS),
}
_ENDPOINT_REPORT = (
    board.EndpointCell.ACTIVE,
    board.EndpointCell.CONNECTIONS,
    board.EndpointCell.IDLE,
    board.EndpointCell.OUT,
    board.EndpointCell.REQUESTS,
    board.EndpointCell.DIALS,
    board.EndpointCell.DIAL_FAILURES,
    board.EndpointCell.RESPONSE_FAULTS,
    board.EndpointCell.RETRIES,
    board.EndpointCell.RESPONSES,
    board.EndpointCell.FAILURES,
)
_NOTHING = (0,) * board.ENDPOINT_CELLS


class SharedBoard:
    """One board for all workers; `fd` is what they inherit."""

    def __init__(self, workers: int) -> None:
        self.fd, self._header = board.create(workers)
        # Native 64-bit cells: an assignment is one store.
        self._front = memoryview(self._header).cast("Q")
        self._workers = workers
        self._reader = board.BoardReader(self.fd)

    def clear(self, reused: Iterable[tuple[str, int]]) -> None:
        """Zeroes the cells of (kind, slot) in every worker's region."""
        for kind, slot in reused:
            if kind not in _AREAS:
                continue
            area, cells = _AREAS[kind]
            for worker in range(self._workers):
                start = board.HEADER + worker * board.REGION + area + slot * cells
                os.pwrite(self.fd, bytes(cells * board.CELL), start * board.CELL)
            if kind == ENDPOINT:
                os.pwrite(self.fd, bytes(board.CELL), (board.TOTALS + slot) * board.CELL)
                self.tell_health(slot, flags=0, weight=0, since=0)
                self.end_run(slot)
                self._front[board.PEAKS + slot] = 0

    def exposition(
        self,
        estate: Estate,
        discoveries: Discoveries = (),
        conditions: Conditions = NO_CONDITIONS,
        shared: Shared | None = None,
    ) -> bytes:
        """The Prometheus text of all counts, with the names of the estate in force. Safe to call in a thread."""
        limits, lists = [], []
        if shared is not None:
            names = {number: name for name, number in estate.slots.active.get(LIMIT, {}).items()}
            limits, lists = shared.limit_counts(names), shared.list_sizes(estate.revision.config)
        return render(
            self._reader, slot_names(estate), expiries(estate), discoveries, conditions, limits=limits, lists=lists
        )

    def endpoints(self, slots: Iterable[int]) -> dict[int, tuple[int, ...]]:
        """The cells of endpoints (index: EndpointCell), all workers together; those never touched are zero."""
        wanted = list(slots)
        return {**dict.fromkeys(wanted, _NOTHING), **dict(self._reader.endpoints(wanted))}

    @staticmethod
    def endpoint_report(cells: tuple[int, ...]) -> dict[str, int | float]:
        """What of them a report has, by its keys."""
        counts: dict[str, int | float] = {cell.name.lower(): cells[cell] for cell in _ENDPOINT_REPORT}
        counts["response_seconds"] = round(cells[board.EndpointCell.NANOSECONDS] / 1e9, 6)
        return counts

    def busy(self, slot: int) -> float | None:
        """How busy an endpoint said it is in its last answer, 0 to 1; None if that is too long ago (reports.pyx)."""
        told = self._front[board.LOADS + slot]
        age = time.monotonic_ns() // 1_000_000 - (told >> board.LOAD_BITS)
        return (told & (1 << board.LOAD_BITS) - 1) / 1000 if told and age < board.LOAD_LIFE else None

    # -- health: what the supervisor says, and what workers cry

    def tell_health(self, slot: int, *, flags: int, weight: int, since: int) -> None:
        """The supervisor's word on an endpoint; in force with the next `raise_epoch`. `weight` 0: the configured."""
        place = board.HEALTH + slot * board.HEALTH_CELLS
        self._front[place + board.HealthCell.SINCE] = since
        self._front[place + board.HealthCell.WORD] = flags | weight << board.WEIGHT_SHIFT

    def raise_epoch(self) -> None:
        """Has all balancers look at the words before their next choice."""
        self._front[board.EPOCH] += 1

    def alarm(self) -> int:
        """Changes when a run of failures is long enough to be looked at."""
        return self._front[board.ALARM]

    def runs(self, slots: Iterable[int]) -> dict[int, int]:
        """Failures in a row at endpoints."""
        return {slot: self._front[board.RUNS + slot] for slot in slots}

    def end_run(self, slot: int) -> None:
        """Has the failures of an endpoint be counted from none."""
        self._front[board.RUNS + slot] = 0

    def end_out(self, slot: int) -> None:
        """Has no worker be counted that leaves the endpoint out."""
        for worker in range(self._workers):
            place = board.HEADER + worker * board.REGION + board.ENDPOINT_AREA + slot * board.ENDPOINT_CELLS
            os.pwrite(self.fd, bytes(board.CELL), (place + board.EndpointCell.OUT) * board.CELL)

    @property
    def reader(self) -> board.BoardReader:
        """For sums over the workers."""
        return self._reader

    def close(self) -> None:
        """Releases the memory, as far as this process holds it."""
        self._front.release()
        self._header.close()
        os.close(self.fd)


def expiries(estate: Estate) -> list[tuple[str, str, str, int]]:
    """Listener or upstream (the other is empty), file, and Unix time of the end of every certificate in force."""
    listeners = estate.revision.config.listeners
    return [
        (listeners[place].label, "", expiry.file, expiry.not_after)
        if isinstance(place, int)
        else ("", place, expiry.file, expiry.not_after)
        for place, expiry in estate.revision.material.expiries()
    ]


def slot_names(estate: Estate) -> Names:
    """The numbers of the estate, the other way round."""
    slots, config = estate.slots.active, estate.revision.config
    endpoints = slots.get(ENDPOINT, {})
    return Names(
        listeners={number: name for name, number in slots.get(LISTENER, {}).items()},
        routes={number: name for name, number in slots.get(ROUTE, {}).items() if "\n" not in name},
        rules={
            number: (name.partition("\n")[0], name.partition("\n")[2])
            for name, number in slots.get(ROUTE, {}).items()
            if "\n" in name
        },
        endpoints={
            endpoints[endpoint_name(name, endpoint.address)]: (name, str(endpoint.address))
            for name, upstream in config.groups.items()
            for endpoint in upstream.endpoints
        },
    )
