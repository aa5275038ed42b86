"""The whole explanation of one question, put together where the answer is known: in a worker, or in the command with a
file.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from limen.engine.explain import Question, opaque_action
from limen.engine.identity import identity_of
from limen.faults import FAULTS, FaultNumber
from limen.policy.access import compile_access
from limen.runtime.explain.asked import NOTHING, Asked, AskedWrongly
from limen.runtime.explain.conditions import MOST, conditions, routes_passed_over, rules_passed_over
from limen.runtime.explain.endpoints import endpoints, full
from limen.runtime.explain.limits import limits, settings
from limen.runtime.explain.listener import Arrival, arrival, demand_tls, kind_of
from limen.runtime.pacing import paced

if TYPE_CHECKING:
    from limen.config import Config
    from limen.config.models.forward import Forward
    from limen.config.models.listeners import Listener
    from limen.config.models.routes import Route
    from limen.egress.resolver import Resolution
    from limen.engine.engine import Engine
    from limen.engine.identity import Identity
    from limen.engine.service import Service
    from limen.policy.specs import AccessSpec
    from limen.runtime.assembly import Assembly

Resolve = Callable[[str], Awaitable["Resolution"]]

Parts = dict[str, object]


@dataclass(frozen=True, slots=True)
class Ground:
    """What an explanation stands on."""

    engine: Engine
    assembly: Assembly
    resolve: Resolve


async def explain(asked: Asked, ground: Ground) -> Mapping[str, object]:
    """The JSON-able answer. Raises AskedWrongly."""
    arrived = arrival(asked, ground.assembly.revision)
    service = ground.assembly.services[arrived.place.key]
    kind = kind_of(arrived.listener)
    proxied = arrived.listener.forward is not None
    if proxied and not asked.method:
        asked = replace(asked, method="CONNECT" if asked.scheme == "https" else "GET")
    answer: Parts = {
        "url": asked.url,
        "method": asked.method or ("" if kind == "stream" else "GET"),
        "from": asked.client,
        "revision": ground.assembly.revision.number,
        "listener": {
            "name": arrived.listener.label,
            "address": arrived.place.address,
            "kind": kind,
            "tls": arrived.listener.tls is not None,
            "reason": arrived.reason,
            "others": list(arrived.others),
        },
    }
    demand_tls(asked, arrived.listener)
    opaque = _opaque(asked, arrived, service)
    if opaque is not None:
        return {**answer, **_explain_opaque(opaque, arrived, ground)}
    identity = _identity(asked, arrived.listener, ground.assembly.revision.config)
    head, shown = asked.head(proxied=proxied), asked.shown
    sni = asked.server_name if asked.scheme == "https" or shown != NOTHING else None
    try:
        question = Question(ground.engine, service, head, asked.client, identity, shown.certificate, shown.ja4, sni)
    except ValueError as error:
        raise AskedWrongly(str(error)) from error
    if identity is not None:
        answer["as"] = {"name": identity.name, "groups": list(identity.groups)}
    if question.certificate is not None:
        answer["certificate"] = question.certificate
    answer["client"] = question.client_address
    answer["target"] = {
        "host": question.target_name,
        "port": question.target_port,
        "path": question.normal_path,
        "replaced_path": question.replaced_path,
    }
    answer.update(await _explain_request(question, arrived, ground))
    return answer


_SHARES = {
    "cookie": "the client's cookie names it",
    "key": "where its key leads",
    "turn": "its turn; the next one may be another's",
}


def _place(question: Question) -> Parts | None:
    """What is known of the client's place."""
    facts = question.place
    if facts is None or not any(facts):
        return None
    names = ("country", "continent", "asn", "region", "zone", "latitude", "longitude")
    return {name: value for name, value in zip(names, facts, strict=True) if value not in ("", 0, None)}


def _identity(asked: Asked, listener: Listener, config: Config) -> Identity | None:
    """Who asks, in the groups that are asked for and those that the configuration has them in."""
    if not asked.identity:
        return None
    groups = set(asked.groups)
    for name in {name for demand in listener.demands for name in demand.by}:
        groups.update(group for group, names in config.identities[name].groups.items() if asked.identity in names)
    return identity_of(asked.identity, groups)


# requests


async def _explain_request(question: Question, arrived: Arrival, ground: Ground) -> Parts:
    listener, config = arrived.listener, ground.assembly.revision.config
    parts: Parts = {}
    route: Route | None = None
    if listener.routes is not None and question.refusal != FaultNumber.CLIENT_DENIED:
        parts.update(await _routes(question, listener, ground.assembly))
        route = listener.routes[question.number] if question.number >= 0 else None
    refusal = question.refusal
    if listener.forward is not None:
        parts["access"], parts["addresses"], refusal = await _access(question, arrived, ground)
        parts["hooks"] = list(listener.forward.hooks)
    parts["limits"] = limits(config, listener, route)
    parts["rates"] = [dict(one) for one in question.limits]
    if config.places is not None:
        parts["place"] = _place(question)
    if route is not None and route.split is not None and question.shared is not None:
        number, why = question.shared
        share = route.split.to[number]
        parts["share"] = {"upstream": share.upstream, "weight": share.weight, "by": why, "reason": _SHARES[why]}
    if route is not None:
        parts["settings"] = settings(route)
        parts["hooks"] = list(route.hooks)
    if question.chosen is not None and refusal == FaultNumber.NONE:
        name = question.chosen.name.decode()
        parts["upstream"] = endpoints(name, config.upstreams[name], question.chosen, question)
    notes = list(_notes(question, listener, config, refusal))
    if notes:
        parts["notes"] = notes
    parts["verdict"] = _verdict(refusal, listener, route, question, parts)
    return parts


def _notes(question: Question, listener: Listener, config: Config, refusal: int) -> Iterator[str]:
    """What the tables do not say."""
    if listener.forward is not None and listener.forward.bridge is not None:
        yield "TLS inside CONNECT is looked at here (bridge): what is inside may be judged anew"
    asks = listener.tls.client if listener.tls is not None else None
    if asks is not None and asks.require and question.certificate is None:
        yield "a client without a certificate does not get this far here (tls.client.require)"
    if question.chosen is not None and refusal == FaultNumber.NONE and question.chosen.count == 0:
        name = question.chosen.name.decode()
        if config.upstreams[name].discover is not None:
            yield f"the endpoints of {name} are discovered, and none is known here"


async def _routes(question: Question, listener: Listener, assembly: Assembly) -> Parts:
    specs = [
        (label, assembly.specs[label].compiled)
        for label in (listener.route_label(number) for number in range(len(listener.routes or ())))
    ]
    found = question.number
    earlier = specs if found < 0 else specs[:found]
    parts: Parts = {
        "route": None,
        "passed_over": await paced(routes_passed_over(question, earlier, assembly.lists)),
        "passed_over_untold": max(0, len(earlier) - MOST),
    }
    if found >= 0:
        label, spec = specs[found]
        parts["route"] = {
            "name": label,
            "number": found,
            "matched": [{"name": one.name, "wanted": one.wanted} for one in conditions(spec)],
        }
    return parts


async def _access(question: Question, arrived: Arrival, ground: Ground) -> tuple[Parts | None, list[Parts], int]:
    """The verdict of the rules, what may be dialled, and the fault that it comes to."""
    forward = arrived.listener.forward
    if forward is None or question.refusal not in (FaultNumber.NONE, FaultNumber.DENIED):
        return None, [], question.refusal
    specs = compile_access(forward)
    refusal, rows, rule = question.refusal, list[Parts](), question.access_rule
    address: str | None = None
    if refusal == FaultNumber.NONE:
        resolution = await ground.resolve(question.dialled_name)
        for found in resolution.addresses:
            fault = question.judge(found)
            rule = question.access_rule if not rows else rule
            rows.append({"address": found, "usable": fault == FaultNumber.NONE, "reason": _sentence(fault)})
            refusal = fault if not rows[:-1] else min(refusal, fault)
        address = resolution.addresses[0] if resolution.addresses else None
        refusal = resolution.fault or refusal
    earlier = [(spec.name, spec) for spec in (specs if rule < 0 else specs[:rule])]
    access: Parts = {
        "verdict": "deny" if refusal == FaultNumber.DENIED else "allow",
        "rule": _rule_name(specs, rule),
        "number": rule if rule >= 0 else None,
        "by_default": forward.access is None,
        "passed_over": await paced(rules_passed_over(question, earlier, address, ground.assembly.lists)),
        "passed_over_untold": max(0, len(earlier) - MOST),
        **_effect(question, forward, specs, rule, refusal),
    }
    return access, rows, refusal


def _effect(question: Question, forward: Forward, specs: list[AccessSpec], rule: int, refusal: int) -> Parts:
    """What the deciding rule does beside allow and deny, and which dry one would have decided."""
    found: Parts = {
        "dry_rule": _rule_name(specs, question.passing_rule),
        "redirect": None,
        "limits": [],
        "egress": None,
    }
    written = forward.access[rule] if rule >= 0 and forward.access is not None else None
    if refusal == FaultNumber.NONE:
        way = (written.egress if written is not None else None) or forward.egress
        found["egress"] = way.name if way is not None else None
    if written is None:
        return found
    if refusal == FaultNumber.DENIED:
        found["redirect"] = written.location
    else:
        found["redirect"] = written.redirect_host or None
        found["limits"] = [str(limit.rate or f"{limit.concurrent} at a time") for limit in written.limit]
    return found


def _rule_name(specs: list[AccessSpec], rule: int) -> str | None:
    return (specs[rule].name or f"#{rule}") if rule >= 0 else None


def _verdict(refusal: int, listener: Listener, route: Route | None, question: Question, parts: Parts) -> Parts:
    if refusal != FaultNumber.NONE:
        refused = _refused(refusal)
        if refusal == FaultNumber.IDENTITY and listener.forward is None:
            refused["status"] = 401
        return refused
    if listener.https is not None:
        return {"outcome": "redirect", "status": 308, "to": "https", "reason": "this listener sends all to HTTPS"}
    if route is not None and route.respond is not None:
        return {"outcome": "respond", "status": route.respond.status, "reason": "the route answers itself"}
    if route is not None and route.redirect is not None:
        return {
            "outcome": "redirect",
            "status": route.redirect.status,
            "to": route.redirect.to,
            "reason": "the route says so",
        }
    if question.chosen is not None:
        return _way_out(parts.get("upstream"))
    if listener.forward is None:
        return {"outcome": "forwarded", "reason": "see the settings of the route"}
    return {
        "outcome": "forwarded",
        "to": f"{question.dialled_name}:{question.target_port}",
        "reason": "where the request names"
        if question.dialled_name == question.target_name
        else f"dialled instead of {question.target_name}, as the rule says",
    }


def _way_out(upstream: object) -> Parts:
    """To the endpoint that comes first."""
    rows = upstream.get("endpoints") if isinstance(upstream, dict) else None
    first = rows[0] if isinstance(rows, list) and rows else None
    if not isinstance(first, dict):
        return _refused(FaultNumber.NO_ENDPOINT)
    if isinstance(upstream, dict) and not any(row["usable"] or row["place"] for row in rows or ()):
        return _refused(FaultNumber.NO_ENDPOINT)
    reason = full(upstream)
    if first.get("place") is None or reason is not None:
        return {
            "outcome": "waits or is shed",
            "reason": reason or "no endpoint has room",
            "fault": "shed",
            "status": 503,
        }
    return {"outcome": "forwarded", "to": first["address"], "reason": first["reason"]}


def _refused(number: int) -> Parts:
    fault = FAULTS[number]
    return {"outcome": "refused", "status": fault.status, "fault": fault.label, "reason": fault.sentence}


def _sentence(number: int) -> str | None:
    return FAULTS[number].sentence if number != FaultNumber.NONE else None


# bytes that are not looked into


@dataclass(frozen=True, slots=True)
class _Opaque:
    label: str | None
    upstream: str | None
    matched: str


def _opaque(asked: Asked, arrived: Arrival, service: Service) -> _Opaque | None:
    """The way of a connection that is passed on as it is; None for one that becomes requests."""
    listener = arrived.listener
    routes = list(listener.opaque_routes())
    named = asked.scheme == "https" or (asked.scheme == "tcp" and routes)
    name = (asked.shown.sni or asked.hostname) if named else ""
    number = opaque_action(service, name) if name else -1
    terminated = listener.tls is not None and listener.stream is None
    if 0 <= number < len(routes):
        _, label, route = routes[number]
        return _Opaque(label, route.upstream, f"a client hello that names {name}")
    if terminated or listener.stream is None:
        return None
    stream = listener.stream
    if stream.upstream is None:
        return _Opaque(None, None, f"a client hello that names {name}" if name else "bytes without a name")
    return _Opaque(listener.label, stream.upstream, "everything")


def _explain_opaque(opaque: _Opaque, arrived: Arrival, ground: Ground) -> Parts:
    config = ground.assembly.revision.config
    parts: Parts = {
        "route": {"name": opaque.label, "number": None, "matched": [{"name": "hello", "wanted": opaque.matched}]},
        "limits": limits(config, arrived.listener, None),
    }
    asking = [
        label
        for _, label, route in arrived.listener.opaque_routes()
        if route.match is not None and (route.match.alpn is not None or route.match.ja4 is not None)
    ]
    if asking:
        parts["notes"] = [f"not judged, because they ask for more than a name: {', '.join(asking)}"]
    if opaque.upstream is None:
        parts["route"] = None
        parts["verdict"] = {"outcome": "closed", "reason": f"no route takes {opaque.matched}"}
        return parts
    name = opaque.upstream
    upstream = endpoints(name, config.upstreams[name], ground.assembly.upstreams[name], None)
    return {**parts, "upstream": upstream, "verdict": _way_out(upstream)}


__all__ = ["AskedWrongly", "Ground", "explain"]
