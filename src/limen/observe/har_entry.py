"""One recorded exchange as one line: an entry of HAR 1.2, with what HAR has no word for in `_limen`.

A line comes in pieces, so that a large one can be made between other work. Field values that let their owner in are
hidden unless they are asked for; what may be told of clients is up to the logs' discretion.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from limen.faults import labels
from limen.observe.discretion import Discretion
from limen.observe.har_parts import as_text, cookies, query_string, set_cookies

if TYPE_CHECKING:
    from limen.engine.capture import Recording, Side

HIDDEN = "***"
SECRET = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "authentication-info",
        "proxy-authentication-info",
        "cookie",
        "set-cookie",
        "api-key",
        "x-api-key",
        "x-auth-token",
        "x-csrf-token",
        "x-xsrf-token",
        "x-amz-security-token",
    }
)
"""Fields whose values let their owner in."""
_OF_CLIENTS = frozenset(
    {
        "forwarded",
        "x-forwarded-for",
        "x-forwarded",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "fastly-client-ip",
        "x-originating-ip",
        "via",
    }
)
_OF_USERS = frozenset(
    {"client-cert", "client-cert-chain", "from", "x-forwarded-user", "x-forwarded-email", "remote-user"}
)
_PIECE = 96 * 1024
"""Bytes or characters of content in one piece; a multiple of three."""
_LABELS = labels()
_CUT = "cut short: `_truncated` bytes are missing"

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Terms:
    """What entries may tell."""

    secrets: bool = False
    discretion: Discretion = field(default_factory=Discretion)

    @property
    def hidden(self) -> frozenset[str]:
        """Names of fields whose values are not told."""
        return _hidden(self.secrets, self.discretion.clients == "full", self.discretion.users == "full")


@cache
def _hidden(secrets: bool, clients: bool, users: bool) -> frozenset[str]:  # noqa: FBT001 what is told, in order
    found = frozenset[str]() if secrets else SECRET
    if not clients:
        found |= _OF_CLIENTS
    return found if users else found | _OF_USERS


def line_of(recording: Recording, terms: Terms) -> Iterator[bytes]:
    """The line, its newline included."""
    started = datetime.fromtimestamp(recording.started // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    timings = timings_of(recording)
    rest: Json = {
        "cache": {},
        "timings": timings,
        **({"serverIPAddress": recording.server.decode()} if recording.server else {}),
        **({"connection": str(recording.port)} if recording.port and terms.discretion.clients == "full" else {}),
        "_limen": about(recording, terms),
    }
    total = round(sum(value for value in timings.values() if value > 0), 3)
    yield b'{"startedDateTime":"%b.%03dZ","time":%b,"request":' % (
        started.encode(),
        recording.started % 10**9 // 10**6,
        _dumped(total),
    )
    yield from _request(recording, terms)
    yield b',"response":'
    yield from _response(recording, terms)
    yield b"," + _dumped(rest)[1:] + b"\n"


def timings_of(recording: Recording) -> dict[str, float]:
    """HAR's phases in milliseconds, -1 where one does not apply; together they are the whole time."""
    total, dial, forwarded = recording.total, recording.dial, recording.forwarded
    found: dict[str, float] = {"blocked": -1, "dns": -1, "connect": _milliseconds(dial) if dial else -1, "ssl": -1}
    if not forwarded:
        return {**found, "send": 0, "wait": _milliseconds(total - dial), "receive": 0}
    answered = recording.answered or total
    # an origin may answer before the request is whole
    sent = min(max(recording.sent, forwarded), answered)
    return {
        **found,
        "blocked": _milliseconds(forwarded - dial),
        "send": _milliseconds(sent - forwarded),
        "wait": _milliseconds(answered - sent),
        "receive": _milliseconds(total - answered),
    }


def about(recording: Recording, terms: Terms) -> Json:
    """What Limen did with it."""
    client = recording.client.decode()
    found: Json = {
        "id": recording.id,
        "client": terms.discretion.client(client) if client else "",
        "listener": recording.listener,
        "route": recording.route,
        "rule": recording.rule,
        "upstream": recording.upstream,
        "endpoint": recording.endpoint,
        "egress": recording.egress,
        "user": terms.discretion.user(recording.user) if recording.user else "",
        "status": recording.told,
        "attempts": recording.attempts,
        "fault": _LABELS[recording.fault] if recording.fault else "",
        "tunnel": recording.tunnel,
    }
    return {key: value for key, value in found.items() if value}


def url_of(recording: Recording) -> str:
    """The absolute URL that was asked for."""
    target = recording.target.decode("latin-1")
    if not target.startswith(("/", "*")):
        return target
    # who speaks HTTP/1.0 need not name a host
    authority = recording.authority.decode("latin-1") or "unknown.invalid"
    return f"{recording.scheme.decode()}://{authority}{target if target != '*' else ''}"


def _request(recording: Recording, terms: Terms) -> Iterator[bytes]:
    side, url = recording.request, url_of(recording)
    head = _head(side, recording.minor, terms)
    fields = _texts(side)
    yield _open(
        {
            "method": recording.method.decode("latin-1"),
            "url": url,
            **head,
            "queryString": query_string(url),
            "cookies": cookies(fields, None if terms.secrets else HIDDEN),
            "bodySize": side.size,
        }
    )
    if side.size:
        yield b',"postData":'
        yield from _content(side, "_encoding", {"mimeType": _mime(fields) or "application/octet-stream", "params": []})
    yield b"}"


def _response(recording: Recording, terms: Terms) -> Iterator[bytes]:
    side = recording.response
    if side is None:
        missing: Json = {
            "status": 0,
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "headers": [],
            "cookies": [],
            "content": {"size": 0, "mimeType": "x-unknown"},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
            "_error": _LABELS[recording.fault] if recording.fault else "no response",
        }
        yield _dumped(missing)
        return
    fields = _texts(side)
    location = [value for name, value in fields if name.lower() == "location"]
    yield _open(
        {
            "status": recording.status,
            "statusText": recording.reason.decode("latin-1"),
            **_head(side, recording.response_minor, terms),
            "cookies": set_cookies(fields, None if terms.secrets else HIDDEN),
            "redirectURL": location[0] if location else "",
            "bodySize": side.size,
            **({"_error": _LABELS[recording.fault]} if recording.fault else {}),
        }
    )
    yield b',"content":'
    yield from _content(side, "encoding", {"size": side.size, "mimeType": _mime(fields) or "x-unknown"})
    yield b"}"


def _head(side: Side, minor: int, terms: Terms) -> Json:
    hidden = terms.hidden
    return {
        "httpVersion": f"HTTP/1.{minor}",
        "headers": [
            {"name": name, "value": HIDDEN if name.lower() in hidden else value} for name, value in _texts(side)
        ],
        "headersSize": side.head_size or -1,
    }


def _content(side: Side, encoding: str, told: Json) -> Iterator[bytes]:
    fields = _texts(side)
    data, missing = side.text(), side.size - side.kept
    codings = [value.strip().lower() for name, value in fields if name.lower() == "content-encoding"]
    coding = ", ".join(value for value in codings if value not in ("", "identity"))
    if missing:
        told = {**told, "comment": _CUT, "_truncated": missing}
    text = None if coding else as_text(data, _mime(fields), whole=not missing)
    if text is not None:
        yield from _ended(told, (json.dumps(text[at : at + _PIECE])[1:-1].encode() for at in _starts(len(text))))
        return
    if coding:
        told = {**told, "_coding": coding}
    pieces = (binascii.b2a_base64(data[at : at + _PIECE], newline=False) for at in _starts(len(data)))
    yield from _ended({**told, encoding: "base64"}, pieces)


def _ended(told: Json, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """A section that ends with the text."""
    yield _open(told) + b',"text":"'
    yield from pieces
    yield b'"}'


def _texts(side: Side) -> Sequence[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in side.fields]


def _mime(fields: Sequence[tuple[str, str]]) -> str:
    return next((value for name, value in fields if name.lower() == "content-type"), "")


def _milliseconds(nanoseconds: int) -> float:
    return round(max(nanoseconds, 0) / 10**6, 3)


def _starts(length: int) -> range:
    return range(0, length, _PIECE)


def _open(section: Json) -> bytes:
    """A section without its end."""
    return _dumped(section)[:-1]


def _dumped(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
