"""MMDB files, read once by the supervisor for all workers: sealed memory that nobody can change or cut off.

A worker maps a file that somebody rewrites in place at the risk of its life (SIGBUS). What is mapped here is a copy in
memory that is sealed, and that all processes share; its number of bytes counts once.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from limen.config.findings import Finding
from limen.runtime.mmdb import Unusable, open_database
from limen.tls.signatures import Signature, signature

if TYPE_CHECKING:
    from limen.config import Config

LARGEST = 2 * 1024 * 1024 * 1024
"""Bytes of a file at most."""
_PIECE = 1024 * 1024


class Memory:
    """What a file held, in sealed memory; closed when nobody needs it any more."""

    def __init__(self, path: str) -> None:
        """Raises OSError, or Unusable for what is no MMDB file."""
        self.fd = os.memfd_create("limen-places", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            self.digest = _copied(path, self.fd)
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
            fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, seals)
            open_database(self.fd).close()
        except BaseException:
            os.close(self.fd)
            raise

    def __del__(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            os.close(self.fd)


def _copied(path: str, memory: int) -> str:
    """The digest of what was copied."""
    digest = hashlib.sha256()
    size = 0
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            size += len(piece)
            if size > LARGEST:
                raise Unusable("larger than 2 GiB")
            digest.update(piece)
            os.write(memory, piece)
    return digest.hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Databases:
    """The files of a configuration, in its order."""

    memories: tuple[Memory, ...] = ()
    files: Mapping[str, Signature | None] = field(default_factory=dict)
    """How each looked when it was read."""
    findings: tuple[Finding, ...] = ()
    stale: frozenset[str] = frozenset()
    """Files that can no longer be used, and for which an earlier content stands in."""

    @property
    def digests(self) -> tuple[str, ...]:
        """What tells contents apart."""
        return tuple(memory.digest for memory in self.memories)

    @property
    def descriptors(self) -> Sequence[int]:
        """Of the memories, in their order."""
        return [memory.fd for memory in self.memories]


NO_DATABASES = Databases()


def read_databases(config: Config, before: Databases = NO_DATABASES, *, lenient: bool = False) -> Databases:
    """Reads what the configuration names, if it looks different from `before`. With errors among the findings it is
    incomplete; `lenient`: what cannot be used any more is a warning, and what was there before stands in.
    """
    if config.places is None:
        return NO_DATABASES
    known = dict(zip(before.files, before.memories, strict=False))
    memories: list[Memory] = []
    files: dict[str, Signature | None] = {}
    findings: list[Finding] = []
    stale: set[str] = set()
    for number, path in enumerate(config.places.mmdb):
        files[path] = signature(path)
        old = known.get(path)
        same = files[path] is not None and files[path] == before.files.get(path)
        if old is not None and same and path not in before.stale:
            memories.append(old)
            continue
        try:
            memories.append(Memory(path))
        except (OSError, Unusable) as error:
            reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
            forgiven = lenient and old is not None
            hint = "" if isinstance(error, OSError) else "a file as MaxMind, DB-IP or IPinfo distribute them"
            findings.append(Finding(("places", "mmdb", number), f"{path}: {reason}", hint, warning=forgiven))
            if forgiven and old is not None:
                memories.append(old)
                stale.add(path)
    return Databases(tuple(memories), files, tuple(findings), frozenset(stale))
