"""From the configuration of ways out to the engine's: ways with their endpoints, and a choice among them per use.

A way keeps its endpoint over reloads as long as nothing that its connections are made with has changed; its name on the
board is the same as that of an endpoint of an upstream (`egress/NAME`).
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING

from limen.config.models.balance import Balance
from limen.config.models.egress import DIRECT, GROUP
from limen.engine.source import Source
from limen.engine.upstream import Endpoint, Upstream
from limen.engine.ways_out import Egress, Hop, Way
from limen.runtime import names
from limen.runtime.balancing import balancing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from limen.config import Config
    from limen.config.exits import ParentUrl
    from limen.config.models.egress import Egress as EgressModel
    from limen.config.models.egress import EgressUse, ParentWay, SourceWay
    from limen.config.models.listeners import Listener
    from limen.engine.engine import Engine
    from limen.engine.tls.contexts import ClientContext
    from limen.runtime.assembly import Assembly

_STICKY = {"client": 1, "connection": 2}
_NO_SLOT = 0xFFFFFFFF


def same_around(listener: Listener, before: Config, after: Config) -> bool:
    """Whether what a listener takes from the root is the same. Ways out are made anew with every revision; their
    endpoints, and the connections to them, stay.
    """
    if (after.limits, after.lists, after.icap) != (before.limits, before.lists, before.icap):
        return False
    return listener.forward is None or not (after.egress or before.egress)


class Exits:
    """The ways out of one revision, made as listeners ask for them."""

    def __init__(self, engine: Engine, assembly: Assembly, previous: Assembly | None) -> None:
        self._engine = engine
        self._config = assembly.revision.config
        self._assembly = assembly
        self._previous = previous
        self._slots = assembly.revision.slots.get(names.ENDPOINT, {})
        self._contexts = assembly.contexts
        self._ways: dict[str, list[Way]] = {}
        self._made: dict[EgressUse, Egress] = {}

    def of(self, use: EgressUse | None) -> Egress | None:
        """The engine's for what a listener or a rule asks for; None: directly."""
        if use is None or use.name == DIRECT:
            return None
        if use not in self._made:
            self._made[use] = self._egress(use)
        return self._made[use]

    def settled(self) -> None:
        """All is built: what went before is let go. (Clients who choose among ways have more made, later.)"""
        self._previous = None

    def _narrowed(
        self,
        use: EgressUse,
        wishes: tuple[tuple[str, str], ...],
        session: bool,  # noqa: FBT001 called by the engine, which has no keywords
    ) -> Egress | None:
        """Of the ways of a use those that a client's wishes leave; None: none."""
        model = self._config.egress[use.name]
        if any(use.labels.get(label, value) != value for label, value in wishes):
            return None
        narrowed = use.model_copy(update=dict(wishes))
        return self._egress(narrowed, session=session) if any(True for _ in narrowed.chosen(model)) else None

    def of_rules(self, uses: Sequence[object]) -> list[Egress | bool | None] | None:
        """What access rules ask for, by their number: False for directly, None for as the listener says."""
        if all(use is None for use in uses):
            return None
        found: list[EgressUse | None] = list(uses)  # type: ignore[arg-type]
        return [None if use is None else self.of(use) or False for use in found]

    def _egress(self, use: EgressUse, *, session: bool = False) -> Egress:
        model = self._config.egress[use.name]
        group = model.group
        name = GROUP + use.name
        if use.name not in self._ways:
            context = self._contexts.client(name, group.tls) if group.tls is not None else None
            identity = self._contexts.identity(name, group.tls)
            self._ways[use.name] = [self._way(name, model, way, context, identity) for way in model.ways]
        numbers = list(use.chosen(model))
        ways = [self._ways[use.name][number] for number in numbers]
        chosen = group.model_copy(update={"endpoints": tuple(group.endpoints[number] for number in numbers)})
        if session:
            chosen = chosen.model_copy(update={"balance": Balance(policy="hash")})
        labels = [way.endpoint.label for way in ways]
        terms = balancing(self._engine, name, chosen, labels)
        terms["failing"] = ()
        upstream = Upstream(
            name,
            [way.endpoint for way in ways],
            **terms,
            dial_timeout=model.timeouts.dial,
            handshake_timeout=model.timeouts.handshake,
            idle_timeout=model.timeouts.idle,
            idle=model.pool.idle,
            max_age=model.pool.max_age or 0.0,
            max_requests=model.pool.max_requests or 0,
        )
        return Egress(
            use.name,
            upstream,
            ways,
            fallback=model.fallback == DIRECT,
            resolve_here=model.resolve == "here",
            sticky=_STICKY["client"] if session else _STICKY[model.sticky.by] if model.sticky is not None else 0,
            sticky_for=(model.sticky.for_ or 0.0) if model.sticky is not None else 0.0,
            narrow=partial(self._narrowed, use),
        )

    def _way(
        self, name: str, model: EgressModel, way: ParentWay | SourceWay, context: ClientContext | None, identity: str
    ) -> Way:
        parents = getattr(way, "hops", ())
        sources = [str(network) for network in getattr(way, "addresses", ())]
        board = names.endpoint_name(name, way.label)
        made_of = (repr([(str(hop), hop.user, hop.password) for hop in parents]), sources, model.interface, model.mark)
        key = f"{board} {identity} {hashlib.blake2b(repr(made_of).encode(), digest_size=16).hexdigest()}"
        endpoint = self._previous.endpoints.get(key) if self._previous is not None else None
        if endpoint is None:
            first = parents[0].address if parents else None
            endpoint = Endpoint(
                self._engine,
                key=key,
                host=first.host if first is not None else "0.0.0.0",
                port=first.port if first is not None else 0,
                slot=self._slots.get(board, _NO_SLOT),
                warming=self._previous is not None,
                label=way.label,
            )
        self._assembly.endpoints[key] = endpoint
        source = None
        if sources or model.interface is not None or model.mark is not None:
            source = Source(sources, device=model.interface or "", mark=model.mark or 0)
        return Way(endpoint, [_hop(parent, context) for parent in parents], source=source, key=key)


def _hop(parent: ParentUrl, context: ClientContext | None) -> Hop:
    return Hop(
        parent.kind,
        parent.address.host,
        parent.address.port,
        tls=context if parent.encrypted else None,
        user=parent.user,
        password=parent.password,
    )
