"""The store: contents of files and the certificates made of them, kept as long as nothing of them changed.

A file is read again when its stat differs, a pair parsed again when its contents differ: a reload that changes one of
ten thousand certificates reads and parses that one.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Collection
from dataclasses import dataclass

from limen.tls.certificates import Certificate, Flaw, Part, Unusable, parse
from limen.tls.signatures import Signature, signature, signature_of

LARGEST = 1024 * 1024
"""Bytes of a certificate or key file at most; authorities and revocation lists may be larger."""
LARGEST_LIST = 64 * 1024 * 1024
"""Bytes of a file with authorities or revoked certificates at most."""
# A file written so shortly before it was read may be written once more within the same tick of its clock, nanoseconds.
_UNSETTLED = 2_000_000_000


@dataclass(frozen=True, slots=True, repr=False)
class Content:
    """What a file held."""

    text: bytes
    digest: bytes
    signature: Signature
    mode: int
    read_at: int
    """Unix time in nanoseconds."""

    @property
    def is_private(self) -> bool:
        """Whether nobody but the owner may read it."""
        return not self.mode & (stat.S_IRWXG | stat.S_IRWXO)

    @property
    def is_settled(self) -> bool:
        """Whether a later write surely shows in the signature."""
        return self.read_at - self.signature[0] > _UNSETTLED


class Unreadable(ValueError):
    """A file that cannot be read; the text says why, without its name."""


class Store:
    """Not to be used by two threads at once. Grows with what is asked for; `keep` lets go of the rest."""

    def __init__(self) -> None:
        self._contents: dict[str, Content] = {}
        self._parsed: dict[tuple[bytes, bytes], Certificate | Flaw] = {}
        self.parses = 0
        """Pairs parsed so far."""

    def content(self, path: str, *, largest: int = LARGEST) -> Content:
        """The file's content, read again only if the file has changed. Raises Unreadable."""
        known = self._contents.get(path)
        if known is not None and known.is_settled and known.signature == signature(path):
            return known
        fresh = _read(path, largest)
        if known is not None and known.digest == fresh.digest:
            # the same object as before, so that what was made of it is recognised
            fresh = Content(known.text, known.digest, fresh.signature, fresh.mode, fresh.read_at)
        self._contents[path] = fresh
        return fresh

    def certificate(self, chain: str, key: str) -> Certificate | Flaw:
        """The certificate of two files, or why there is none; what depends on the day is not looked at."""
        contents: dict[Part, Content] = {}
        paths: tuple[tuple[Part, str], ...] = (("chain", chain), ("key", key))
        for part, path in paths:
            try:
                contents[part] = self.content(path)
            except Unreadable as error:
                return Flaw(part, str(error))
        digests = contents["chain"].digest, contents["key"].digest
        made = self._parsed.get(digests)
        if made is None:
            self.parses += 1
            try:
                made = parse(contents["chain"].text, contents["key"].text)
            except Unusable as error:
                made = error.flaw
            self._parsed[digests] = made
        return made

    def is_private(self, path: str) -> bool:
        """Whether only its owner may read this file, as far as it has been read."""
        known = self._contents.get(path)
        return known is None or known.is_private

    def signatures(self, paths: Collection[str]) -> dict[str, Signature | None]:
        """How these files looked when they were read; None for those that could not be."""
        return {path: known.signature if (known := self._contents.get(path)) else None for path in paths}

    def keep(self, paths: Collection[str]) -> None:
        """Forgets all but these files and what was made of them."""
        self._contents = {path: content for path, content in self._contents.items() if path in paths}
        digests = {content.digest for content in self._contents.values()}
        self._parsed = {pair: made for pair, made in self._parsed.items() if digests.issuperset(pair)}


def _read(path: str, largest: int) -> Content:
    try:
        # without O_NONBLOCK a pipe in the place of a file would hold us for ever
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise Unreadable("is no regular file")
            content = file.read(largest + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, Unreadable):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise Unreadable(f"cannot be read: {reason.lower()}") from None
    if len(content) > largest:
        raise Unreadable(f"is larger than {largest} bytes")
    digest = hashlib.blake2b(content, digest_size=16).digest()
    return Content(content, digest, signature_of(found), found.st_mode, time.time_ns())
