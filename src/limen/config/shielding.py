"""Checks of shielding: limits of one name, names of address lists."""

from __future__ import annotations

from collections.abc import Iterator

from limen.config.fields import ANY_SUFFIX
from limen.config.findings import Finding
from limen.config.models.limit import Limit
from limen.config.models.lists import SUFFIXES
from limen.config.models.root import Config
from limen.config.models.section import Section
from limen.config.models.shield import Addresses
from limen.config.positions import Path
from limen.config.refusal import shown
from limen.config.scalars import near

MOST = 8
"""Limits of one route."""


def every_limit(config: Config) -> Iterator[tuple[Path, tuple[Limit, ...]]]:
    """Each place with limits, and those."""
    for number, listener in enumerate(config.listeners):
        for index, route in enumerate(listener.routes or ()):
            if route.limit:
                yield ("listeners", number, "routes", index, "limit"), route.limit
        if listener.forward is not None and listener.forward.limit:
            yield ("listeners", number, "forward", "limit"), listener.forward.limit
        if listener.stream is not None and listener.stream.limit:
            yield ("listeners", number, "stream", "limit"), listener.stream.limit
        for index, rule in enumerate((listener.forward.access or ()) if listener.forward is not None else ()):
            if rule.limit:
                yield ("listeners", number, "forward", "access", index, "limit"), rule.limit


def limits(config: Config) -> Iterator[Finding]:
    """Too many at one place, and those of one name that say different things."""
    named: dict[str, Limit] = {}
    for path, found in every_limit(config):
        if len(found) > MOST:
            yield Finding(path, f"{len(found)} limits at one place", f"at most {MOST}")
        names = [limit.name for limit in found if limit.name is not None]
        for name in {name for name in names if names.count(name) > 1}:
            yield Finding(path, f"the limit name {shown(name)} stands twice here", "names must differ")
        for index, limit in enumerate(found):
            if limit.name is not None and named.setdefault(limit.name, limit) != limit:
                message = f"the limit {shown(limit.name)} says something else elsewhere"
                hint = "limits of one name are one limit: write the same, or another name"
                yield Finding((*path, index, "name") if len(found) > 1 else (*path, "name"), message, hint)


def address_lists(config: Config) -> Iterator[Finding]:
    """Names that no list has, and lists that nothing names."""
    known = tuple(config.lists)
    used = set(suffix_lists(config)) if any(True for _ in _suffixed(config)) else set[str]()
    for path, names in _uses(config):
        wants_names = path[-1] == "host_lists"
        for name in names:
            used.add(name)
            if name in config.lists and config.lists[name].has_names != wants_names:
                has, wanted = ("addresses", "names") if wants_names else ("names", "addresses")
                yield Finding(path, f"the list {shown(name)} has {has}", f"{wanted} are wanted here: see its `format`")
            elif name not in config.lists:
                hint = near(name, known) or (f"defined: {', '.join(known[:10])}" if known else "there are no `lists`")
                yield Finding(path, f"unknown list {shown(name)}", hint)
    for name in known:
        if name not in used:
            message = f"the list {shown(name)} is not used"
            yield Finding(("lists", name), message, warning=True, key=True)


def suffix_lists(config: Config) -> list[str]:
    """The names of lists of public suffixes."""
    return [name for name, model in config.lists.items() if model.format == SUFFIXES]


def suffixes(config: Config) -> Iterator[Finding]:
    """Hosts that end with any public suffix, without the list that says what one is."""
    found = suffix_lists(config)
    for path, host in _suffixed(config):
        if not found:
            hint = (
                "add to `lists`: `suffixes: {file: /usr/share/publicsuffix/public_suffix_list.dat, format: suffixes}`"
            )
            yield Finding(path, f"{shown(host)} asks for public suffixes, and there is no list of them", hint)
    for name in found[1:]:
        message = f"there is another list of public suffixes, {shown(found[0])}"
        yield Finding(("lists", name, "format"), message, "have one of them")


def _suffixed(config: Config) -> Iterator[tuple[Path, str]]:
    for number, listener in enumerate(config.listeners):
        for index, rule in enumerate((listener.forward.access or ()) if listener.forward is not None else ()):
            host = next((host for host in rule.condition.hosts or () if host.endswith(ANY_SUFFIX)), None)
            if host is not None:
                verdict = "allow" if rule.allow is not None else "deny"
                yield ("listeners", number, "forward", "access", index, verdict, "hosts"), host


def list_fetching(config: Config) -> Iterator[Finding]:
    """Lists that are fetched through a listener that does not forward, or speaks TLS."""
    forward = {one.label: one for one in config.listeners if one.forward is not None}
    for name, model in config.lists.items():
        if model.through is None:
            continue
        listener = forward.get(model.through)
        path: Path = ("lists", name, "through")
        if listener is None:
            hint = near(model.through, tuple(forward)) or "name a listener with `forward`"
            yield Finding(path, f"no forward listener is called {shown(model.through)}", hint)
        elif listener.tls is not None or listener.bind.path:
            yield Finding(path, f"the listener {shown(model.through)} speaks TLS or has no port", "name a plain one")


def _uses(config: Config) -> Iterator[tuple[Path, tuple[str, ...]]]:
    for number, listener in enumerate(config.listeners):
        place: Path = ("listeners", number)
        yield from _guarded(place, listener)
        for index, route in enumerate(listener.routes or ()):
            yield from _guarded((*place, "routes", index), route)
            yield (*place, "routes", index, "match", "client_lists"), route.match.client_lists or ()
        rules = (listener.forward.access if listener.forward is not None else None) or ()
        for index, rule in enumerate(rules):
            at = (*place, "forward", "access", index, "allow" if rule.allow is not None else "deny")
            yield (*at, "client_lists"), rule.condition.client_lists or ()
            yield (*at, "address_lists"), rule.condition.address_lists or ()
            yield (*at, "host_lists"), rule.condition.host_lists or ()
        if listener.forward is not None and listener.forward.bridge is not None:
            for path, names in listener.forward.bridge.uses_of_lists():
                yield (*place, "forward", "bridge", *path), names


def _guarded(place: Path, section: Section) -> Iterator[tuple[Path, tuple[str, ...]]]:
    for key in ("allow", "deny"):
        addresses: Addresses | None = getattr(section, key)
        if addresses is not None:
            yield (*place, key, "lists"), addresses.lists or ()
