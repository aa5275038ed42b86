"""Checks of identities: names that nobody has, conditions on somebody whom nobody asks for, schemes that cannot be."""

from __future__ import annotations

from collections.abc import Iterator

from limen.config.findings import Finding
from limen.config.models.bridge_rules import ConnectRule, HelloRule
from limen.config.models.forward import Forward
from limen.config.models.identities import Demand
from limen.config.models.limit import Limit
from limen.config.models.root import Config
from limen.config.models.routes import Route
from limen.config.models.section import given
from limen.config.positions import Path
from limen.config.refusal import shown
from limen.config.scalars import near

MOST = 8
"""Providers that one demand may name."""


def demands(config: Config) -> Iterator[tuple[Path, Demand, bool]]:
    """Each place that asks who clients are, what it asks, and whether the listener asks for certificates."""
    for number, listener in enumerate(config.listeners):
        shows = listener.tls is not None and listener.tls.client is not None
        place: Path = ("listeners", number)
        if listener.identity is not None:
            yield (*place, "identity"), listener.identity, shows
        if listener.forward is not None and listener.forward.identity is not None:
            yield (*place, "forward", "identity"), listener.forward.identity, shows
        for index, route in enumerate(listener.routes or ()):
            if route.identity is not None:
                yield (*place, "routes", index, "identity"), route.identity, shows


def named(config: Config) -> Iterator[Finding]:
    """Names that no identity has, identities that nothing names, certificates that nobody shows."""
    known = tuple(config.identities)
    used: set[str] = set()
    for path, demand, shows in demands(config):
        if len(demand.by) > MOST:
            yield Finding((*path, "by"), f"{len(demand.by)} identities at one place", f"at most {MOST}")
        for name in demand.by:
            used.add(name)
            if name not in config.identities:
                hint = near(name, known)
                hint = hint or (f"defined: {', '.join(known[:10])}" if known else "there are no `identities`")
                yield Finding((*path, "by"), f"unknown identity {shown(name)}", hint)
            elif config.identities[name].certificate is not None and not shows:
                hint = "add `tls: {client: {ca: …}}` to the listener"
                yield Finding((*path, "by"), f"{shown(name)}: no client is asked for a certificate here", hint)
    for name, model in config.identities.items():
        if model.negotiate is not None and model.negotiate.groups is not None:
            used.add(model.negotiate.groups)
            yield from _directory(config, name, model.negotiate.groups)
    for name in known:
        if name not in used:
            yield Finding(("identities", name), f"the identity {shown(name)} is not used", warning=True, key=True)


def _directory(config: Config, name: str, groups: str) -> Iterator[Finding]:
    """Whether tickets can have their groups from there."""
    path: Path = ("identities", name, "negotiate", "groups")
    there = config.identities.get(groups)
    if there is None:
        yield Finding(path, f"unknown identity {shown(groups)}", near(groups, tuple(config.identities)))
    elif there.ldap is None:
        yield Finding(path, f"{shown(groups)} is no directory", "name an identity of the kind `ldap`")
    elif there.ldap.bind_dn is None or there.ldap.groups is None:
        hint = "add `bind_dn` and `groups` to it"
        yield Finding(path, f"{shown(groups)} cannot say in which groups somebody is without their password", hint)


def conditions(config: Config) -> Iterator[Finding]:
    """Conditions on `users` and `groups`, and limits by identity, where nobody asks who clients are."""
    for number, listener in enumerate(config.listeners):
        place: Path = ("listeners", number)
        if listener.forward is not None and listener.forward.identity is None:
            yield from _unasked_proxy((*place, "forward"), listener.forward)
        if listener.identity is None:
            for index, route in enumerate(listener.routes or ()):
                yield from _unasked_route((*place, "routes", index), route)


def parameters(config: Config) -> Iterator[Finding]:
    """Parameters of user names where nobody goes out by a way that they could choose."""
    for path, demand, _ in demands(config):
        if not demand.parameters:
            continue
        forward = config.listeners[int(path[1])].forward
        if forward is None:
            yield Finding((*path, "parameters"), "they choose ways out, which a gateway has none of", "remove them")
        elif forward.egress is None and all(rule.egress is None for rule in forward.access or ()):
            hint = "add `egress`, or remove them"
            yield Finding((*path, "parameters"), "there is no `egress` here that they could choose of", hint, True)


def _unasked_proxy(place: Path, forward: Forward) -> Iterator[Finding]:
    for index, rule in enumerate(forward.access or ()):
        verdict = "allow" if rule.allow is not None else "deny"
        for key in given(rule.condition, "users", "groups"):
            yield _unasked((*place, "access", index, verdict, key), "`forward`")
    if forward.bridge is not None:
        points: dict[str, tuple[ConnectRule | HelloRule, ...]] = {
            "connect": forward.bridge.connect,
            "hello": forward.bridge.hello,
        }
        for point, rules in points.items():
            for index, one in enumerate(rules):
                for key in given(one.condition, "users", "groups"):
                    yield _unasked((*place, "bridge", point, index, one.action, key), "`forward`")
    yield from _unasked_limits(place, forward.limit, "`forward`")


def _unasked_route(place: Path, route: Route) -> Iterator[Finding]:
    for key in given(route.match, "users", "groups"):
        yield _unasked((*place, "match", key), "the listener, beside `routes`: a route is chosen by it")
    if route.identity is None:
        yield from _unasked_limits(place, route.limit, "the route")


def _unasked_limits(place: Path, limits: tuple[Limit, ...], where: str) -> Iterator[Finding]:
    for index, limit in enumerate(limits):
        if limit.by.of == "identity":
            yield _unasked((*place, "limit", index, "by"), where)


def _unasked(path: Path, where: str) -> Finding:
    return Finding(path, "nobody asks who clients are here", f"add `identity` to {where}")
