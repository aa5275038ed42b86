"""A revision in the engine's terms: what `assemble` makes, and `adapt` of the one in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from limen.runtime.bridges import Bridges
from limen.runtime.contexts import Contexts
from limen.runtime.guards import Lists
from limen.runtime.identity.demands import Demands

if TYPE_CHECKING:
    from limen.config.models.routes import Route
    from limen.engine.access import AccessTable
    from limen.engine.capture import Capture
    from limen.engine.service import Service
    from limen.engine.upstream import Endpoint, Upstream
    from limen.policy.specs import RouteSpec
    from limen.runtime.revision import Revision


@dataclass(frozen=True, slots=True)
class Spec:
    """A compiled route, and what went into it beside its upstream."""

    route: Route
    around: tuple[object, ...]
    """What its listener and the root add to it."""
    compiled: RouteSpec


@dataclass(slots=True)
class Assembly:
    """A revision in the engine's terms, ready to be published."""

    revision: Revision
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    upstreams: dict[str, Upstream] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)  # by listener key
    tables: list[AccessTable] = field(default_factory=list)  # those with time windows
    specs: dict[str, Spec] = field(default_factory=dict)  # by route label
    contexts: Contexts = field(default_factory=Contexts)
    bridges: Bridges = field(default_factory=Bridges)
    demands: Demands | None = None
    lists: Lists = field(default_factory=dict)
    """Those that routes and rules name."""
    captures: Mapping[str, Capture] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Adapted:
    """An assembly that differs from the one in force by the endpoints of some upstreams."""

    assembly: Assembly
    """Its upstreams are those in force, and have their former endpoints until `settle`."""
    fresh: Mapping[str, Upstream]

    def settle(self) -> None:
        """Has the upstreams in force adopt their new endpoints."""
        for name, upstream in self.fresh.items():
            self.assembly.upstreams[name].adopt(upstream)
