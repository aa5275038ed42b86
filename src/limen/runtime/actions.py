"""What routes do, in the engine's terms: actions with their field edits and hooks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from limen.engine.service import Action, Edits
from limen.engine.tables import match_of
from limen.exchange.hooks import Chain, Hook, load_hook
from limen.policy.routes import compile_certificate
from limen.runtime.pages import REVEALING
from limen.runtime.persistence import own_fields, resilience
from limen.terms import Phase

if TYPE_CHECKING:
    from limen.config.models.edits import FieldEdits
    from limen.config.models.routes import Rewrite, Route
    from limen.engine.capture import Capture
    from limen.engine.certificates import CertificateMatch
    from limen.engine.demand import Demand
    from limen.engine.guard import Guard
    from limen.engine.mask import Mask
    from limen.engine.pages import Pages
    from limen.engine.upstream import Upstream

_METHODS = {"safe": 0, "idempotent": 1, "any": 2}
_HOST = {"pass": 0, "endpoint": 1}
_LITERAL = 2


@dataclass(frozen=True, slots=True)
class Shield:
    """What shields a route, and its origins."""

    guard: Guard | None = None
    demand: Demand | None = None
    pages: Pages | None = None
    mask: Mask | None = None
    adapters: Sequence[Hook] = ()
    capture: Capture | None = None


class Chains(TypedDict):
    """Arguments of Action: the hooks by phase."""

    hook_timeout: float
    request_hooks: list[object]
    response_hooks: list[object]


def route_action(
    label: str,
    route: Route,
    *,
    slot: int,
    upstreams: Mapping[str, Upstream],
    hsts: str,
    shield: Shield,
    share: str | None = None,
) -> Action:
    """What a route does: to its upstream, answered here, or sent elsewhere. Raises ConfigError for hooks.

    `share`: the upstream of one share of a split route.
    """
    upstream = share or route.upstream
    body_most = route.body.max or 0
    if route.respond is not None:
        return _respond(label, slot, route, body_most, hsts, shield)
    if route.redirect is not None:
        return _redirect(label, slot, route, body_most, hsts, shield)
    rewrite = route.rewrite
    whole = rewrite is not None and rewrite.replace is not None
    return Action(
        label,
        slot=slot,
        upstream=upstreams[upstream] if upstream is not None else None,
        strip=rewrite.strip or "" if rewrite is not None and not whole else "",
        add=rewrite.add or "" if rewrite is not None and not whole else "",
        replace=_rewriter(rewrite) if rewrite is not None and whole else None,
        request=field_edits(route.request, removed=own_fields(route)),
        response=field_edits(route.response, hsts, removed=REVEALING if route.mask and route.mask.software else ()),
        # with answers that Limen gives in the upstream's place
        reply=_own_answers(route.response, hsts),
        body_most=body_most,
        response_timeout=route.timeouts.response,
        stall_timeout=route.timeouts.stall,
        attempts=route.retry.attempts,
        retry_methods=_METHODS[route.retry.methods],
        keep_memory=min(route.retry.memory, route.retry.max),
        keep_most=route.retry.max,
        host_mode=_HOST.get(route.host, _LITERAL),
        host=route.host,
        upgrade=route.upgrade,
        certificate=_certificate(route),
        resilience=resilience(route, upstreams),
        guard=shield.guard,
        demand=shield.demand,
        pages=shield.pages,
        capture=shield.capture,
        mask=shield.mask,
        **hook_chains(route.hooks, route.hook_timeout, shield.adapters),
    )


def field_edits(edits: FieldEdits, hsts: str = "", *, removed: Sequence[str] = ()) -> Edits | None:
    """Edits of one direction, with what else is `removed`; None where there are none."""
    fields = _with_hsts(dict(edits.set), hsts)
    gone = [*edits.remove, *removed]
    if not fields and not gone:
        return None
    return Edits(fields, gone)


def _with_hsts(fields: dict[str, str], hsts: str) -> dict[str, str]:
    """With `Strict-Transport-Security`, unless the route sets it itself."""
    if not hsts or any(name.lower() == "strict-transport-security" for name in fields):
        return fields
    return {**fields, "Strict-Transport-Security": hsts}


def _own_answers(edits: FieldEdits, hsts: str) -> Edits | None:
    """What Limen's answers in the place of an upstream's have in common with those."""
    if not hsts:
        return None
    own = [value for name, value in edits.set.items() if name.lower() == "strict-transport-security"]
    return Edits({"Strict-Transport-Security": own[0] if own else hsts}, [])


def hook_chains(references: tuple[str, ...], timeout: float, adapters: Sequence[Hook] = ()) -> Chains:
    """One chain per phase for which there are hooks, in the lists that the engine asks for truth.

    `adapters` come after those of the configuration.
    """
    hooks = [*(hook for reference in references for hook in load_hook(reference)), *adapters]
    chains = {phase: Chain(hooks, phase, timeout=timeout) for phase in (Phase.REQUEST, Phase.RESPONSE)}
    return {
        "hook_timeout": timeout,
        "request_hooks": [chain for chain in (chains[Phase.REQUEST],) if chain],
        "response_hooks": [chain for chain in (chains[Phase.RESPONSE],) if chain],
    }


def _certificate(route: Route) -> CertificateMatch | None:
    spec = compile_certificate(route.client_certificate)
    return match_of(spec) if spec is not None else None


def _respond(label: str, slot: int, route: Route, body_most: int, hsts: str, shield: Shield) -> Action:
    respond = route.respond
    assert respond is not None  # noqa: S101 the caller looked
    fields = dict(respond.fields)
    if respond.body and respond.content_type:
        fields = {"Content-Type": respond.content_type, **fields}
    return Action(
        label,
        slot=slot,
        status=respond.status,
        body=respond.body.encode(),
        reply=Edits(_with_hsts(fields, hsts), []),
        body_most=body_most,
        certificate=_certificate(route),
        guard=shield.guard,
        demand=shield.demand,
        pages=shield.pages,
        capture=shield.capture,
    )


def _redirect(label: str, slot: int, route: Route, body_most: int, hsts: str, shield: Shield) -> Action:
    redirect = route.redirect
    assert redirect is not None  # noqa: S101 the caller looked
    return Action(
        label,
        slot=slot,
        status=redirect.status,
        location=redirect.to.encode("latin-1"),
        reply=Edits(_with_hsts({}, hsts), []) if hsts else None,
        body_most=body_most,
        certificate=_certificate(route),
        guard=shield.guard,
        demand=shield.demand,
        pages=shield.pages,
        capture=shield.capture,
    )


def _rewriter(rewrite: Rewrite) -> Callable[[bytes], bytes]:
    """Strip, replace, add, in this order, on a normalised path."""
    assert rewrite.replace is not None  # noqa: S101 the caller looked
    pattern = re.compile(rewrite.replace.pattern.encode("latin-1"))
    template = rewrite.replace.with_.encode("latin-1")
    strip = (rewrite.strip or "").rstrip("/").encode("latin-1")
    add = (rewrite.add or "").rstrip("/").encode("latin-1")

    def rewritten(path: bytes) -> bytes:
        if strip and (path == strip or path.startswith(strip + b"/")):
            path = path[len(strip) :] or b"/"
        path = pattern.sub(template, path)
        if not path.startswith(b"/"):
            path = b"/" + path
        return add + path

    return rewritten
