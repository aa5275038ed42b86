"""Which bounds a request meets on its way, as configured: only what is bounded is listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limen.config import Config
    from limen.config.models.listeners import Listener
    from limen.config.models.routes import Route

# Keys of a route that are told elsewhere, or say nothing about what a request may do.
_TOLD = {"name", "match", "upstream", "respond", "redirect", "hooks"}


def limits(config: Config, listener: Listener, route: Route | None) -> list[dict[str, object]]:
    """Name, value and the place in the configuration that sets it."""
    rows = [
        _limit("connections of a worker", config.limits.connections, "limits.connections"),
        _limit(
            "connections of a client to a worker",
            listener.per_client if listener.per_client is not None else config.limits.per_client,
            "per_client" if listener.per_client is not None else "limits.per_client",
        ),
    ]
    if listener.stream is None:
        rows += [
            _limit("bytes of the request line", listener.head.line, "head.line"),
            _limit("bytes of all fields", listener.head.fields, "head.fields"),
        ]
        if listener.min_rate is not None:
            rows.append(_limit("bytes per second of a body, at least", listener.min_rate.bytes, "min_rate.bytes"))
    body = route.body if route is not None else listener.forward.body if listener.forward is not None else None
    if body is not None:
        rows.append(_limit("bytes of the request body", body.max, "body.max"))
    source = route or listener.forward
    if source is not None:
        rows.append(_limit("seconds until the response begins", source.timeouts.response, "timeouts.response"))
        rows.append(_limit("seconds of silence in between", source.timeouts.stall, "timeouts.stall"))
    if route is not None and (route.upstream is not None or route.split is not None):
        rows.append(_limit("further attempts", route.retry.attempts, "retry.attempts"))
    return [row for row in rows if row["value"] is not None]


def settings(route: Route) -> dict[str, object]:
    """What the route's configuration says beside its match and its action: only keys that were written.

    Values of fields stay untold: they may be secrets.
    """
    written = route.model_dump(mode="json", by_alias=True, exclude_unset=True)
    found = {name: value for name, value in written.items() if name not in _TOLD}
    for name in ("request", "response"):
        edits = found.get(name)
        if isinstance(edits, dict) and "set" in edits:
            found[name] = {**edits, "set": sorted(edits["set"])}
    return found


def _limit(name: str, value: object, key: str) -> dict[str, object]:
    return {"name": name, "value": value, "key": key}
