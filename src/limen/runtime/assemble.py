"""From a revision to the engine's objects: the only place that sees both the configuration and the engine.

What did not change from one revision to the next is taken over as it is: the same endpoints with their idle
connections, the same upstreams, the same services. Names of the configuration become objects and slots here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict

from limen.config.addresses import parse_address
from limen.config.shielding import suffix_lists
from limen.engine.access import SUFFIXES, AccessTable
from limen.engine.addresses import AddressSet
from limen.engine.service import Action, Service
from limen.engine.split import Split
from limen.engine.tables import RouteTable
from limen.engine.tls.passes import PassTable
from limen.engine.upstream import Endpoint, Upstream
from limen.policy.access import compile_access
from limen.policy.hellos import compile_hello_match
from limen.policy.routes import compile_route_match
from limen.policy.specs import RouteSpec
from limen.runtime import names
from limen.runtime.actions import Shield, field_edits, hook_chains, route_action
from limen.runtime.assembly import Adapted, Assembly, Spec
from limen.runtime.balancing import balancing, key_of, pooling
from limen.runtime.bridges import Bridges, Surroundings
from limen.runtime.contexts import Contexts
from limen.runtime.cookies import split_cookie
from limen.runtime.effects import rule_effects
from limen.runtime.exits import Exits, same_around
from limen.runtime.frame import Frame, frame_of
from limen.runtime.guards import address_lists, forward_guard, route_guard
from limen.runtime.identity.demands import Demands
from limen.runtime.pacing import Steps
from limen.runtime.pages import compile_mask, compile_pages, compile_scrub, layers_of
from limen.runtime.ways import ways_in

if TYPE_CHECKING:
    from limen.config import Config
    from limen.config.models.forward import Forward
    from limen.config.models.listeners import Listener
    from limen.config.models.routes import Route
    from limen.config.models.steering import Split as SplitModel
    from limen.config.models.stream import Stream
    from limen.config.models.tls import HttpsRedirect
    from limen.config.models.upstreams import Upstream as UpstreamModel
    from limen.engine.bridged import Bridge
    from limen.engine.engine import Engine
    from limen.engine.tls.contexts import ClientContext, ServerContext
    from limen.runtime.revision import Revision

_FROM_ROUTE, _FROM_REQUEST, _OPAQUE = 0, 1, 2
_PROXY_PROTOCOL = {None: 0, "v1": 1, "v2": 2}
_ANONYMITY = {"transparent": 0, "anonymous": 1, "elite": 2}
_NO_SLOT = 0xFFFFFFFF
# How many routes are compiled between two turns of the worker's loop: a few milliseconds.
_ROUTES_PER_STEP = 64
_ENDPOINTS_PER_STEP = 1024


class _Encryption(TypedDict, total=False):
    """Arguments of Upstream that only those with TLS have."""

    tls: ClientContext
    handshake_timeout: float


def assemble(
    engine: Engine, revision: Revision, previous: Assembly | None, surroundings: Surroundings | None = None
) -> Steps[Assembly]:
    """Build everything for `revision`, in steps; nothing that is in force changes.

    Raises ConfigError for hooks that cannot be loaded, and for TLS that libssl does not take.
    """
    built = _Builder(engine, revision, previous, surroundings or Surroundings())
    yield from built.upstreams()
    yield
    yield from built.services()
    built.assembly.contexts.settled()
    built.demands.settled()
    built.settled()
    built.assembly.bridges.settled()
    return built.assembly


def adapt(engine: Engine, revision: Revision, before: Assembly, changed: Iterable[str]) -> Steps[Adapted]:
    """Build what `revision` has in the place of the endpoints of the `changed` upstreams; nothing else differs."""
    built = _Builder(engine, revision, before, Surroundings())
    assembly = replace(before, revision=revision, endpoints=dict(before.endpoints), upstreams=dict(before.upstreams))
    built.change(assembly)
    fresh = {}
    for name in changed:
        for endpoint in before.upstreams[name].members:
            assembly.endpoints.pop(endpoint.key, None)
        yield
        fresh[name] = yield from built.upstream(name, revision.config.upstreams[name])
        yield
    return Adapted(assembly, fresh)


class _Builder:
    def __init__(
        self, engine: Engine, revision: Revision, previous: Assembly | None, surroundings: Surroundings
    ) -> None:
        self._engine = engine
        self._tickets = surroundings.tickets
        self._config: Config = revision.config
        self._slots = revision.slots
        self._secret = revision.secret
        self._previous = previous
        self._before: Config | None = previous.revision.config if previous is not None else None
        self._contexts = Contexts(
            revision.material, previous.contexts if previous is not None else None, surroundings.key_log
        )
        self._adapters = surroundings.adapters
        self._captures = surroundings.captures
        held = surroundings.lists
        self._lists = {name: held[model.source] for name, model in self._config.lists.items()}
        for name in suffix_lists(self._config):
            self._lists[SUFFIXES] = self._lists[name]
        bridges = previous.bridges if previous is not None else None
        self._bridges = Bridges(revision.material, bridges, surroundings, self._lists)
        self.demands = Demands(
            revision.config,
            revision.identity_files,
            previous.demands if previous is not None else None,
            surroundings.names,
        )
        self._is_whole = True
        self.assembly = Assembly(
            revision,
            contexts=self._contexts,
            bridges=self._bridges,
            demands=self.demands,
            lists=self._lists,
            captures=self._captures,
        )
        self._exits = Exits(engine, self.assembly, previous)

    def settled(self) -> None:
        """All is built: what went before is let go."""
        self._exits.settled()

    def change(self, assembly: Assembly) -> None:
        """Build only some upstreams, for an assembly that has all the rest already."""
        self.assembly = assembly
        self._contexts = assembly.contexts
        self._bridges = assembly.bridges
        self._is_whole = False

    def _slot(self, kind: str, name: str) -> int:
        return self._slots.get(kind, {}).get(name, _NO_SLOT)

    def upstreams(self) -> Steps[None]:
        for name, model in self._config.upstreams.items():
            self.assembly.upstreams[name] = yield from self.upstream(name, model)

    def upstream(self, name: str, model: UpstreamModel) -> Steps[Upstream]:
        encryption = self._contexts.identity(name, model.tls)
        endpoints = []
        for index in range(len(model.endpoints)):
            endpoints.append(self._endpoint(name, model, index, encryption))
            if index % _ENDPOINTS_PER_STEP == _ENDPOINTS_PER_STEP - 1:
                yield
        if self._previous is not None and self._before is not None and self._before.upstreams.get(name) == model:
            before = self._previous.upstreams[name]
            # new endpoints although nothing was written differently: a file of its TLS has changed
            if before.members == endpoints:
                return before
        return Upstream(
            name,
            endpoints,
            **balancing(self._engine, name, model, [endpoint.label for endpoint in endpoints], self._secret),
            **pooling(model),
            whole=self._count(name, names.WHOLE) if model.max_requests is not None else None,
            retries=self._count(name, names.RETRIES),
            hedges=self._count(name, names.HEDGES),
            links=self._count(name, names.LINKS) if model.max_connections is not None else None,
            **self._encryption(name, model),
        )

    def _count(self, name: str, what: str) -> Endpoint:
        """What counts something at the whole upstream; it has no address."""
        slot = self._slot(names.ENDPOINT, names.count_name(name, what))
        return Endpoint(self._engine, key="", host="0.0.0.0", port=0, slot=slot)

    def _encryption(self, name: str, model: UpstreamModel) -> _Encryption:
        if model.tls is None:
            return {}
        context = None if self._is_whole else self.assembly.upstreams[name].tls
        return {
            "tls": context or self._contexts.client(name, model.tls),
            "handshake_timeout": model.timeouts.handshake,
        }

    def _endpoint(self, upstream: str, model: UpstreamModel, index: int, encryption: str) -> Endpoint:
        address = model.endpoints[index].address
        name = names.endpoint_name(upstream, address)
        server_name = model.endpoints[index].server_name or ""
        key = f"{name} {model.proxy_protocol or ''} {encryption}{server_name and ' '}{server_name}"
        endpoint = self._previous.endpoints.get(key) if self._previous is not None else None
        if endpoint is None:
            endpoint = Endpoint(
                self._engine,
                key=key,
                host=address.host,
                port=address.port,
                slot=self._slot(names.ENDPOINT, name),
                proxy_protocol=_PROXY_PROTOCOL[model.proxy_protocol],
                warming=self._before is not None,
                server_name=server_name,
            )
        self.assembly.endpoints[key] = endpoint
        return endpoint

    def services(self) -> Steps[None]:
        for place in self.assembly.revision.listeners:
            listener = self._config.listeners[place.index]
            service = self._kept(place.key, listener, place.index)
            context = None
            if listener.tls is not None:
                context = self._contexts.server(
                    place.key, listener.tls, place.index, self._tickets, opaque=listener.stream is not None
                )
            bridge = None
            if listener.forward is not None:
                bridge = self._bridges.bridge(place.key, listener.forward, place.index)
            if service is None:
                service = yield from self._service(listener, place.address, context, bridge)
            self.assembly.services[place.key] = service

    def _kept(self, key: str, listener: Listener, index: int) -> Service | None:
        """The service in force, if nothing that went into it has changed."""
        if self._previous is None or self._before is None or not same_around(listener, self._before, self._config):
            return None
        for place in self._previous.revision.listeners:
            if place.key == key and self._before.listeners[place.index] == listener:
                break
        else:
            return None
        if not (
            self._contexts.keeps(key, listener.tls, index)
            and self._bridges.keeps(key, listener.forward, index)
            and all(map(self.demands.keeps, listener.demands))
        ):
            return None
        if _logs_ja4(self._config) != _logs_ja4(self._before) or not self._keeps_captures(listener):
            return None
        used: set[str | None] = {name for route in listener.routes or () for name in route.upstreams}
        used.update(route.mirror.upstream for route in listener.routes or () if route.mirror is not None)
        used.add(listener.stream.upstream if listener.stream is not None else None)
        used.update(route.upstream for _, _, route in listener.opaque_routes())
        if not all(self._keeps_upstream(name) for name in used):
            return None
        # the numbers on the board need no look: a name keeps its own as long as it is in use
        service = self._previous.services[key]
        for number in range(len(listener.routes or ())):
            label = listener.route_label(number)
            self.assembly.specs[label] = self._previous.specs[label]
        if service.access is not None and service.access.windows:
            self.assembly.tables.append(service.access)
        return service

    def _service(
        self, listener: Listener, address: str, context: ServerContext | None, bridge: Bridge | None
    ) -> Steps[Service]:
        slots = (self._slot(names.LISTENER, listener.label), self._slot(names.ROUTE, listener.label))
        port = parse_address(address, any_port=True).port
        frame = frame_of(listener, self._config.limits, self._lists, slots=slots, port=port)
        if context is not None:
            frame["scheme"] = "https"
            frame["tls"] = context
            frame["handshake_timeout"] = listener.timeouts.handshake
        self._add_hellos(listener, frame)
        if listener.forward is not None:
            return self._forward(listener, listener.forward, frame, bridge, address)
        if listener.stream is not None:
            return self._stream(listener, listener.stream, frame)
        if listener.https is not None:
            return self._to_https(listener, listener.https, frame)
        hsts = listener.tls.hsts.field_value if listener.tls is not None and listener.tls.hsts is not None else ""
        specs = []
        for index, route in enumerate(listener.routes or ()):
            specs.append(self._spec(listener, index, route, hsts))
            if index % _ROUTES_PER_STEP == 0:
                yield
        return Service(
            listener.label,
            target_source=_FROM_ROUTE,
            routes=RouteTable(specs, address_lists(self._lists)),
            demand=self.demands.build(listener.identity, listener.label, proxy=False),
            add_forwarded=listener.forwarded.forwarded,
            add_x_forwarded=listener.forwarded.x_forwarded,
            # where a hook sends a gateway's exchange is the operator's word, as an upstream is
            private_allowed=True,
            **frame,
        )

    def _add_hellos(self, listener: Listener, frame: Frame) -> None:
        """What is done with a client's hello: routes chosen by it, and its fingerprint where something asks."""
        table = self._passes(listener)
        if table is not None:
            frame["passes"] = table
            frame["opened"] = len((listener.tls.pass_ if listener.tls is not None else None) or ())
        if listener.tls is not None or table is not None:
            frame["asks_ja4"] = (
                _logs_ja4(self._config)
                or (table is not None and table.asks_ja4)
                or any(route.match.ja4 or route.hooks for route in listener.routes or ())
                or (listener.forward is not None and bool(listener.forward.hooks))
            )
        frame["add_certificate"] = listener.forwarded.client_certificate

    def _passes(self, listener: Listener) -> PassTable | None:
        routes = []
        for _, label, route in listener.opaque_routes():
            spec = compile_hello_match(route.match)
            action = Action(
                label, slot=self._slot(names.ROUTE, label), upstream=self.assembly.upstreams[route.upstream]
            )
            routes.append((spec.names, spec.protocols, spec.fingerprints, action))
        return PassTable(routes) if routes else None

    def _forward(
        self, listener: Listener, forward: Forward, frame: Frame, bridge: Bridge | None, address: str
    ) -> Service:
        rules = compile_access(forward)
        access = AccessTable(
            rules, self._lists, rule_effects(listener.label, forward, rules, self._slots, self._captures)
        )
        if access.windows:
            self.assembly.tables.append(access)
        targets = forward.targets
        frame["dial_timeout"] = forward.timeouts.dial
        return Service(
            listener.label,
            target_source=_FROM_REQUEST,
            access=access,
            private_allowed=targets.private == "allow",
            targets_allowed=AddressSet(list(targets.allow)) if targets.allow else None,
            anonymity=_ANONYMITY[forward.anonymity],
            bridge=bridge,
            **ways_in(listener, forward, address),
            egress=self._exits.of(forward.egress),
            exits=self._exits.of_rules([rule.egress for rule in rules]),
            action=Action(
                listener.label,
                slot=self._slot(names.ROUTE, listener.label),
                request=field_edits(forward.request),
                response=field_edits(forward.response),
                body_most=forward.body.max or 0,
                response_timeout=forward.timeouts.response,
                stall_timeout=forward.timeouts.stall,
                scrub=compile_scrub(forward.scrub),
                guard=forward_guard(listener.label, forward.limit, listener.maintenance, self._limit_slots()),
                demand=self.demands.build(forward.identity, listener.label, proxy=True),
                pages=compile_pages(*layers_of(listener.maintenance), listener.errors),
                capture=self._captures[forward.capture] if forward.capture is not None else None,
                **hook_chains(
                    forward.hooks, forward.hook_timeout, self._adapters.hooks(forward.icap, self._config.icap)
                ),
            ),
            **frame,
        )

    def _stream(self, listener: Listener, stream: Stream, frame: Frame) -> Service:
        frame["tunnel_idle"] = stream.timeouts.idle
        frame["tunnel_half"] = stream.timeouts.half_closed
        frame["tunnel_life"] = stream.timeouts.life
        frame["handshake_timeout"] = stream.timeouts.handshake
        action = None
        if stream.upstream is not None:
            upstream = self.assembly.upstreams[stream.upstream]
            action = Action(
                listener.label,
                slot=self._slot(names.ROUTE, listener.label),
                upstream=upstream,
                guard=forward_guard(listener.label, stream.limit, None, self._limit_slots()),
            )
        return Service(listener.label, target_source=_OPAQUE, action=action, **frame)

    def _to_https(self, listener: Listener, https: HttpsRedirect, frame: Frame) -> Service:
        """One route for everything: permanently to HTTPS, with its method."""
        port = "" if https.redirect == 443 else f":{https.redirect}"
        action = Action(
            listener.label,
            slot=self._slot(names.ROUTE, listener.label),
            status=308,
            location=f"https://{{hostname}}{port}{{path}}{{query}}".encode(),
        )
        return Service(
            listener.label, target_source=_FROM_ROUTE, routes=RouteTable([RouteSpec(action=action)]), **frame
        )

    def _spec(self, listener: Listener, index: int, route: Route, hsts: str) -> RouteSpec:
        """The route's conditions and action; those in force if nothing that went into them has changed."""
        label = listener.route_label(index)
        capture = self._captures[route.capture] if route.capture is not None else None
        around = (hsts, listener.maintenance, listener.errors, self._config.lists, self._config.icap, capture)
        if self._previous is not None and label in self._previous.specs:
            before = self._previous.specs[label]
            mirrored = (route.mirror.upstream,) if route.mirror is not None else ()
            kept = all(map(self._keeps_upstream, (*route.upstreams, *mirrored)))
            if before.route == route and before.around == around and kept and self.demands.keeps(route.identity):
                self.assembly.specs[label] = before
                return before.compiled
        shield = Shield(
            route_guard(label, listener.label, route, listener.maintenance, self._lists, self._limit_slots()),
            self.demands.build(route.identity, label, proxy=False),
            compile_pages(*layers_of(route.maintenance or listener.maintenance), route.errors, listener.errors),
            compile_mask(
                route,
                [self._config.upstreams[name] for name in route.upstreams],
                [self.assembly.upstreams[name] for name in route.upstreams],
            ),
            self._adapters.hooks(route.icap, self._config.icap),
            capture,
        )
        compiled = compile_route_match(route.match, self._action(label, route, hsts, shield))
        self.assembly.specs[label] = Spec(route, around, compiled)
        return compiled

    def _limit_slots(self) -> Mapping[str, int]:
        return self._slots.get(names.LIMIT, {})

    def _keeps_captures(self, listener: Listener) -> bool:
        before = self._previous.captures if self._previous is not None else {}
        return all(self._captures[name] is before.get(name) for _, name in listener.captures)

    def _keeps_upstream(self, name: str | None) -> bool:
        if name is None or self._previous is None:
            return True
        return self.assembly.upstreams.get(name) is self._previous.upstreams.get(name)

    def _action(self, label: str, route: Route, hsts: str, shield: Shield) -> Action:
        if route.split is not None:
            return self._split(label, route, route.split, hsts, shield)
        slot = self._slot(names.ROUTE, label)
        return route_action(label, route, slot=slot, upstreams=self.assembly.upstreams, hsts=hsts, shield=shield)

    def _split(self, label: str, route: Route, split: SplitModel, hsts: str, shield: Shield) -> Action:
        """One action per share: they differ in their upstream and in what they count under."""
        shares = [
            route_action(
                label,
                route,
                slot=self._slot(names.ROUTE, names.share_name(label, name)),
                upstreams=self.assembly.upstreams,
                hsts=hsts,
                shield=shield,
                share=name,
            )
            for name in route.upstreams
        ]
        by, key_name = key_of(split.by.by, split.by.name) if split.by is not None else (-1, "")
        cookie = split_cookie(split.cookie, route.upstreams, self._secret) if split.cookie is not None else None
        weights = [share.weight for share in split.to]
        return Action(
            label,
            slot=self._slot(names.ROUTE, label),
            split=Split(shares, weights, by=by, name=key_name, cookie=cookie),
        )


def _logs_ja4(config: Config) -> bool:
    return config.log.access is not None and config.log.access.ja4
