"""Endpoints at run time, over the admin API.

POST /upstreams/{upstream}/endpoints/{address}/drain, /disable, /enable    what new exchanges it gets
POST /upstreams/{upstream}/endpoints/{address}/weight                      {"weight": 5}; null is the configured one

The answer to a POST is the endpoint's row. 404 for what is not there, 422 for a weight that is none.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import web

from limen.control.admin.answers import answer
from limen.egress.standing import Setting
from limen.runtime.health import SettingRefused, UnknownEndpoint
from limen.runtime.health_report import endpoint_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.typedefs import Handler

    from limen.runtime.health import Health, Seat
    from limen.runtime.protocols import Administered

_SETTINGS = {"drain": Setting.DRAINING, "disable": Setting.DISABLED, "enable": Setting.ENABLED}
_ENDPOINT = "/upstreams/{upstream}/endpoints/{address}"


def add_routes(application: web.Application, administered: Administered) -> None:
    """Adds these resources."""
    resources = _Steering(administered)
    for word, setting in _SETTINGS.items():
        application.router.add_post(f"{_ENDPOINT}/{word}", resources.set_state(setting))
    application.router.add_post(f"{_ENDPOINT}/weight", resources.set_weight)


class _Steering:
    def __init__(self, administered: Administered) -> None:
        self._administered = administered

    def set_state(self, setting: Setting) -> Handler:
        async def resource(request: web.Request) -> web.StreamResponse:
            return self._set(request, lambda health, upstream, address: health.set_state(upstream, address, setting))

        return resource

    async def set_weight(self, request: web.Request) -> web.StreamResponse:
        try:
            weight = weight_of(await request.text())
        except SettingRefused as error:
            return answer({"error": str(error)}, status=422)
        return self._set(request, lambda health, upstream, address: health.set_weight(upstream, address, weight))

    def _set(self, request: web.Request, act: Callable[[Health, str, str], Seat]) -> web.Response:
        health = self._administered.health
        try:
            seat = act(health, request.match_info["upstream"], request.match_info["address"])
        except UnknownEndpoint as error:
            return answer({"error": str(error)}, status=404)
        except SettingRefused as error:
            return answer({"error": str(error)}, status=422)
        cells = health.board.endpoints([seat.slot])[seat.slot]
        return answer(endpoint_row(health, health.groups[seat.upstream], seat, cells))


def weight_of(text: str) -> int | None:
    """The weight in the content of a request. Raises SettingRefused."""
    try:
        found = json.loads(text)
    except ValueError:
        raise SettingRefused('the content must be JSON like {"weight": 5}') from None
    if not isinstance(found, dict) or set(found) != {"weight"}:
        raise SettingRefused('the content must be like {"weight": 5}, or {"weight": null} for the configured one')
    weight = found["weight"]
    if weight is not None and (not isinstance(weight, int) or isinstance(weight, bool)):
        raise SettingRefused("`weight` must be a whole number or null")
    return weight
