"""Checks of ways out: names, labels that no way has, loops, rights of the process, rules that would see too little."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from limen.config.findings import Finding
from limen.config.loops import serves
from limen.config.models.egress import DIRECT, GROUP, EgressUse
from limen.config.models.forward import Forward
from limen.config.models.root import Config
from limen.config.positions import Path
from limen.config.refusal import shown
from limen.config.scalars import near


def uses(config: Config) -> Iterator[tuple[Path, EgressUse]]:
    """Every place that names a way out."""
    for number, listener in enumerate(config.listeners):
        forward = listener.forward
        if forward is None:
            continue
        if forward.egress is not None:
            yield ("listeners", number, "forward", "egress"), forward.egress
        for index, rule in enumerate(forward.access or ()):
            if rule.egress is not None:
                yield ("listeners", number, "forward", "access", index, "egress"), rule.egress


def names(config: Config) -> Iterator[Finding]:
    """Names that no egress has, and that none may have; what nothing names."""
    known = tuple(config.egress)
    used = {use.name for _, use in uses(config)}
    for path, use in uses(config):
        if use.name not in config.egress and use.name != DIRECT:
            hint = near(use.name, known) or (f"defined: {', '.join(known[:10])}" if known else "there is no `egress`")
            yield Finding(path, f"unknown egress {shown(use.name)}", hint)
    for name in config.egress:
        if name == DIRECT:
            yield Finding(("egress", name), "`direct` means: without an egress", "choose another name", key=True)
        elif name not in used:
            yield Finding(("egress", name), f"the egress {shown(name)} is not used", warning=True, key=True)
    for name in config.upstreams:
        if name.startswith(GROUP):
            message = f"names that begin with {GROUP} are those of ways out"
            yield Finding(("upstreams", name), message, "choose another", key=True)


def labels(config: Config) -> Iterator[Finding]:
    """Labels that no way has."""
    for path, use in uses(config):
        wanted = ", ".join(f"{label} {value}" for label, value in use.labels.items())
        if use.name == DIRECT and wanted:
            yield Finding(path, "`direct` has no labels", "name an egress")
        egress = config.egress.get(use.name)
        if egress is not None and not any(True for _ in use.chosen(egress)):
            yield Finding(path, f"no way of {use.name} has {wanted}", "give one of them that label")


def own_listeners(config: Config) -> Iterator[Finding]:
    """Parents that are listeners of this very configuration, through which the same egress is taken again."""
    leads = {number: _named(listener.forward) for number, listener in enumerate(config.listeners)}
    for name, egress in config.egress.items():
        for index, way in enumerate(egress.parents or ()):
            for hop in way.hops:
                for number, listener in enumerate(config.listeners):
                    if serves(listener.bind, hop.address) and name in leads[number]:
                        message = f"{hop.address} is the own listener listeners[{number}]: a loop"
                        yield Finding(("egress", name, "parents", index), message, "name the next proxy's address")


def _named(forward: Forward | None) -> set[str]:
    if forward is None:
        return set()
    found = [forward.egress, *(rule.egress for rule in forward.access or ())]
    return {use.name for use in found if use is not None}


def rights(config: Config) -> Iterator[Finding]:
    """Marks and interfaces that this process may not, or cannot, set."""
    for name, egress in config.egress.items():
        for key, option, value in (
            ("mark", socket.SO_MARK, egress.mark),
            ("interface", socket.SO_BINDTODEVICE, (egress.interface or "").encode() or None),
        ):
            if value is None:
                continue
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tried:
                try:
                    tried.setsockopt(socket.SOL_SOCKET, option, value)
                except PermissionError:
                    message = f"this process may not set `{key}`"
                    yield Finding(("egress", name, key), message, "give it CAP_NET_ADMIN, or leave the key out", True)
                except OSError as error:
                    yield Finding(("egress", name, key), f"`{key}` cannot be set: {error.strerror}", "see `ip link`")


def blind_rules(config: Config) -> Iterator[Finding]:
    """Rules on addresses of names that are resolved elsewhere, and on addresses beside different ways out."""
    for number, listener in enumerate(config.listeners):
        forward = listener.forward
        if forward is None or not any(path[1] == number for path, _ in uses(config)):
            continue
        place: Path = ("listeners", number, "forward")
        first = next(
            (index for index, rule in enumerate(forward.access or ()) if rule.condition.asks_address),
            None,
        )
        at_exit = sorted(
            name
            for name in _named(forward)
            if (one := config.egress.get(name)) is not None and one.parents is not None and one.resolve == "exit"
        )
        if first is not None:
            ways = {
                (rule.egress or forward.egress) for rule in (forward.access or ())[first:] if rule.allow is not None
            }
            if len(ways) > 1:
                message = "rules on addresses, and several ways out behind them: the way is chosen before names resolve"
                yield Finding((*place, "access", first), message, "put them into a listener of their own")
            elif at_exit:
                message = f"names that this rule sees are resolved here, although {at_exit[0]} resolves at the exit"
                yield Finding((*place, "access", first), message, "use `hosts`, or say `resolve: here`", True)
        elif at_exit and "private" in forward.targets.model_fields_set and forward.targets.private == "deny":
            message = (
                f"{at_exit[0]} resolves names at the exit: private addresses are refused only where they are literal"
            )
            yield Finding((*place, "egress"), message, "rely on the parent for the rest, or say `resolve: here`", True)


def relays(config: Config) -> Iterator[Finding]:
    """UDP and BIND of SOCKS, which go out directly, where something else is asked for."""
    for number, listener in enumerate(config.listeners):
        forward = listener.forward
        if forward is None or forward.socks is None or not any(name != DIRECT for name in _named(forward)):
            continue
        for key in ("udp", "bind"):
            if getattr(forward.socks, key) is not None:
                message = f"SOCKS's `{key}` would go out directly, whatever `egress` says"
                yield Finding(("listeners", number, "forward", "socks", key), message, "give it a listener of its own")
