"""How much logs tell of clients: settings for the journals, and the same pseudonyms for the event log."""

from __future__ import annotations

import hashlib
import ipaddress
import time
from dataclasses import dataclass, field
from typing import Literal

from limen.engine.identity import seal_of

Reveal = Literal["full", "network", "host", "pseudonym", "none"]
_REVEAL = {"full": 0, "network": 1, "host": 1, "pseudonym": 2, "none": 3}
_CLIENT, _USER, _TARGET = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Discretion:
    """What is told; engine/conceal.pyx does it for the journals."""

    clients: Reveal = "full"
    users: Reveal = "full"
    targets: Reveal = "full"
    rotate: float = 86400.0
    """Seconds for which pseudonyms hold."""
    secret: bytes = field(default=b"", repr=False)
    """Of all workers; pseudonyms are made with a key derived from it."""

    @property
    def concealment(self) -> tuple[int, int, int, bytes, float] | None:
        """For a Journal; None where all is told."""
        found = (_REVEAL[self.clients], _REVEAL[self.users], _REVEAL[self.targets])
        return (*found, self._key(), self.rotate) if any(found) else None

    def client(self, address: str) -> str:
        """An address as it may be told."""
        if self.clients == "network":
            try:
                network = ipaddress.ip_network(f"{address}/{48 if ':' in address else 24}", strict=False)
            except ValueError:
                # of a Unix socket
                return address
            return str(network.network_address)
        return self._told(self.clients, _CLIENT, address)

    def user(self, name: str) -> str:
        """A name as it may be told."""
        return self._told(self.users, _USER, name)

    def target(self, name: str) -> str:
        """The name of a target as it may be told."""
        return self._told("full" if self.targets == "host" else self.targets, _TARGET, name)

    def _told(self, reveal: Reveal, kind: int, text: str) -> str:
        if reveal == "full":
            return text
        return self._pseudonym(kind, text.encode()) if reveal == "pseudonym" else "-"

    def _key(self) -> bytes:
        return hashlib.blake2b(self.secret, digest_size=16, person=b"limen pseudonyms").digest()

    def _pseudonym(self, kind: int, value: bytes) -> str:
        number = int(time.time_ns() // int(self.rotate * 1e9)) + 1
        current = seal_of(self._key(), number.to_bytes(8, "little"))
        seal = seal_of(current, kind.to_bytes(8, "little") + value)
        return f"~{int.from_bytes(seal[:8], 'little'):016x}"
