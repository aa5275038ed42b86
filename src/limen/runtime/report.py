"""The state of an instance as `limen status` and GET /status give it: one JSON-able mapping."""

from __future__ import annotations

import asyncio
import heapq
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from limen.runtime.channel import CallFailed, ChannelClosed
from limen.runtime.health_report import upstream_rows
from limen.runtime.metrics import expiries

if TYPE_CHECKING:
    from limen.runtime.crew import Crew, Member
    from limen.runtime.estate import Estate
    from limen.runtime.health import Health

_STATUS_TIMEOUT = 1.0
# Certificates of a report: of ten thousand only those that expire first are worth a look.
_CERTIFICATES = 20


async def report(
    *,
    version: str,
    state: str,
    began: float,
    estate: Estate,
    crew: Crew,
    health: Health,
    discovery: Mapping[str, Mapping[str, object]],
) -> Mapping[str, object]:
    """Asks the workers and puts everything together; a worker that is silent for a second is reported without.

    `discovery`: by upstream, where its endpoints are from.
    """
    await crew.refresh(timeout=_STATUS_TIMEOUT)
    details = await asyncio.gather(*(_detail(member) for member in crew.members))
    revision = estate.revision
    return {
        "version": version,
        "pid": os.getpid(),
        "state": state,
        "uptime": round(time.monotonic() - began, 3),
        "revision": {"number": revision.number, "digest": revision.digest},
        "live": _sums(crew),
        "workers": [
            {
                "number": member.number,
                "pid": member.process.pid if member.process else None,
                "state": member.state.value,
                "restarts": member.restarts,
                "revision": member.revision,
                "since": round(time.monotonic() - member.since, 3),
                "live": dict(member.live),
                "status": detail,
            }
            for member, detail in zip(crew.members, details, strict=True)
        ],
        "listeners": listeners(estate),
        "upstreams": upstream_rows(health, discovery),
        "certificates": certificates(estate),
        "admin": estate.admin.address if estate.admin else None,
    }


def certificates(estate: Estate) -> list[dict[str, object]]:
    """Those that expire first."""
    found = heapq.nsmallest(_CERTIFICATES, expiries(estate), key=lambda row: row[3])
    return [
        {
            "listener": listener or None,
            "upstream": upstream or None,
            "file": file,
            "expires": datetime.fromtimestamp(end, UTC).isoformat(),
            "days": int((end - time.time()) // 86400),
        }
        for listener, upstream, file, end in found
    ]


async def _detail(member: Member) -> object:
    process = member.ready
    if process is None:
        return {}
    try:
        answer = await process.call("status", timeout=_STATUS_TIMEOUT)
    except (ChannelClosed, CallFailed, TimeoutError):
        return {}
    return answer.fields.get("status", {})


def _sums(crew: Crew) -> dict[str, int]:
    sums: dict[str, int] = {"connections": 0, "exchanges": 0, "tunnels": 0}
    for member in crew.members:
        for name, count in member.live.items():
            if isinstance(count, int):
                sums[name] = sums.get(name, 0) + count
    return sums


def listeners(estate: Estate) -> list[dict[str, object]]:
    """The listeners in force, in the order of the configuration."""
    rows: list[dict[str, object]] = []
    for place in estate.revision.listeners:
        listener = estate.revision.config.listeners[place.index]
        kind = "routes" if listener.routes is not None else "forward" if listener.forward is not None else "stream"
        rows.append(
            {
                "name": listener.label,
                "address": place.address,
                "kind": kind,
                "routes": len(listener.routes or ()),
                "sockets": len(estate.listeners[place.key].sockets),
            }
        )
    return rows
