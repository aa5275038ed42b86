"""Lines of captures as one HAR 1.2 document, made while they are read: neither is ever in memory as a whole.

Entries come in the order in which exchanges ended. A line that is no entry, such as one that a full disk has cut off,
is counted and left out.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import limen
from limen.config.refusal import Refused
from limen.config.units import parse_duration
from limen.observe.har_parts import as_text

LINE_MOST = 256 << 20
"""Bytes of the longest line that is read."""
_CONTENT_MOST = 64 << 20
"""Bytes of content that is decompressed; what has more stays as it came."""
FILTERS = ("host", "since", "until", "status")

Entry = dict[str, object]


class WrongCondition(ValueError):
    """A condition that means nothing."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries."""

    host: str = ""
    """Of the URL: a name, without case, or a pattern with `*`; empty for all."""
    since: datetime | None = None
    """Begun then or later."""
    until: datetime | None = None
    """Begun before."""
    status: str = ""
    """`404`, a class such as `4xx`, or `0` for exchanges without a response."""

    def fits(self, entry: Mapping[str, object]) -> bool:
        """Whether an entry is wanted. Raises what a malformed one raises."""
        request, response = _mapping(entry["request"]), _mapping(entry["response"])
        if self.status and not _has_status(response["status"], self.status):
            return False
        if self.host and not fnmatch.fnmatchcase(_host(str(request["url"])), self.host):
            return False
        if self.since is None and self.until is None:
            return True
        started = datetime.fromisoformat(str(entry["startedDateTime"]))
        return (self.since is None or started >= self.since) and (self.until is None or started < self.until)


def wanted_of(filters: Mapping[str, str], now: datetime) -> Wanted:
    """What conditions mean, as people write them: times of ISO 8601 (UTC unless said), or `15m` for that long ago.

    Raises WrongCondition.
    """
    for name in filters:
        if name not in FILTERS:
            raise WrongCondition(f"there is no condition {name!r}; there are: {', '.join(FILTERS)}")
    status = filters.get("status", "").lower()
    number = status.removesuffix("xx")
    if status and not (number.isascii() and number.isdigit() and (len(status) == 3 or status == "0")):
        raise WrongCondition(f"{status!r} is no status; write it like 404 or 4xx")
    times = {name: _time(filters[name], now) for name in ("since", "until") if filters.get(name)}
    host = filters.get("host", "").lower()
    if "[" in host:
        # brackets of an IPv6 address, not a set of characters
        host = host.strip("[]")
    return Wanted(host, times.get("since"), times.get("until"), status)


def _time(text: str, now: datetime) -> datetime:
    try:
        return now - timedelta(seconds=parse_duration(text))
    except (Refused, OverflowError):
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        hint = "write it like 2026-03-01T12:00:00Z, or 15m for that long ago"
        raise WrongCondition(f"{text!r} is no time; {hint}") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


@dataclass(slots=True)
class Export:
    """One document. `pieces` may be gone through once; the counts are those of what was read until then."""

    paths: Iterable[Path]
    wanted: Wanted = field(default_factory=Wanted)
    most: int | None = None
    """Entries at most."""
    size_most: int | None = None
    """Bytes of entries after which none follows."""
    entries: int = 0
    unreadable: int = 0
    """Lines that are no entries."""
    cut: bool = False
    """There may be more than `most` or `size_most` let through."""

    def pieces(self) -> Iterator[bytes]:
        """The document. Raises OSError if a file cannot be read; those that are missing are passed over."""
        creator = {"name": "Limen", "version": limen.__version__}
        yield b'{"log":{"version":"1.2","creator":%b,"pages":[],"entries":[' % json.dumps(creator).encode()
        size = 0
        for entry in self._all_entries():
            if self.entries == self.most or (self.size_most is not None and size >= self.size_most):
                self.cut = True
                break
            text = json.dumps(entry, separators=(",", ":")).encode()
            size += len(text)
            yield b",\n" + text if self.entries else b"\n" + text
            self.entries += 1
        comment = b',"comment":"cut short: there are more entries"' if self.cut else b""
        yield b"\n]" + comment + b"}}\n"

    def _all_entries(self) -> Iterator[Entry]:
        with ExitStack() as stack:
            # all at once: a file that is put aside meanwhile is read where it stands
            files: dict[tuple[int, int], BinaryIO] = {}
            for path in self.paths:
                with suppress(FileNotFoundError):
                    file: BinaryIO = stack.enter_context(path.open("rb"))
                    status = os.fstat(file.fileno())
                    files.setdefault((status.st_dev, status.st_ino), file)
            for file in files.values():
                yield from self._entries(file)

    def _entries(self, file: BinaryIO) -> Iterator[Entry]:
        for line in _lines(file):
            try:
                entry = json.loads(line)
                if not self.wanted.fits(entry):
                    continue
                decoded = _decoded(entry)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                self.unreadable += 1
            else:
                yield decoded


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines that are not empty; of those that are too long, something that is no entry."""
    while line := file.readline(LINE_MOST):
        if not line.strip():
            continue
        if line.endswith(b"\n") or len(line) < LINE_MOST:
            yield line
            continue
        while (rest := file.readline(LINE_MOST)) and not rest.endswith(b"\n"):
            pass
        yield b"-"


def _decoded(entry: Entry) -> Entry:
    """With the response's content decompressed, where it is whole: so HAR wants it."""
    content = _mapping(_mapping(entry["response"])["content"])
    coding = content.get("_coding")
    if coding not in ("gzip", "x-gzip", "deflate") or "_truncated" in content:
        return entry
    found = _decompressed(base64.b64decode(str(content["text"])))
    if found is None:
        return entry
    size = content["size"]
    text = as_text(found, str(content["mimeType"]), whole=True)
    content.pop("encoding", None)
    content |= {"size": len(found), "compression": len(found) - (size if isinstance(size, int) else 0)}
    if text is None:
        content |= {"encoding": "base64", "text": binascii.b2a_base64(found, newline=False).decode()}
    else:
        content["text"] = text
    return entry


def _decompressed(data: bytes) -> bytes | None:
    # `deflate` is zlib's format (RFC 9110, 8.4.1.2), and by some senders the bare one; 32 + 15: gzip and zlib
    for bits in (32 + zlib.MAX_WBITS, -zlib.MAX_WBITS):
        machine = zlib.decompressobj(bits)
        try:
            found = machine.decompress(data, _CONTENT_MOST)
        except zlib.error:
            continue
        if machine.eof:
            return found
    return None


def _has_status(status: object, wanted: str) -> bool:
    text = str(status)
    return text[:1] == wanted[:1] and len(text) == 3 if wanted.endswith("xx") else text == wanted


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").rstrip(".")


def _mapping(value: object) -> Entry:
    if not isinstance(value, dict):
        raise TypeError("not an entry")
    return value
