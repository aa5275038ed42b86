"""What differs between two configurations, by content: what a reload touches, and what lives on untouched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from limen.config.models.listeners import Listener
from limen.config.models.root import Config
from limen.config.models.routes import Route
from limen.config.models.upstreams import Upstream

Kind = Literal["listener", "route", "upstream", "endpoint", "setting"]
What = Literal["added", "removed", "changed", "moved"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: `route site#3 added`, `endpoint web/10.0.0.1:80 removed`, `setting workers changed`."""

    kind: Kind
    name: str
    what: What

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.what}"


def diff(old: Config, new: Config) -> tuple[Change, ...]:
    """All changes from `old` to `new`; empty when they are equal in content.

    A listener is known by its label, a route by its name or (unnamed) its content, an upstream by its name, an
    endpoint by its address. A listener counts as changed for what is its own, not for its routes.
    """
    if old == new:
        return ()
    return tuple(_changes(old, new))


def _changes(old: Config, new: Config) -> Iterator[Change]:
    for name in Config.model_fields:
        if name not in ("listeners", "upstreams") and getattr(old, name) != getattr(new, name):
            yield Change("setting", name, "changed")
    before = {listener.label: listener for listener in old.listeners}
    after = {listener.label: listener for listener in new.listeners}
    yield from _sorted_out("listener", before, after)
    for label in before.keys() & after.keys():
        yield from _listener(before[label], after[label])
    yield from _sorted_out("upstream", old.upstreams, new.upstreams)
    for name in old.upstreams:
        if name in new.upstreams:
            yield from _upstream(name, old.upstreams[name], new.upstreams[name])


def _sorted_out(kind: Kind, before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[Change]:
    yield from (Change(kind, name, "removed") for name in before if name not in after)
    yield from (Change(kind, name, "added") for name in after if name not in before)


def _listener(old: Listener, new: Listener) -> Iterator[Change]:
    if old == new:
        return
    if _own(old) != _own(new):
        yield Change("listener", new.label, "changed")
    yield from _routes(old, new)


def _own(listener: Listener) -> dict[str, object]:
    return {name: getattr(listener, name) for name in type(listener).model_fields if name != "routes"}


def _routes(old: Listener, new: Listener) -> Iterator[Change]:
    before, after = _identities(old), _identities(new)
    removed = _surplus(before, Counter(before) - Counter(after))
    added = _surplus(after, Counter(after) - Counter(before))
    yield from (Change("route", old.route_label(index), "removed") for index in removed)
    yield from (Change("route", new.route_label(index), "added") for index in added)
    yield from _changed_routes(old.routes or (), new.routes or ())
    if _without(before, set(removed)) != _without(after, set(added)):
        # Which one moved past which is not told: the order as a whole is what counts.
        yield Change("route", f"{new.label}#*", "moved")


def _changed_routes(old: Iterable[Route], new: Iterable[Route]) -> Iterator[Change]:
    named = {route.name: route for route in old if route.name is not None}
    for route in new:
        if route.name is not None and named.get(route.name, route) != route:
            yield Change("route", route.name, "changed")


def _identities(listener: Listener) -> list[str]:
    routes = listener.routes or ()
    return [f"name {route.name}" if route.name is not None else route.model_dump_json() for route in routes]


def _without(identities: list[str], numbers: set[int]) -> list[str]:
    return [identity for index, identity in enumerate(identities) if index not in numbers]


def _surplus(identities: list[str], wanted: Counter[str]) -> list[int]:
    """The numbers of those routes that `wanted` counts; of equal ones the last."""
    left = Counter(wanted)
    found = []
    for index in range(len(identities) - 1, -1, -1):
        if left[identities[index]] > 0:
            left[identities[index]] -= 1
            found.append(index)
    return found[::-1]


def _upstream(name: str, old: Upstream, new: Upstream) -> Iterator[Change]:
    if old == new:
        return
    fields = [field for field in Upstream.model_fields if field != "endpoints"]
    if any(getattr(old, field) != getattr(new, field) for field in fields):
        yield Change("upstream", name, "changed")
    before = {f"{name}/{endpoint.address}": endpoint for endpoint in old.endpoints}
    after = {f"{name}/{endpoint.address}": endpoint for endpoint in new.endpoints}
    yield from _sorted_out("endpoint", before, after)
    yield from (Change("endpoint", key, "changed") for key in after if key in before and before[key] != after[key])
