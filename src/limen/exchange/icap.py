"""ICAP (RFC 3507): what is sent to a service that examines or adapts messages, and what it answers. Without I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from limen.errors import LimenError

VERSION = "ICAP/1.0"
#: The largest head of an answer, and of a message in it, bytes.
LONGEST_HEAD = 64 * 1024
#: A preview that a service asks for is bounded by this, bytes.
LONGEST_PREVIEW = 64 * 1024
_START = re.compile(r"ICAP/1\.\d ([1-5]\d\d)(?: .*)?")
_SECTION = re.compile(r"(req-hdr|res-hdr|req-body|res-body|opt-body|null-body)=(\d{1,7})")
_STATUS_LINE = re.compile(r"HTTP/\d\.\d (\d{3})(?: .*)?")
_REQUEST_LINE = re.compile(r"(\S+) (\S+) HTTP/\d\.\d")


class AdaptationFailed(LimenError):
    """A service did not say what becomes of a message: it was not there, too slow, or answered nonsense."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer."""

    status: int
    fields: dict[str, str]  # by names in lower case; of several, the last
    sections: tuple[tuple[str, int], ...] = ()
    """What follows: names of Encapsulated and where each begins."""

    @property
    def heads_size(self) -> int:
        """Bytes of encapsulated heads, which come before the body."""
        return self.sections[-1][1] if self.sections else 0

    @property
    def has_body(self) -> bool:
        """Whether a chunked body follows the heads."""
        return bool(self.sections) and self.sections[-1][0] != "null-body"

    @property
    def is_kept(self) -> bool:
        """Whether the connection may be used again."""
        return self.fields.get("connection", "").lower() != "close"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a service says of itself (OPTIONS)."""

    methods: frozenset[str]
    preview: int | None  # bytes; None: it wants none
    allows_204: bool
    lifetime: float  # of these terms, seconds
    connections: int | None


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an adapted message."""

    status: int = 0
    method: str = ""
    target: str = ""
    fields: tuple[tuple[str, str], ...] = ()


def options(url: str, authority: str) -> bytes:
    """Ask for a service's terms."""
    return f"OPTIONS {url} {VERSION}\r\nHost: {authority}\r\nEncapsulated: null-body=0\r\n\r\n".encode("latin-1")


def adaptation(
    method: str,
    url: str,
    authority: str,
    *,
    heads: Sequence[tuple[str, bytes]],
    has_body: bool,
    preview: int | None,
    fields: Sequence[tuple[str, str]] = (),
) -> bytes:
    """Head of REQMOD or RESPMOD with the encapsulated heads; the body follows in chunks if there is one."""
    at, sections = 0, []
    for name, head in heads:
        sections.append(f"{name}={at}")
        at += len(head)
    sections.append(f"{method[:3].lower()}-body={at}" if has_body else f"null-body={at}")
    lines = [f"{method} {url} {VERSION}", f"Host: {authority}", "Allow: 204"]
    if has_body and preview is not None:
        lines.append(f"Preview: {preview}")
    lines += [f"{name}: {value}" for name, value in fields]
    lines.append(f"Encapsulated: {', '.join(sections)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + b"".join(head for _, head in heads)


def message_head(line: str, fields: Sequence[tuple[str, str]]) -> bytes:
    """An HTTP head as it is encapsulated."""
    return "\r\n".join([line, *(f"{name}: {value}" for name, value in fields), "", ""]).encode("latin-1")


def chunk(content: bytes) -> bytes:
    """As one chunk; nothing for no content, which would end the body."""
    return b"%x\r\n%b\r\n" % (len(content), content) if content else b""


LAST_CHUNK = b"0\r\n\r\n"
#: The preview was the whole body.
LAST_OF_ALL = b"0; ieof\r\n\r\n"


def read_answer(head: bytes) -> Answer:
    """The head of an answer, with its empty line. Raises AdaptationFailed."""
    # services fold lines of their own head (X-Violations-Found); those of messages must be whole
    start, *lines = re.sub(r"\r\n[\t ]+", " ", head.decode("latin-1")).split("\r\n")
    found = _START.fullmatch(start)
    if found is None:
        raise AdaptationFailed(f"the answer begins with {start[:80]!r}")
    fields = {name.lower(): value for name, value in _fields(lines)}
    return Answer(int(found[1]), fields, _sections(fields.get("encapsulated", "")))


def _sections(text: str) -> tuple[tuple[str, int], ...]:
    sections: list[tuple[str, int]] = []
    for part in text.split(",") if text else ():
        found = _SECTION.fullmatch(part.strip())
        if found is None:
            raise AdaptationFailed(f"Encapsulated holds {part.strip()[:80]!r}")
        sections.append((found[1], int(found[2])))
    places = [at for _, at in sections]
    if sections and (places[0] != 0 or places != sorted(places) or places[-1] > 2 * LONGEST_HEAD):
        raise AdaptationFailed(f"the places of Encapsulated are out of order or too large: {text[:200]}")
    if any(not name.endswith("-hdr") for name, _ in sections[:-1]) or (sections and sections[-1][0].endswith("-hdr")):
        raise AdaptationFailed(f"the sections of Encapsulated are not heads and one body: {text[:200]}")
    return tuple(sections)


def split_heads(answer: Answer, content: bytes) -> dict[str, Head]:
    """The encapsulated heads by section. Raises AdaptationFailed."""
    heads: dict[str, Head] = {}
    for (name, begin), (_, end) in zip(answer.sections, answer.sections[1:], strict=False):
        heads[name] = _read_head(name, content[begin:end])
    return heads


def _read_head(section: str, head: bytes) -> Head:
    if not head.endswith(b"\r\n\r\n"):
        raise AdaptationFailed(f"{section} does not end with an empty line")
    start, *lines = head.decode("latin-1").split("\r\n")
    fields = tuple(_fields(lines))
    if section == "res-hdr":
        found = _STATUS_LINE.fullmatch(start)
        if found is None or not 200 <= int(found[1]) <= 599:
            raise AdaptationFailed(f"the adapted response begins with {start[:80]!r}")
        return Head(status=int(found[1]), fields=fields)
    found = _REQUEST_LINE.fullmatch(start)
    if found is None:
        raise AdaptationFailed(f"the adapted request begins with {start[:80]!r}")
    return Head(method=found[1], target=found[2], fields=fields)


def _fields(lines: Sequence[str]) -> list[tuple[str, str]]:
    found = []
    for line in lines:
        if not line:
            continue
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise AdaptationFailed(f"a line of a head is no field: {line[:80]!r}")
        found.append((name, value.strip(" \t")))
    return found


def read_terms(answer: Answer, *, longest: float) -> Terms:
    """What an answer to OPTIONS says; without Options-TTL it holds for `longest` seconds."""
    if answer.status != 200:
        raise AdaptationFailed(f"the service answers OPTIONS with {answer.status}")
    preview = _whole(answer.fields.get("preview"))
    return Terms(
        methods=frozenset(name.strip().upper() for name in answer.fields.get("methods", "").split(",") if name.strip()),
        preview=None if preview is None else min(preview, LONGEST_PREVIEW),
        allows_204="204" in answer.fields.get("allow", ""),
        lifetime=min(longest, _whole(answer.fields.get("options-ttl")) or longest),
        connections=_whole(answer.fields.get("max-connections")),
    )


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"\d{1,9}", text) else None


def chunk_size(line: bytes) -> int:
    """The size that a line of a chunked body gives. Raises AdaptationFailed."""
    size = line.partition(b";")[0].strip()
    if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size):
        raise AdaptationFailed(f"a chunk begins with {line[:40]!r}")
    return int(size, 16)
