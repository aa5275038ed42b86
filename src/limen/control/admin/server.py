"""The admin server on aiohttp: this file is the only one that knows it.

Two doors with the same resources: the control socket (mode 0600, its file mode is the guard) and, if configured, the
admin address (see guard). limen.control.admin.openapi describes every resource; a test holds both together.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from limen.control.admin import bridging, captures, exchanges, steering
from limen.control.admin.answers import answer
from limen.control.admin.credentials import Attempts, Credentials, Shown
from limen.control.admin.guard import Request, refusal, refusal_to_change
from limen.control.admin.openapi import document
from limen.control.admin.page import FILES, POLICY, page
from limen.errors import ConfigError
from limen.observe.exposition import CONTENT_TYPE as EXPOSITION_TYPE
from limen.runtime.explain.asked import AskedWrongly, asked_of
from limen.runtime.explain.worker import ExplainFailed
from limen.runtime.protocols import Administered
from limen.runtime.reload import ReloadFailed

_log = logging.getLogger("limen.admin")

_CONTENT_LIMIT = 16 * 1024
# Nothing may make a response of this server something else than what it says it is.
_FIELDS = {
    "Server": "limen",  # and not which library this is
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}


class Doors:
    """Implements limen.runtime.protocols.AdminServer."""

    def __init__(self, administered: Administered) -> None:
        self._administered = administered
        self._control: web.AppRunner | None = None
        self._admin: web.AppRunner | None = None
        self._attempts = Attempts()

    async def open_control(self, sock: socket.socket) -> None:
        """Serves the control socket."""
        self._control = await _serve(self._application([]), sock)

    async def open_admin(self, sock: socket.socket | None) -> None:
        """Serves the admin address on this socket instead of another; None closes it."""
        previous, self._admin = self._admin, None
        if sock is not None:
            self._admin = await _serve(self._application([self._guard()]), sock)
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
        for resource, file in FILES.items():
            application.router.add_get(resource, _shown(file))
        application.router.add_get("/openapi.json", self._openapi)
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/status", self._status)
        application.router.add_get("/live", self._live)
        application.router.add_get("/listeners", self._listeners)
        application.router.add_get("/upstreams", self._upstreams)
        application.router.add_get("/upstreams/{upstream}", self._upstream)
        application.router.add_get("/explain", self._explain)
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/bridge/pins", self._pins)
        application.router.add_get("/ca", self._authorities)
        application.router.add_get("/ca/{file}", self._authority)
        steering.add_routes(application, self._administered)
        exchanges.add_routes(application, self._administered)
        # without guards it is the control socket, which only we ourselves can open
        captures.add_routes(application, self._administered, is_guarded_by_mode=not guards)
        application.router.add_post("/reload", self._reload)
        application.router.add_post("/drain", self._drain)
        return application

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _status(self, _: web.Request) -> web.Response:
        return answer(await self._administered.status())

    async def _openapi(self, _: web.Request) -> web.Response:
        return answer(document())

    async def _live(self, _: web.Request) -> web.Response:
        return answer(self._administered.live(), indent=None)

    async def _listeners(self, _: web.Request) -> web.Response:
        return answer({"listeners": list(self._administered.listeners())})

    async def _upstreams(self, _: web.Request) -> web.Response:
        return answer({"upstreams": list(self._administered.upstreams())})

    async def _upstream(self, request: web.Request) -> web.Response:
        name = request.match_info["upstream"]
        found = [one for one in self._administered.upstreams() if one.get("name") == name]
        return answer(found[0]) if found else answer({"error": f"there is no upstream {name!r}"}, status=404)

    async def _explain(self, request: web.Request) -> web.Response:
        try:
            return answer(await self._administered.explain(asked_of(request.query.items())))
        except AskedWrongly as error:
            return answer({"error": str(error)}, status=400)
        except ExplainFailed as error:
            return answer({"error": str(error)}, status=503)

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

    def _guard(self) -> Middleware:
        """Lets in who may come in: first by where it comes from, then by its credentials."""

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            admin = self._administered.admin()
            asking = Request(
                request.method,
                request.headers,
                _client(request),
                request.path,
                demands_credentials=admin is not None and admin.demands_credentials,
            )
            why = refusal(asking, frozenset(admin.hosts) if admin is not None else ())
            if why is not None:
                return answer({"error": why}, status=403)
            bearer = False
            if admin is not None and asking.demands_credentials:
                given = self._judged(Credentials(admin.token, admin.users), request, asking.client or "")
                if isinstance(given, web.Response):
                    return given
                bearer = given is Shown.TOKEN
            why = refusal_to_change(asking, bearer=bearer)
            return answer({"error": why}, status=403) if why is not None else await handler(request)

        return guarded

    def _judged(self, credentials: Credentials, request: web.Request, client: str) -> Shown | web.Response:
        """The kind of credentials that were right, or the answer to who has none."""
        now = time.monotonic()
        pause = self._attempts.pause(client, now)
        if pause:
            refused = answer({"error": "too many wrong credentials"}, status=429)
            refused.headers["Retry-After"] = str(math.ceil(pause))
            return refused
        given = credentials.judge(request.headers.get("Authorization"))
        if given in (Shown.TOKEN, Shown.USER):
            self._attempts.succeeded(client)
            return given
        if given is Shown.WRONG:
            self._attempts.failed(client, now)
            _log.warning("wrong credentials at the admin address from %s", client or "a unix socket")
        refused = answer({"error": "credentials are needed"}, status=401)
        refused.headers["WWW-Authenticate"] = credentials.challenge
        return refused


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
    for name, value in _FIELDS.items():
        response.headers.setdefault(name, value)
    return response


def _shown(file: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The resource of one of the page's files."""

    async def shown(_: web.Request) -> web.StreamResponse:
        found = page(file)
        return web.Response(
            body=found.content,
            content_type=found.content_type,
            charset="utf-8",
            headers={"Content-Security-Policy": POLICY},
        )

    return shown


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
