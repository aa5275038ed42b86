"""Files of Kerberos keys (keytabs, version 2), read strictly, and cut down to the keys of one service.

file:  05 02, entries
entry: size (32 bits; negative: a hole of that size), then within it
       components (16), realm, component …, kind of name (32), time (32), version (8), kind of key (16), key,
       perhaps version (32); texts and keys have their length (16) in front
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from limen.policy.identity.passwords import FileRefused

_MAGIC = b"\x05\x02"
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A key."""

    components: tuple[str, ...]
    realm: str
    record: bytes = field(repr=False)
    """As the file has it, with its size."""

    @property
    def principal(self) -> str:
        """As people write it."""
        return f"{'/'.join(self.components)}@{self.realm}"


def parse_keytab(content: bytes) -> list[Entry]:
    """All keys. Raises FileRefused."""
    if content[:2] != _MAGIC:
        raise FileRefused("no keytab of version 2")
    found: list[Entry] = []
    place = 2
    try:
        while place < len(content):
            (size,) = struct.unpack_from(">i", content, place)
            end = place + 4 + abs(size)
            if size == 0 or end > len(content) or len(found) >= _MOST:
                raise FileRefused(f"it is broken at byte {place}")
            if size > 0:
                found.append(_entry(content[place:end]))
            place = end
    except (struct.error, UnicodeDecodeError):
        raise FileRefused(f"it is broken at byte {place}") from None
    return found


def keys_of(content: bytes, service: str | None) -> list[Entry]:
    """The keys of a service (`HTTP@host`, or a principal with or without its realm), of all without one.

    Raises FileRefused, with what is there instead.
    """
    entries = parse_keytab(content)
    found = [entry for entry in entries if service is None or _fits(entry, service)]
    if not found:
        there = ", ".join(sorted({entry.principal for entry in entries})[:10])
        raise FileRefused(f"no key of {service or 'anybody'} in it" + (f"; it has those of {there}" if there else ""))
    return found


def write_keytab(entries: Sequence[Entry]) -> bytes:
    """A file of these."""
    return _MAGIC + b"".join(entry.record for entry in entries)


def realms_of(entries: Sequence[Entry], realms: Sequence[str] | None) -> frozenset[str]:
    """Whose names count: these, or without them those of the keys."""
    return frozenset(realms) if realms else frozenset(entry.realm for entry in entries)


def _fits(entry: Entry, service: str) -> bool:
    if "/" not in service:
        # as GSS-API writes it (RFC 2743, 4.1)
        return "/".join(entry.components) == service.replace("@", "/", 1)
    name, _, realm = service.partition("@")
    return "/".join(entry.components) == name and realm in ("", entry.realm)


def _entry(record: bytes) -> Entry:
    place = 6
    (count,) = struct.unpack_from(">H", record, 4)
    texts = []
    for _ in range(count + 1):
        text, place = _counted(record, place)
        texts.append(text.decode())
    # kind of name, time, version, kind of key
    _, place = _counted(record, place + 11)
    return Entry(tuple(texts[1:]), texts[0], record)


def _counted(record: bytes, place: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from(">H", record, place)
    end = place + 2 + size
    if end > len(record):
        raise struct.error
    return record[place + 2 : end], end
