"""Counts of this moment for whoever computes rates of them: the page, `limen top`, scripts.

Everything is read from the board and from what the supervisor knows anyway: no worker is asked, so that it may be
polled every second. Lists have bounds; what is left out is counted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from limen.faults import FAULTS
from limen.observe.board import BUCKETS, ListenerCell, RouteCounts, WorkerCell
from limen.runtime.metrics import slot_names
from limen.runtime.report import certificates, listeners

if TYPE_CHECKING:
    from limen.runtime.crew import Crew
    from limen.runtime.estate import Estate
    from limen.runtime.metrics import SharedBoard

ROUTES_SHOWN = 100
"""The busiest of all times."""
ENDPOINTS_SHOWN = 500
"""In all upstreams together; those that are not well come first."""

_CLASSES = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")
_LISTENER_CELLS = (ListenerCell.CONNECTIONS, ListenerCell.ACCEPTED, ListenerCell.REFUSED, ListenerCell.HANDSHAKES)


def live(
    *,
    version: str,
    state: str,
    began: float,
    estate: Estate,
    crew: Crew,
    board: SharedBoard,
    upstreams: list[dict[str, object]],
) -> Mapping[str, object]:
    """See the head of this file. `at` is a clock that never goes back, in seconds"""
    names = slot_names(estate)
    reader = board.reader
    totals = reader.workers_sum()
    routes = [(names.routes[slot], counts) for slot, counts in reader.routes(names.routes)]
    rows, untold = _bounded(upstreams)
    return {
        "at": time.monotonic(),
        "version": version,
        "pid": os.getpid(),
        "state": state,
        "uptime": round(time.monotonic() - began, 3),
        "revision": {"number": estate.revision.number, "digest": estate.revision.digest},
        "traffic": {
            **_summed(counts for _, counts in routes),
            "tunnel_bytes": totals[WorkerCell.TUNNEL_BYTES],
            "connections": totals[WorkerCell.CONNECTIONS],
            "in_flight": totals[WorkerCell.EXCHANGES],
            "tunnels": totals[WorkerCell.TUNNELS],
        },
        "bounds": list(BUCKETS),
        "workers": [
            {
                "number": member.number,
                "pid": member.process.pid if member.process else None,
                "state": member.state.value,
                "restarts": member.restarts,
                "revision": member.revision,
                "since": round(time.monotonic() - member.since, 3),
                "live": dict(member.live),
            }
            for member in crew.members
        ],
        "listeners": _listeners(estate, board),
        "routes": [
            {"name": name, **_summed([counts])}
            for name, counts in sorted(routes, key=lambda one: -sum(one[1].classes))[:ROUTES_SHOWN]
        ],
        "routes_untold": max(0, len(routes) - ROUTES_SHOWN),
        "upstreams": rows,
        "endpoints_untold": untold,
        "faults": {
            FAULTS[number].label: {"count": count, "side": FAULTS[number].side.value}
            for number, count in enumerate(reader.faults())
            if count and number in FAULTS
        },
        "certificates": certificates(estate),
        "talkers": estate.revision.config.log.talkers,
        "audit": estate.revision.config.log.audit is not None,
    }


def _summed(routes: Iterable[RouteCounts]) -> dict[str, object]:
    """Ended exchanges by class of status, bytes, and how long they took; `buckets` as `bounds`, and one beyond."""
    classes = [0] * len(_CLASSES)
    buckets = [0] * (len(BUCKETS) + 1)
    received = sent = nanoseconds = 0
    for counts in routes:
        classes = [a + b for a, b in zip(classes, counts.classes, strict=True)]
        buckets = [a + b for a, b in zip(buckets, counts.buckets, strict=True)]
        received += counts.received
        sent += counts.sent
        nanoseconds += counts.nanoseconds
    return {
        "exchanges": sum(classes),
        "classes": dict(zip(_CLASSES, classes, strict=True)),
        "received": received,
        "sent": sent,
        "seconds": nanoseconds / 1e9,
        "buckets": buckets,
    }


def _listeners(estate: Estate, board: SharedBoard) -> list[dict[str, object]]:
    slots = estate.slots.active.get("listener", {})
    return [
        {**row, **{cell.name.lower(): cells[cell] for cell in _LISTENER_CELLS}}
        for row in listeners(estate)
        for cells in (board.reader.listener(slots[str(row["name"])]),)
    ]


def _bounded(rows: list[dict[str, object]]) -> tuple[list[dict[str, object]], int]:
    """The upstreams with at most ENDPOINTS_SHOWN endpoints, and how many were left out."""
    room, untold = ENDPOINTS_SHOWN, 0
    for row in rows:
        endpoints = row["endpoints"]
        if not isinstance(endpoints, list):
            continue
        row["count"] = len(endpoints)
        if len(endpoints) > room:
            untold += len(endpoints) - room
            row["endpoints"] = sorted(endpoints, key=_wellness)[:room]
        room -= min(room, len(endpoints))
    return rows, untold


def _wellness(endpoint: Mapping[str, object]) -> tuple[bool, int]:
    out, active = endpoint.get("out"), endpoint.get("active")
    well = not out and endpoint.get("state") in (None, "up", "warming")
    return well, -active if isinstance(active, int) else 0
