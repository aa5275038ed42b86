"""Checks of names and of keys that depend on each other: upstreams, twins, keys without effect, directories of logs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path as FilePath

from limen.config.addresses import Address
from limen.config.findings import Finding
from limen.config.models.icap import Icap
from limen.config.models.root import Config
from limen.config.models.section import changed
from limen.config.positions import Path
from limen.config.refusal import shown
from limen.config.scalars import near


def uses(config: Config) -> Iterator[tuple[Path, str]]:
    """Every place that names an upstream, and the name."""
    for number, listener in enumerate(config.listeners):
        for index, route in enumerate(listener.routes or ()):
            if route.upstream is not None:
                yield ("listeners", number, "routes", index, "upstream"), route.upstream
            for part, share in enumerate(route.split.to if route.split is not None else ()):
                yield ("listeners", number, "routes", index, "split", "to", part, "upstream"), share.upstream
            if route.mirror is not None:
                yield ("listeners", number, "routes", index, "mirror", "upstream"), route.mirror.upstream
        if listener.stream is not None and listener.stream.upstream is not None:
            yield ("listeners", number, "stream", "upstream"), listener.stream.upstream
        for place, _, opaque in listener.opaque_routes():
            yield ("listeners", number, *place, "upstream"), opaque.upstream


def unknown_upstreams(config: Config) -> Iterator[Finding]:
    """Names that no upstream has."""
    known = tuple(config.upstreams)
    for path, name in uses(config):
        if name not in config.upstreams:
            hint = near(name, known) or (f"defined: {', '.join(known[:10])}" if known else "there are no `upstreams`")
            yield Finding(path, f"unknown upstream {shown(name)}", hint)


def unused_upstreams(config: Config) -> Iterator[Finding]:
    """Upstreams that nothing names."""
    used = {name for _, name in uses(config)}
    for name in config.upstreams:
        if name not in used:
            yield Finding(("upstreams", name), f"the upstream {shown(name)} is not used", warning=True, key=True)


def unknown_icap(config: Config) -> Iterator[Finding]:
    """Names that no ICAP service has, and services that nothing names."""
    named: list[tuple[Path, Icap | None]] = []
    for number, listener in enumerate(config.listeners):
        if listener.forward is not None:
            named.append((("listeners", number, "forward", "icap"), listener.forward.icap))
        named += [
            (("listeners", number, "routes", index, "icap"), route.icap)
            for index, route in enumerate(listener.routes or ())
        ]
    used = set()
    for path, icap in named:
        for phase, names in (("request", icap.request), ("response", icap.response)) if icap is not None else ():
            for name in names:
                used.add(name)
                if name not in config.icap:
                    hint = near(name, tuple(config.icap)) or (
                        f"defined: {', '.join([*config.icap][:10])}" if config.icap else "there are no services: `icap`"
                    )
                    yield Finding((*path, phase), f"unknown ICAP service {shown(name)}", hint)
    for name in config.icap:
        if name not in used:
            yield Finding(("icap", name), f"the ICAP service {shown(name)} is not used", warning=True, key=True)


def twin_names(config: Config) -> Iterator[Finding]:
    """Listeners or routes of one name: their counters and logs could not be told apart."""
    listeners: set[str] = set()
    routes: set[str] = set()
    for number, listener in enumerate(config.listeners):
        if listener.name is not None and listener.name in listeners:
            message = f"the listener name {shown(listener.name)} is taken"
            yield Finding(("listeners", number, "name"), message, "names must differ")
        listeners.add(listener.label)
        named: list[tuple[Path, str | None]] = [
            (("routes", index), route.name) for index, route in enumerate(listener.routes or ())
        ]
        for place, name in [*named, *((place, route.name) for place, _, route in listener.opaque_routes())]:
            if name is not None and name in routes:
                path = ("listeners", number, *place, "name")
                yield Finding(path, f"the route name {shown(name)} is taken", "names must differ")
            if name is not None:
                routes.add(name)


def twin_binds(config: Config) -> Iterator[Finding]:
    """Addresses bound twice, and those that a wildcard of the same port covers."""
    taken: dict[Address, str] = {}
    binds: list[tuple[Path, Address]] = [
        (("listeners", number, "bind"), listener.bind) for number, listener in enumerate(config.listeners)
    ]
    if config.admin is not None:
        binds.append((("admin", "bind"), config.admin.bind))
    for path, bind in binds:
        if not bind.path and bind.port == 0:
            continue
        if bind in taken:
            yield Finding(path, f"{bind} is bound twice", f"also by {taken[bind]}")
        taken.setdefault(bind, "admin" if path[0] == "admin" else f"listeners[{path[1]}]")
    for path, bind in binds:
        wildcards = [other for other in taken if other.is_wildcard and other.port == bind.port and other != bind]
        if wildcards and not bind.path and not bind.is_wildcard:
            yield Finding(
                path, f"{bind} is also covered by {wildcards[0]}", "the more exact one gets its connections", True
            )


def ineffective_keys(config: Config) -> Iterator[Finding]:
    """Keys of a route that only matter towards an origin, on a route that has none."""
    for number, listener in enumerate(config.listeners):
        for index, route in enumerate(listener.routes or ()):
            if route.upstreams:
                continue
            action = "respond" if route.respond is not None else "redirect"
            for key in changed(route, "rewrite", "request", "timeouts", "retry", "host", "mask"):
                path = ("listeners", number, "routes", index, key)
                yield Finding(path, f"`{key}` has no effect beside `{action}`", "remove it", warning=True, key=True)
        most = config.limits.per_client
        if listener.per_client is not None and most is not None and listener.per_client > most:
            message = f"{listener.per_client} is more than `limits.per_client` ({most})"
            yield Finding(("listeners", number, "per_client"), message, "raise that, too", warning=True)
    limits = config.limits
    if limits.per_client is not None and limits.per_client > limits.connections:
        message = f"`per_client` ({limits.per_client}) is more than `connections` ({limits.connections})"
        yield Finding(("limits", "per_client"), message, "lower it", warning=True)


def missing_directories(config: Config) -> Iterator[Finding]:
    """Files that are to be written, in directories that are not there or not writable."""
    written: list[tuple[Path, str | None]] = [
        (("log", "access", "path"), config.log.access.path if config.log.access else None),
        (("control", "socket"), config.control.socket),
        *((("captures", name, "path"), one.path) for name, one in config.captures.items()),
        (("admin", "bind"), config.admin.bind.path if config.admin else None),
    ]
    written += [(("listeners", number, "bind"), one.bind.path) for number, one in enumerate(config.listeners)]
    for path, name in written:
        if not name or name == "-":
            continue
        directory = FilePath(name).parent
        try:
            if not directory.is_dir():
                yield Finding(
                    path, f"the directory {shown(str(directory))} does not exist", "make it, or change the path"
                )
            elif FilePath(name).is_dir():
                yield Finding(path, f"{shown(name)} is a directory", "name a file")
            elif path[0] in ("log", "captures") and not _writable(name, directory):
                yield Finding(path, f"{shown(name)} is not writable", "change its rights, or the path")
        except (OSError, ValueError) as error:
            yield Finding(path, f"{shown(name)} is not usable: {error}")


def _writable(name: str, directory: FilePath) -> bool:
    return os.access(name if FilePath(name).exists() else directory, os.W_OK)
