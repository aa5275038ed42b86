"""The admin server on aiohttp: this file is the only one that knows it.

Two doors with the same resources: the control socket (mode 0600, its file mode is the guard) and, if configured, the
admin address (see guard). GET /healthz /status /metrics /upstreams, and /ca where a listener bridges; POST /reload
/drain, and what steers endpoints (see steering).
"""

from __future__ import annotations

import asyncio
import logging
import socket

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from limen.control.admin import bridging, steering
from limen.control.admin.answers import answer
from limen.control.admin.guard import Request, refusal
from limen.errors import ConfigError
from limen.observe.exposition import CONTENT_TYPE as EXPOSITION_TYPE
from limen.runtime.protocols import Administered
from limen.runtime.reload import ReloadFailed

_log = logging.getLogger("limen.admin")

_CONTENT_LIMIT = 16 * 1024
# Nothing may make a response of this server something else than what it says it is.
_FIELDS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}


class Doors:
    """Implements limen.runtime.protocols.AdminServer."""

    def __init__(self, administered: Administered) -> None:
        self._administered = administered
        self._control: web.AppRunner | None = None
        self._admin: web.AppRunner | None = None

    async def open_control(self, sock: socket.socket) -> None:
        """Serves the control socket."""
        self._control = await _serve(self._application([]), sock)

    async def open_admin(self, sock: socket.socket | None) -> None:
        """Serves the admin address on this socket instead of another; None closes it."""
        previous, self._admin = self._admin, None
        if sock is not None:
            self._admin = await _serve(self._application([_guarded]), sock)
        if previous is not None:
            await previous.cleanup()

    async def close(self) -> None:
        """Closes both doors; requests under way get a moment to end."""
        for runner in (self._control, self._admin):
            if runner is not None:
                await runner.cleanup()
        self._control = self._admin = None

    def _application(self, guards: list[Middleware]) -> web.Application:
        application = web.Application(client_max_size=_CONTENT_LIMIT, middlewares=[_answering, *guards])
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/status", self._status)
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/bridge/pins", self._pins)
        application.router.add_get("/ca", self._authorities)
        application.router.add_get("/ca/{file}", self._authority)
        steering.add_routes(application, self._administered)
        application.router.add_post("/reload", self._reload)
        application.router.add_post("/drain", self._drain)
        return application

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _status(self, _: web.Request) -> web.Response:
        return answer(await self._administered.status())

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=await asyncio.to_thread(self._administered.metrics), headers={"Content-Type": EXPOSITION_TYPE}
        )

    async def _pins(self, _: web.Request) -> web.Response:
        return answer({"learnt": [dict(one) for one in self._administered.pins()]})

    async def _authorities(self, _: web.Request) -> web.Response:
        authorities = self._administered.authorities()
        if not authorities:
            raise web.HTTPNotFound
        return web.Response(text=await asyncio.to_thread(bridging.page, authorities), content_type="text/html")

    async def _authority(self, request: web.Request) -> web.Response:
        authorities = self._administered.authorities()
        try:
            found = await asyncio.to_thread(bridging.download, authorities, request.match_info["file"])
        except ConfigError as error:
            return answer({"error": str(error)}, status=503)
        if found is None:
            raise web.HTTPNotFound
        return web.Response(body=found.content, content_type=found.content_type)

    async def _reload(self, _: web.Request) -> web.Response:
        try:
            done = await self._administered.reload()
        except ReloadFailed as error:
            return answer({"error": str(error)}, status=422 if error.kind == "config" else 503)
        return answer(
            {
                "revision": done.revision,
                "digest": done.digest,
                "added": list(done.added),
                "removed": list(done.removed),
                "changes": list(done.changes),
                "warnings": list(done.warnings),
            }
        )

    async def _drain(self, _: web.Request) -> web.Response:
        self._administered.begin_drain()
        return answer({"state": "draining"}, status=202)


@web.middleware
async def _answering(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every answer of ours has the fixed fields; errors are JSON, and nothing of a defect reaches the client."""
    try:
        response = await handler(request)
    except web.HTTPException as error:
        response = answer({"error": error.reason}, status=error.status)
    except Exception:  # noqa: BLE001 the outer function of every request
        _log.exception("%s %s failed", request.method, request.path)
        response = answer({"error": "internal error; see the log"}, status=500)
    response.headers.update(_FIELDS)
    return response


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    why = refusal(Request(request.method, request.headers, _client(request)))
    if why is not None:
        return answer({"error": why}, status=403)
    return await handler(request)


def _client(request: web.Request) -> str | None:
    """The peer's address as the kernel says it; an unknown one is nobody's and is refused."""
    transport = request.transport
    if transport is None:
        return ""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family == socket.AF_UNIX:
        return None
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""


async def _serve(application: web.Application, sock: socket.socket) -> web.AppRunner:
    # No access log, no signals of its own; a duplicate, because the server closes what it is given.
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, sock.dup()).start()
    return runner
