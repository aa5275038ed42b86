"""Error pages and masks of routes, in the engine's terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from limen.engine.mask import Mask
from limen.engine.pages import Page, Pages, Template
from limen.engine.scrub import Scrub

if TYPE_CHECKING:
    from limen.config.models.masks import ErrorPage
    from limen.config.models.routes import Route
    from limen.config.models.scrub import Scrub as ScrubModel
    from limen.config.models.shield import Maintenance
    from limen.config.models.upstreams import Upstream
    from limen.engine.upstream import Upstream as EngineUpstream

ErrorPages = Mapping[int | str, "ErrorPage"]

_SCRUB = {"keep": 0, "third_party": 1, "origin": 2, "drop": 3}
TYPES = {"html": "text/html; charset=utf-8", "json": "application/json", "text": "text/plain; charset=utf-8"}
PLAIN_JSON = '{"type":"about:blank","title":"{reason}","status":{status},"request_id":"{request_id}"}\n'
PLAIN_TEXT = "{status} {reason}\nrequest id: {request_id}\n"
REVEALING = (
    "Server",
    "X-Powered-By",
    "X-AspNet-Version",
    "X-AspNetMvc-Version",
    "X-Generator",
    "X-Runtime",
    "X-Version",
    "X-Backend-Server",
    "X-Served-By",
)
"""Fields that name an origin's software or machine."""


def compile_pages(*layers: ErrorPages) -> Pages | None:
    """Pages by status: of the first layer that says something of it, and there the status before its class."""
    made: dict[int, Page] = {}
    compiled: dict[int, Page] = {}
    for status in range(400, 600):
        for layer in layers:
            model = layer.get(status) or layer.get(f"{status // 100}xx")
            if model is not None:
                made[status] = compiled.setdefault(id(model), _page(model))
                break
    return Pages(made) if made else None


def _page(model: ErrorPage) -> Page:
    texts = {page.kind: page.text for page in model.file or ()}
    texts.update(
        (kind, text) for kind, text in (("html", model.html), ("json", model.json_), ("text", model.text)) if text
    )
    templates = [Template(kind, TYPES[kind], text.encode()) for kind, text in texts.items()]
    if "json" not in texts:
        templates.append(Template("json", "application/problem+json", PLAIN_JSON.encode()))
    if "text" not in texts:
        templates.append(Template("text", TYPES["text"], PLAIN_TEXT.encode()))
    return Page(templates, replaces=model.origin)


def compile_mask(route: Route, upstreams: Sequence[Upstream], engines: list[EngineUpstream]) -> Mask | None:
    """What is rewritten of Location and Set-Cookie; None where nothing is. `engines`: the upstreams as they are built,
    whose endpoints are origins, whatever discovery makes of them.
    """
    model = route.mask
    if model is None or not upstreams or not (model.location or model.cookies):
        return None
    rewrite = route.rewrite
    mapped = rewrite is not None and rewrite.replace is None
    return Mask(
        hosts=_hosts(route, upstreams),
        strip=(rewrite.strip or "") if rewrite is not None and mapped else "",
        add=(rewrite.add or "") if rewrite is not None and mapped else "",
        location=model.location,
        cookies=model.cookies,
        domain=model.cookie_domain or "",
        upstreams=engines,
    )


def compile_scrub(model: ScrubModel | None) -> Scrub | None:
    """What is taken off the fields of a proxy's exchanges; None where nothing is."""
    if model is None:
        return None
    return Scrub(
        user_agent=model.user_agent,
        language=model.language,
        referer=_SCRUB[model.referer],
        cookies=_SCRUB[model.cookies],
        validators=model.validators,
        hints=model.hints,
        signal=model.signal,
    )


def _hosts(route: Route, upstreams: Sequence[Upstream]) -> list[str]:
    """By what names origins of the route may call themselves, besides the addresses of endpoints."""
    found = list(route.mask.hosts) if route.mask is not None else []
    if route.host not in ("pass", "endpoint"):
        found.append(route.host)
    found += [one.tls.server_name for one in upstreams if one.tls is not None and one.tls.server_name is not None]
    return list(dict.fromkeys(found))


def layers_of(maintenance: Maintenance | None) -> list[ErrorPages]:
    """The page of a maintenance, if it has one and it is on."""
    if maintenance is None or not maintenance.closed or maintenance.page is None:
        return []
    return [{503: maintenance.page}]
