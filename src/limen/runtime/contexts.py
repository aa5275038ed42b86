"""TLS contexts of a worker: from material and models to the engine's objects, kept as long as nothing of them changed.

The compiled module is imported when the first context is made: a configuration without TLS never loads libssl.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from limen.config.tls import pin_bytes
from limen.errors import ConfigError
from limen.tls.kernel import seals
from limen.tls.material import NO_MATERIAL, ListenerMaterial, Material
from limen.tls.profiles import VERSIONS, Terms, terms_of

if TYPE_CHECKING:
    from limen.config.models.tls import ListenerTls, UpstreamTls
    from limen.engine.tls.certificate import Certificate
    from limen.engine.tls.contexts import ClientContext, ServerContext
    from limen.engine.tls.tickets import TicketKeys

KeyLists = Mapping[str, tuple[bytes, ...]]
"""Ticket keys by the name of their ring, the encrypting one first."""


def encode_keys(keys: KeyLists) -> bytes:
    """The payload of a `tickets` message."""
    return pickle.dumps(dict(keys), protocol=pickle.HIGHEST_PROTOCOL)


@dataclass(frozen=True, slots=True)
class KeyLog:
    """Where TLS secrets go, for debugging."""

    path: str = ""
    descriptor: int = -1

    @classmethod
    def open(cls, path: str) -> KeyLog:
        """Raises ConfigError."""
        descriptor = -1
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                # it may have been there, for everybody to read
                os.fchmod(descriptor, 0o600)
        except OSError as error:
            if descriptor >= 0:
                os.close(descriptor)
            raise ConfigError(f"{path}: {error.strerror}", path="log.tls_keys") from error
        return cls(path, descriptor)


NO_KEY_LOG = KeyLog()


def with_groups(terms: Terms, make: Callable[[str], ServerContext]) -> ServerContext:
    """The context made with the first list of groups that libssl takes. Raises ValueError if it takes none."""
    *preferred, last = terms.groups
    for groups in preferred:
        with contextlib.suppress(ValueError):
            return make(groups)
    return make(last)


class TicketHold:
    """The ticket keys of a worker, which outlive every revision: by the name of their ring."""

    def __init__(self) -> None:
        self._held: dict[str, TicketKeys] = {}

    def take(self, payload: bytes) -> None:
        """Puts new keys in force at once, for all contexts that share them; rings that are not named are dropped.

        Raises ValueError for keys that cannot be used.
        """
        from limen.engine.tls.tickets import TicketKeys

        lists: KeyLists = pickle.loads(payload)  # noqa: S301 - written by our own supervisor on a private socketpair
        for name, keys in lists.items():
            self._held.setdefault(name, TicketKeys()).replace(keys)
        for name in self._held.keys() - lists.keys():
            # contexts that still have them keep them alive
            del self._held[name]

    def named(self, name: str) -> TicketKeys | None:
        """The keys of a ring; none for a listener without tickets."""
        return self._held[name] if name else None


class Contexts:
    """Certificates and contexts of one revision; what equals the predecessor's is the predecessor's."""

    def __init__(
        self, material: Material = NO_MATERIAL, previous: Contexts | None = None, key_log: KeyLog = NO_KEY_LOG
    ) -> None:
        self._material = material
        self._previous = previous
        self.key_log = key_log
        self.certificates: dict[bytes, Certificate] = {}
        self.servers: dict[str, tuple[ListenerTls, ListenerMaterial, ServerContext, bool]] = {}

    def settled(self) -> None:
        """Lets go of the predecessor, once the revision is complete."""
        self._previous = None

    def keeps(self, key: str, tls: ListenerTls | None, index: int) -> bool:
        """Whether the listener of this key (number `index` now) terminates TLS with exactly what it did before."""
        if tls is None:
            return True
        before = self._previous.servers.get(key) if self._previous is not None else None
        return (
            before is not None
            and before[:2] == (tls, self._material.listeners[index])
            and self._previous is not None
            and self._previous.key_log == self.key_log
        )

    def asking_otherwise(self, before: Contexts) -> list[str]:
        """Keys of listeners that ask for other client certificates than `before`, or believe others."""
        return [key for key in self.servers.keys() & before.servers.keys() if self._asks(key) != before._asks(key)]

    def _asks(self, key: str) -> tuple[bytes, bytes, bool]:
        tls, material, *_ = self.servers[key]
        return material.client_ca, material.crl, tls.client is not None and tls.client.require

    def server(
        self, key: str, tls: ListenerTls, index: int, tickets: TicketHold, *, opaque: bool = False
    ) -> ServerContext:
        """The context of a listener; `opaque`: no protocol is agreed on. Raises ConfigError for what libssl refuses."""
        material = self._material.listeners[index]
        before = self._previous.servers.get(key) if self._previous is not None else None
        if before is not None and self.keeps(key, tls, index) and before[3] == opaque:
            made = before
            for digest in material.certificates:
                self._certificate(digest)
        else:
            alpn = () if opaque else ("http/1.1",)
            made = (tls, material, self._made(tls, material, tickets, index, alpn=alpn), opaque)
        self.servers[key] = made
        return made[2]

    def _made(
        self, tls: ListenerTls, material: ListenerMaterial, tickets: TicketHold, index: int, *, alpn: tuple[str, ...]
    ) -> ServerContext:
        from limen.engine.tls.contexts import ServerContext

        terms = terms_of(tls)

        def make(groups: str) -> ServerContext:
            return ServerContext(
                certificates=[self._certificate(digest) for digest in material.certificates],
                names=material.names,
                default=material.default,
                minimum=terms.minimum,
                ciphers=terms.ciphers,
                suites=terms.suites,
                groups=groups,
                alpn=alpn,
                tickets=tickets.named(material.tickets),
                ticket_lifetime=int(tls.tickets.lifetime) if tls.tickets is not None else 0,
                client_ca=material.client_ca,
                client_required=tls.client is not None and tls.client.require,
                crl=material.crl,
                key_log=self.key_log.descriptor,
                kernel=tls.kernel and seals(),
            )

        try:
            return with_groups(terms, make)
        except ValueError as error:
            raise ConfigError(str(error), path=f"listeners[{index}].tls") from error

    def client(self, name: str, tls: UpstreamTls) -> ClientContext:
        """The context of an upstream. Raises ConfigError for what libssl does not take."""
        from limen.engine.tls.contexts import ClientContext

        material = self._material.upstreams[name]
        try:
            return ClientContext(
                verify=tls.verify,
                ca=material.ca,
                server_name=tls.server_name or "",
                certificate=self._certificate(material.certificate) if material.certificate is not None else None,
                pins=[pin_bytes(pin) for pin in tls.pin or ()],
                minimum=VERSIONS[tls.minimum],
                key_log=self.key_log.descriptor,
            )
        except ValueError as error:
            raise ConfigError(str(error), path=f"upstreams.{name}.tls") from error

    def identity(self, name: str, tls: UpstreamTls | None) -> str:
        """Differs whenever a connection made before may not be used any more; empty for plain ones."""
        if tls is None:
            return ""
        material = self._material.upstreams[name]
        digest = hashlib.blake2b(tls.model_dump_json().encode(), digest_size=16)
        digest.update(material.certificate or bytes(16))
        digest.update(material.ca)
        digest.update(self.key_log.path.encode())
        return digest.hexdigest()

    def _certificate(self, digest: bytes) -> Certificate:
        """An unchanged certificate is parsed once in the life of a worker."""
        from limen.engine.tls.certificate import Certificate

        made = self.certificates.get(digest)
        if made is None and self._previous is not None:
            made = self._previous.certificates.get(digest)
        if made is None:
            pair = self._material.pairs[digest]
            made = Certificate(pair.chain, pair.key)
        made.staple(self._material.staples.get(digest, b""))
        self.certificates[digest] = made
        return made
