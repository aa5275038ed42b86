"""Which listener a URL is taken to arrive at, and why that one."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from limen.runtime.explain.asked import Asked, AskedWrongly

if TYPE_CHECKING:
    from limen.config.models.listeners import Listener
    from limen.runtime.revision import ListenerPlace, Revision


@dataclass(frozen=True, slots=True)
class Arrival:
    """The listener, its place, the reason, and the names of others that could be meant."""

    listener: Listener
    place: ListenerPlace
    reason: str
    others: tuple[str, ...] = ()


def kind_of(listener: Listener) -> str:
    """What it serves, by its key of the configuration."""
    for kind in ("routes", "forward", "stream"):
        if getattr(listener, kind) is not None:
            return kind
    return "https"


def arrival(asked: Asked, revision: Revision) -> Arrival:
    """Where the request arrives. Raises AskedWrongly when there is no such listener."""
    places = [(revision.config.listeners[place.index], place) for place in revision.listeners]
    if asked.listener:
        return _named(asked.listener, places)
    steps = (
        ("its address is the one of the URL", [one for one in places if _has_address(asked, *one)]),
        ("it has the port of the URL", [one for one in places if _has_port(asked, *one)]),
        ("it is for such requests", [one for one in places if _fits(asked, one[0])]),
    )
    for reason, found in steps:
        if found:
            listener, place = found[0]
            return Arrival(listener, place, reason, tuple(other.label for other, _ in found[1:]))
    raise AskedWrongly(f"no listener serves {asked.scheme} URLs; name one of {_labels(places)} as the listener")


def demand_tls(asked: Asked, listener: Listener) -> None:
    """Raises AskedWrongly for a certificate or a hello that nobody can have shown there."""
    if listener.tls is None and (asked.shown.certificate or asked.shown.ja4):
        raise AskedWrongly(f"the listener {listener.label} does not end TLS: it sees no certificate and no JA4")
    if listener.tls is None and asked.shown.sni and not list(listener.opaque_routes()):
        raise AskedWrongly(f"the listener {listener.label} looks into no client hello (tls, stream.routes)")
    if asked.shown.certificate and listener.tls is not None and listener.tls.client is None:
        raise AskedWrongly(f"the listener {listener.label} asks nobody for a certificate (tls.client)")


def _named(name: str, places: Sequence[tuple[Listener, ListenerPlace]]) -> Arrival:
    for listener, place in places:
        if name in (listener.label, place.address, str(listener.bind), place.key):
            return Arrival(listener, place, "it was asked for")
    raise AskedWrongly(f"there is no listener {name!r}; there are {_labels(places)}")


def _labels(places: Sequence[tuple[Listener, ListenerPlace]]) -> str:
    return ", ".join(listener.label for listener, _ in places)


def _fits(asked: Asked, listener: Listener) -> bool:
    """Whether such a request is understood there, whatever its port."""
    kind = kind_of(listener)
    if asked.scheme == "tcp" or kind == "stream":
        return kind == "stream" and asked.scheme == "tcp"
    return listener.forward is not None or (asked.scheme == "https") == (listener.tls is not None)


def _has_port(asked: Asked, listener: Listener, place: ListenerPlace) -> bool:
    """Whether a client that follows the URL connects to this port; a proxy's is not in the URL."""
    port = place.address.rpartition(":")[2]
    fits = listener.stream is not None or _fits(asked, listener)
    return listener.forward is None and port == str(asked.port) and fits


def _has_address(asked: Asked, listener: Listener, place: ListenerPlace) -> bool:
    if not _has_port(asked, listener, place):
        return False
    bound = place.address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(asked.hostname) == ipaddress.ip_address(bound)
    except ValueError:
        return asked.hostname == bound
