"""What workers get of a configuration's TLS: bytes and indices, already read and checked by the supervisor.

Plain values without a library, because workers unpack them. Certificates stand in one place and are named by their
digest, so that an unchanged one is recognised over reloads. No repr shows a key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, repr=False)
class Pair:
    """A certificate chain and its key (PEM), known by their digest."""

    chain: bytes
    key: bytes
    digest: bytes

    @classmethod
    def of(cls, chain: bytes, key: bytes) -> Pair:
        """The pair of two contents."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(len(chain).to_bytes(8))
        digest.update(chain)
        digest.update(key)
        return cls(chain, key, digest.digest())

    def __repr__(self) -> str:
        return f"<Pair {self.digest.hex()}>"


@dataclass(frozen=True, slots=True)
class Expiry:
    """Until when a certificate of a file holds, in Unix time."""

    file: str
    not_after: int


@dataclass(frozen=True, slots=True)
class ListenerMaterial:
    """What a listener terminates TLS with; `names` and `default` hold indices into `certificates`."""

    certificates: tuple[bytes, ...]
    """Digests of pairs."""
    names: Mapping[str, tuple[int, ...]]
    """`a.example` or `*.a.example`, in lower case, to those that serve it, at most one per kind of key."""
    default: tuple[int, ...]
    client_ca: bytes = b""
    crl: bytes = b""
    tickets: str = ""
    """Name of the ticket keys, as the worker got them; empty without tickets."""
    expiries: tuple[Expiry, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class UpstreamMaterial:
    """What an upstream's connections are encrypted with."""

    ca: bytes = b""
    certificate: bytes | None = None
    """Digest of the pair to show."""
    expiries: tuple[Expiry, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, repr=False)
class BridgeMaterial:
    """What a listener bridges with."""

    certificate: bytes
    """The authority's, with those above it (PEM)."""
    key: bytes
    ca: bytes = b""
    """Authorities that origins must come from; empty: the system's."""
    tickets: str = ""
    """As in ListenerMaterial."""
    expiries: tuple[Expiry, ...] = field(default=(), compare=False)

    def __repr__(self) -> str:
        return "<BridgeMaterial>"


@dataclass(frozen=True, slots=True, repr=False)
class Material:
    """Of a whole configuration: listeners by their number, upstreams by their name, pairs by their digest."""

    pairs: Mapping[bytes, Pair] = field(default_factory=dict)
    listeners: Mapping[int, ListenerMaterial] = field(default_factory=dict)
    upstreams: Mapping[str, UpstreamMaterial] = field(default_factory=dict)
    bridges: Mapping[int, BridgeMaterial] = field(default_factory=dict)
    staples: Mapping[bytes, bytes] = field(default_factory=dict)
    """Responses of OCSP responders (DER) by the digest of their pair."""
    """By the number of their listener."""

    def __repr__(self) -> str:
        return (
            f"<Material of {len(self.listeners)} listeners, {len(self.upstreams)} upstreams, {len(self.pairs)} pairs>"
        )

    def expiries(self) -> Iterator[tuple[int | str, Expiry]]:
        """Each certificate's expiry, with the listener's number or the upstream's name."""
        for number, listener in self.listeners.items():
            yield from ((number, expiry) for expiry in listener.expiries)
        for number, bridge in self.bridges.items():
            yield from ((number, expiry) for expiry in bridge.expiries)
        for name, upstream in self.upstreams.items():
            yield from ((name, expiry) for expiry in upstream.expiries)


NO_MATERIAL = Material()
