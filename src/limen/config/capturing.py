"""Checks of captures: names, files that are taken, places where nothing could be seen, and what privacy forbids."""

from __future__ import annotations

from collections.abc import Iterator

from limen.config.findings import Finding
from limen.config.models.root import Config
from limen.config.positions import Path
from limen.config.refusal import shown
from limen.config.scalars import near


def captured(config: Config) -> Iterator[tuple[Path, str]]:
    """Every place that names a capture, and the name."""
    for number, listener in enumerate(config.listeners):
        for place, name in listener.captures:
            yield ("listeners", number, *place), name


def names(config: Config) -> Iterator[Finding]:
    """Names that no capture has, and captures that nothing names."""
    used = set()
    for path, name in captured(config):
        used.add(name)
        if name not in config.captures:
            hint = near(name, tuple(config.captures)) or (
                f"defined: {', '.join([*config.captures][:10])}" if config.captures else "there are no `captures`"
            )
            yield Finding(path, f"unknown capture {shown(name)}", hint)
    for name in config.captures:
        if name not in used:
            yield Finding(("captures", name), f"the capture {shown(name)} is not used", warning=True, key=True)


def files(config: Config) -> Iterator[Finding]:
    """Two that write one file: how they turn it would not agree."""
    taken: dict[str, Path] = {}
    for what, one in (("access", config.log.access), ("audit", config.log.audit)):
        if one is not None:
            taken[one.path] = ("log", what, "path")
    for name, capture in config.captures.items():
        path: Path = ("captures", name, "path")
        if capture.path in taken:
            where = ".".join(str(part) for part in taken[capture.path])
            yield Finding(path, f"{shown(capture.path)} is written by `{where}` too", "name a file of its own")
        taken.setdefault(capture.path, path)


def blind(config: Config) -> Iterator[Finding]:
    """Places where a capture would stay empty."""
    for number, listener in enumerate(config.listeners):
        forward = listener.forward
        socks = forward is not None and forward.socks is not None and forward.socks.only and forward.bridge is None
        for place, _ in listener.captures:
            path = ("listeners", number, *place)
            if not listener.log:
                yield Finding(path, "a listener with `log: false` keeps nothing of its exchanges", "remove one of both")
            if socks:
                hint = "add `bridge`, or use a listener with `forward`"
                yield Finding(path, "what goes through SOCKS is not read", hint)
        for index, rule in enumerate((forward.access if forward is not None else None) or ()):
            if rule.capture is not None and rule.condition.schemes == ("tunnel",):
                path = ("listeners", number, "forward", "access", index, "capture")
                yield Finding(path, "of tunnels nothing is seen", "put it on a rule for `https` or `http`")


def discretion(config: Config) -> Iterator[Finding]:
    """What `log.privacy` keeps from logs, a capture would tell."""
    told = config.log.privacy
    for name, capture in config.captures.items():
        if told.targets != "full":
            yield Finding(
                ("captures", name),
                "a capture is nothing but where clients go, which `log.privacy.targets` hides",
                "remove one of both",
                key=True,
            )
        if capture.secrets and (told.users != "full" or told.clients != "full"):
            yield Finding(
                ("captures", name, "secrets"),
                "cookies and credentials tell who clients are, which `log.privacy` hides",
                "leave `secrets` out",
            )
