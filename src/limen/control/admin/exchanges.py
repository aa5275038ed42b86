"""Exchanges and tunnels under way, who has had most of them, and those that were refused, over the admin API.

GET /exchanges            a page of them; `limit`, `after`, `top=1`, and the conditions of limen.runtime.census.Wanted
GET /talkers              the clients and targets with most of the last minutes, hour or day; see limen.runtime.talkers
GET /refused              the last of the audit log, the newest first; `limit`
POST /exchanges/kill      ends those that the JSON content means: {"id": ...}, {"client": ...}, {"all": true}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from aiohttp import web

from limen.control.admin.answers import answer
from limen.runtime import talkers
from limen.runtime.census import PAGE_MOST, Wanted, question_of, wanted_of
from limen.runtime.explain.asked import AskedWrongly, limit_of, parameters_of

if TYPE_CHECKING:
    from limen.runtime.protocols import Administered

REFUSED = 50
"""Records that are told unless more are asked for."""


def add_routes(application: web.Application, administered: Administered) -> None:
    """Adds these resources."""
    resources = _Exchanges(administered)
    application.router.add_get("/exchanges", resources.listed)
    application.router.add_get("/talkers", resources.talkers)
    application.router.add_get("/refused", resources.refused)
    application.router.add_post("/exchanges/kill", resources.kill)


class _Exchanges:
    def __init__(self, administered: Administered) -> None:
        self._administered = administered

    async def listed(self, request: web.Request) -> web.StreamResponse:
        try:
            question = question_of(request.query.items())
        except AskedWrongly as error:
            return answer({"error": str(error)}, status=400)
        return answer(dict(await self._administered.exchanges(question)), indent=None)

    async def talkers(self, request: web.Request) -> web.StreamResponse:
        try:
            found = await self._administered.talkers(talkers.question_of(request.query.items()))
        except AskedWrongly as error:
            return answer({"error": str(error)}, status=400)
        if found is None:
            return answer({"error": "nobody keeps count: set `log: {talkers: true}`"}, status=404)
        return answer(dict(found), indent=None)

    async def refused(self, request: web.Request) -> web.StreamResponse:
        try:
            asked = parameters_of(request.query.items(), ("limit",))
            found = await self._administered.refused(limit_of(asked.get("limit", str(REFUSED)), 1, PAGE_MOST))
        except AskedWrongly as error:
            return answer({"error": str(error)}, status=400)
        except OSError as error:
            return answer({"error": f"the audit log cannot be read: {error.strerror}"}, status=503)
        if found is None:
            return answer({"error": "there is no audit log: set `log: {audit: audit.jsonl}`"}, status=404)
        return answer({"refused": [dict(one) for one in found]}, indent=None)

    async def kill(self, request: web.Request) -> web.StreamResponse:
        try:
            wanted = killed_of(await request.text())
        except AskedWrongly as error:
            return answer({"error": str(error)}, status=422)
        return answer({"killed": await self._administered.kill(wanted)})


def killed_of(text: str) -> Wanted:
    """What the content of an order means. Nothing is never all. Raises AskedWrongly."""
    try:
        found = json.loads(text)
    except ValueError:
        raise AskedWrongly('the content must be JSON like {"client": "10.0.0.7"}') from None
    if not isinstance(found, Mapping):
        raise AskedWrongly('the content must be a mapping like {"client": "10.0.0.7"}')
    if dict(found) == {"all": True}:
        return Wanted()
    wanted = wanted_of(found)
    if wanted.is_empty:
        raise AskedWrongly('say which: {"id": ...}, {"client": ...} and the like, or {"all": true}')
    return wanted
