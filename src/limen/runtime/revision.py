"""One revision as the supervisor hands it to its workers: the checked configuration and what only it knows.

The workers are our own children on a private socketpair, so pickle is a fair format here: it keeps the typed models
as they are, with secrets already read by the supervisor.
"""

from __future__ import annotations

import hashlib
import pickle
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from limen.runtime.pacing import Steps, at_once
from limen.tls.material import ListenerMaterial, Material, Pair, UpstreamMaterial

if TYPE_CHECKING:
    from limen.config import Config
    from limen.config.models.listeners import Listener
    from limen.config.models.routes import Route

# Routes of a part: on average, and at most. A part is what a worker unpacks without a turn of its loop.
_PART_MEAN = 24
_PART_LARGEST = 64
# Pairs that are unpacked without a turn.
_PAIRS_PER_STEP = 256


@dataclass(frozen=True, slots=True)
class ListenerPlace:
    """Where a configured listener is: its key on the channel and the address it is really bound to."""

    key: str
    index: int
    """Position in `config.listeners`."""
    address: str
    """As bound: `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`; the port is the chosen one when 0 was configured."""


@dataclass(frozen=True, slots=True)
class Revision:
    """An immutable checked configuration with a number that grows by one per reload."""

    number: int
    config: Config
    listeners: tuple[ListenerPlace, ...]
    slots: Mapping[str, Mapping[str, int]]
    """Kind (listener, route, upstream, endpoint) to name to number on the board; see limen.runtime.slots."""
    own_addresses: tuple[str, ...]
    """`host:port` of every listener and of the admin address: never a target of a forward proxy."""
    base: str
    """Directory of the configuration file: hooks are imported from there too, relative paths begin there."""
    material: Material = field(repr=False)
    """The bytes of its TLS: certificates, keys, authorities."""
    digest: str
    """Twelve hexadecimal digits of limen.config.revision.digest_of: equal wherever the same content runs."""
    secret: bytes = field(default=b"", repr=False)
    """Signs cookies of upstreams and routes that have no key of their own."""
    databases: tuple[str, ...] = ()
    """Digests of the MMDB files that say where clients are, as limen.runtime.databases has them."""
    identity_files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Contents of the files that say who clients are, by path."""


@dataclass(slots=True)
class Parts:
    """What a worker keeps of a revision for the next one, by digest."""

    routes: dict[bytes, tuple[Route, ...]] = field(default_factory=dict)
    pairs: dict[bytes, Pair] = field(default_factory=dict)


class PartsMissing(ValueError):
    """The payload leaves out what this worker was thought to have."""


@dataclass(frozen=True, slots=True)
class _Payload:
    revision: Revision
    """Without routes and pairs."""
    routes: tuple[tuple[bytes, ...], ...]
    """By listener: packed parts."""
    digests: tuple[bytes, ...]
    """Of all pairs."""
    pairs: tuple[bytes, ...]
    """Packed parts, without those that are known."""


def encode(revision: Revision, known: Collection[bytes] = ()) -> bytes:
    """The payload of a `prepare` message; `known` are digests of pairs that its receiver has in force.

    Routes go in parts whose bounds depend on the routes alone: a changed or added one changes its part and moves none.
    """
    listeners = revision.config.listeners
    routes = tuple(tuple(map(_dump, _parted(listener))) if listener.routes else () for listener in listeners)
    bare = tuple(
        listener.model_copy(update={"routes": ()}) if listener.routes is not None else listener
        for listener in listeners
    )
    config = revision.config.model_copy(update={"listeners": bare})
    pairs = revision.material.pairs
    fresh = [(pair.chain, pair.key) for digest, pair in pairs.items() if digest not in known]
    packed = tuple(_dump(fresh[start : start + _PAIRS_PER_STEP]) for start in range(0, len(fresh), _PAIRS_PER_STEP))
    bare_revision = replace(revision, config=config, material=_without_pairs(revision.material))
    return _dump(_Payload(bare_revision, routes, tuple(pairs), packed))


def decode(payload: bytes) -> Revision:
    """Reverses `encode`; raises TypeError when the payload is something else."""
    return at_once(unpack(payload, Parts(), Parts()))


def unpack(payload: bytes, kept: Parts, parts: Parts) -> Steps[Revision]:
    """As `decode`, in steps. What is in `kept` is taken from there; all that the revision has is put into `parts`.

    Raises PartsMissing.
    """
    found = _load(payload)
    if not isinstance(found, _Payload):
        raise TypeError(f"payload holds a {type(found).__name__}, not a revision")
    revision = found.revision
    listeners = []
    for listener, pieces in zip(revision.config.listeners, found.routes, strict=True):
        routes: list[Route] = []
        for piece in pieces:
            digest = hashlib.blake2b(piece, digest_size=16).digest()
            part = kept.routes.get(digest)
            if part is None:
                part = _load(piece)
                yield
            parts.routes[digest] = part
            routes += part
        listeners.append(listener.model_copy(update={"routes": tuple(routes)}) if pieces else listener)
    fresh: dict[bytes, Pair] = {}
    for piece in found.pairs:
        for chain, key in _load(piece):
            pair = Pair.of(chain, key)
            fresh[pair.digest] = pair
        yield
    for digest in found.digests:
        known = kept.pairs.get(digest) or fresh.get(digest)
        if known is None:
            raise PartsMissing(f"pair {digest.hex()} was not sent")
        parts.pairs[digest] = known
    config = revision.config.model_copy(update={"listeners": tuple(listeners)})
    return replace(revision, config=config, material=replace(revision.material, pairs=parts.pairs))


def _without_pairs(material: Material) -> Material:
    """What goes with every revision: no pairs, and nothing that only the supervisor asks for."""
    listeners: dict[int, ListenerMaterial] = {
        number: replace(listener, expiries=()) for number, listener in material.listeners.items()
    }
    upstreams: dict[str, UpstreamMaterial] = {
        name: replace(upstream, expiries=()) for name, upstream in material.upstreams.items()
    }
    bridges = {number: replace(bridge, expiries=()) for number, bridge in material.bridges.items()}
    return replace(material, pairs={}, listeners=listeners, upstreams=upstreams, bridges=bridges)


def _parted(listener: Listener) -> Iterator[tuple[Route, ...]]:
    part: list[Route] = []
    for route in listener.routes or ():
        part.append(route)
        key = repr((route.name, route.match.host, route.match.path))
        if len(part) >= _PART_LARGEST or zlib.crc32(key.encode()) % _PART_MEAN == 0:
            yield tuple(part)
            part = []
    if part:
        yield tuple(part)


def _dump(value: object) -> bytes:
    return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)


def _load(data: bytes) -> Any:
    return pickle.loads(data)  # noqa: S301 - written by our own supervisor on a private socketpair
