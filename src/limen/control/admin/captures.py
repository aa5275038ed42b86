"""What captures have recorded, over the admin API.

GET /captures             the captures, and their files
GET /captures/NAME.har    a HAR 1.2 document of one; `limit`, and the filters of limen.observe.har.Wanted

What is recorded is worth guarding: at an admin address that asks for no credentials, nobody gets it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from limen.control.admin.answers import answer
from limen.observe.har import Export, WrongCondition, wanted_of
from limen.runtime.explain.asked import AskedWrongly, limit_of

if TYPE_CHECKING:
    from limen.runtime.protocols import Administered

LIMIT = 1000
LIMIT_MOST = 10_000
_SIZE_MOST = 64 << 20
_PIECE = 256 * 1024
PARAMETERS = {
    "host": "Only exchanges with this host, or pattern with *",
    "since": "Begun then (ISO 8601) or later; 15m for that long ago",
    "until": "Begun before",
    "status": "Only this status or class: 404, 4xx; 0 for no response",
    "limit": f"Entries at most, the oldest first; {LIMIT} unless said, at most {LIMIT_MOST}, and 64 MiB",
}


def add_routes(application: web.Application, administered: Administered, *, is_guarded_by_mode: bool) -> None:
    """Adds these resources; `is_guarded_by_mode`: who comes here may read our files anyway."""
    resources = _Captures(administered, is_guarded_by_mode=is_guarded_by_mode)
    application.router.add_get("/captures", resources.listed)
    application.router.add_get("/captures/{capture}.har", resources.exported)


class _Captures:
    def __init__(self, administered: Administered, *, is_guarded_by_mode: bool) -> None:
        self._administered = administered
        self._guarded = is_guarded_by_mode
        # reading takes the supervisor's time: one at a time
        self._one = asyncio.Semaphore(1)

    def _refusal(self) -> web.Response | None:
        admin = self._administered.admin()
        if self._guarded or (admin is not None and admin.demands_credentials):
            return None
        return answer(
            {"error": "captures are shown only with credentials: set `admin.token` or `admin.users`"}, status=403
        )

    async def listed(self, _: web.Request) -> web.StreamResponse:
        found = [{"name": name, "files": paths} for name, paths in self._administered.captures().items()]
        return self._refusal() or answer({"captures": found})

    async def exported(self, request: web.Request) -> web.StreamResponse:
        refused = self._refusal()
        if refused is not None:
            return refused
        name = request.match_info["capture"]
        paths = self._administered.captures().get(name)
        if paths is None:
            return answer({"error": f"there is no capture {name!r}"}, status=404)
        try:
            filters = {key: value for key, value in request.query.items() if key != "limit"}
            export = Export(
                [Path(path) for path in paths],
                wanted_of(filters, datetime.now(UTC)),
                most=limit_of(request.query.get("limit", str(LIMIT)), 1, LIMIT_MOST),
                size_most=_SIZE_MOST,
            )
        except (AskedWrongly, WrongCondition) as error:
            return answer({"error": str(error)}, status=400)
        async with self._one:
            return await _sent(request, name, export)


async def _sent(request: web.Request, name: str, export: Export) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/json",
            "Content-Disposition": f'attachment; filename="{name}.har"',
        }
    )
    pieces = export.pieces()
    try:
        first = await asyncio.to_thread(_some, pieces)
    except OSError as error:
        return answer({"error": str(error)}, status=503)
    await response.prepare(request)
    while first:
        await response.write(first)
        first = await asyncio.to_thread(_some, pieces)
    await response.write_eof()
    return response


def _some(pieces: Iterator[bytes]) -> bytes:
    """The next pieces together; empty at the end."""
    found = bytearray()
    for piece in pieces:
        found += piece
        if len(found) >= _PIECE:
            break
    return bytes(found)
