"""Health for people and for Prometheus: rows of `limen status` and GET /upstreams, samples of the exposition."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from limen.egress.standing import shown
from limen.observe.board import EndpointCell
from limen.observe.exposition import Condition, Conditions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from limen.egress.standing import Shown
    from limen.runtime.health import Group, Health, Seat


def upstream_rows(
    health: Health, discovery: Mapping[str, Mapping[str, object]] | None = None
) -> list[dict[str, object]]:
    """One row per upstream with one per endpoint: docs/health.md has the keys. `discovery`: by upstream, its source."""
    sources = discovery or {}
    return [{**upstream_row(health, group), "discovery": sources.get(group.name)} for group in health.groups.values()]


def upstream_row(health: Health, group: Group) -> dict[str, object]:
    """One upstream."""
    health.tell_now()
    cells = _cells(health, group)
    return {
        "name": group.name,
        "balance": group.model.balance.policy,
        "panic": group.relief.panics,
        "max_requests": group.model.max_requests,
        "endpoints": [endpoint_row(health, group, seat, cells[seat.slot]) for seat in group.seats.values()],
    }


def endpoint_row(health: Health, group: Group, seat: Seat, cells: tuple[int, ...]) -> dict[str, object]:
    """One endpoint, with what the workers count for it."""
    standing, endpoint, finding = seat.standing, seat.endpoint, seat.standing.finding
    state = _shown(health, group, seat, cells)
    load = standing.load if group.model.load is None else health.board.busy(seat.slot)
    return {
        "address": str(endpoint.address),
        "region": endpoint.region,
        "weight": endpoint.weight,
        "runtime_weight": standing.weight,
        "load": round(load, 2) if load is not None else None,
        "priority": endpoint.priority,
        "backup": endpoint.backup,
        "max_requests": endpoint.max_requests,
        "setting": standing.setting.value,
        "state": state.state.value,
        "reason": state.reason,
        "since": _iso(state.since),
        "probe": None if finding is None else "passed" if finding.passed else "failed",
        "probe_reason": finding.reason if finding is not None else "",
        "probe_at": _iso(finding.at) if finding is not None else None,
        "probe_seconds": round(finding.seconds, 6) if finding is not None else None,
        "ejections": standing.ejections,
        "ejected_until": _iso(standing.ejected_until) if standing.ejected else None,
        **health.board.endpoint_report(cells),
    }


def tell_states(health: Health, upstream: object) -> None:
    """Add to the upstream of an explanation what only the supervisor knows: states, their reasons, and since when."""
    if not isinstance(upstream, dict):
        return
    group = next((one for one in health.groups.values() if one.name == upstream["name"]), None)
    if group is None:
        return
    cells = _cells(health, group)
    shown_now = {
        str(seat.endpoint.address): _shown(health, group, seat, cells[seat.slot]) for seat in group.seats.values()
    }
    for row in upstream["endpoints"]:
        known = shown_now.get(row["address"])
        if known is not None:
            row.update(state=known.state.value, state_reason=known.reason, since=_iso(known.since))


def conditions(health: Health) -> Conditions:
    """What the exposition shows beside the board. Safe to call in a thread."""
    groups = list(health.groups.values())
    found = [
        Condition(
            group.name,
            str(seat.endpoint.address),
            _shown(health, group, seat, cells[seat.slot]).state.value,
            seat.standing.probes,
            seat.standing.probes_failed,
            seat.standing.ejections,
        )
        for group in groups
        for cells in (_cells(health, group),)
        for seat in group.seats.values()
    ]
    return Conditions(found, {group.name: group.relief.panics for group in groups})


def _cells(health: Health, group: Group) -> dict[int, tuple[int, ...]]:
    return health.board.endpoints(seat.slot for seat in group.seats.values())


def _shown(health: Health, group: Group, seat: Seat, cells: tuple[int, ...]) -> Shown:
    out, slow_start = cells[EndpointCell.OUT], group.model.slow_start
    return shown(seat.standing, out=out, workers=health.workers, slow_start=slow_start, now=time.time())


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
