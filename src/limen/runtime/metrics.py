"""The supervisor's hold on the board: it makes the memory, clears cells that change their name, and reads sums."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from limen.observe import board
from limen.observe.exposition import Names, render
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
)


class SharedBoard:
    """One board for all workers; `fd` is what they inherit."""

    def __init__(self, workers: int) -> None:
        self.fd, self._header = board.create(workers)
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

    def exposition(self, estate: Estate, shared: Shared | None = None) -> bytes:
        """The Prometheus text of all counts, with the names of the estate in force. Safe to call in a thread."""
        limits, lists = [], []
        if shared is not None:
            names = {number: name for name, number in estate.slots.active.get(LIMIT, {}).items()}
            limits, lists = shared.limit_counts(names), shared.list_sizes(estate.revision.config)
        return render(self._reader, _names(estate), expiries(estate), limits=limits, lists=lists)

    def endpoint(self, slot: int) -> dict[str, int]:
        """What the workers together count for an endpoint now."""
        cells = self._reader.endpoint(slot)
        return {cell.name.lower(): cells[cell] for cell in _ENDPOINT_REPORT}

    def close(self) -> None:
        """Releases the memory, as far as this process holds it."""
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


def _names(estate: Estate) -> Names:
    """The numbers of the estate, the other way round."""
    slots, config = estate.slots.active, estate.revision.config
    endpoints = slots.get(ENDPOINT, {})
    return Names(
        listeners={number: name for name, number in slots.get(LISTENER, {}).items()},
        routes={number: name for name, number in slots.get(ROUTE, {}).items()},
        endpoints={
            endpoints[endpoint_name(name, endpoint.address)]: (name, str(endpoint.address))
            for name, upstream in config.upstreams.items()
            for endpoint in upstream.endpoints
        },
    )
