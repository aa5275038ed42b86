"""Parts of a message that HAR wants taken apart or as text: the query, cookies sent and cookies set, content."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl

_TEXTUAL = (
    "text/",
    "application/json",
    "application/xml",
    "application/javascript",
    "application/x-www-form-urlencoded",
)
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1", "windows-1252"})

Fields = Iterable[tuple[str, str]]
Pair = dict[str, object]


def as_text(data: bytes, mime: str, *, whole: bool) -> str | None:
    """Content as text; None where it is none, or not in the charset it says."""
    if not data:
        return ""
    kind, _, parameters = mime.lower().partition(";")
    kind = kind.strip()
    if not kind.startswith(_TEXTUAL) and not kind.endswith(("+json", "+xml")):
        return None
    charset = "utf-8"
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            charset = value.strip().strip('"')
    if charset not in _CHARSETS:
        return None
    try:
        # what is cut short may end within a character
        return codecs.getincrementaldecoder(charset)().decode(data, whole)
    except UnicodeDecodeError:
        return None


def query_string(url: str) -> list[Pair]:
    """Names and values of the query, decoded."""
    query = url.partition("#")[0].partition("?")[2]
    return [{"name": name, "value": value} for name, value in parse_qsl(query, keep_blank_values=True)]


def cookies(fields: Fields, instead: str | None) -> list[Pair]:
    """What Cookie fields hold; `instead` stands for the values, if it is given."""
    return [
        {"name": name, "value": value if instead is None else instead}
        for field, text in fields
        if field.lower() == "cookie"
        for name, value in _pairs(text)
    ]


def set_cookies(fields: Fields, instead: str | None) -> list[Pair]:
    """What Set-Cookie fields set, with their attributes (RFC 6265, 5.2)."""
    return [found for field, text in fields if field.lower() == "set-cookie" for found in _set(text, instead)]


def _set(text: str, instead: str | None) -> Iterator[Pair]:
    pairs = list(_pairs(text))
    if not pairs:
        return
    name, value = pairs[0]
    found: Pair = {"name": name, "value": value if instead is None else instead, "httpOnly": False, "secure": False}
    for key, said in pairs[1:]:
        match key.lower():
            case "httponly":
                found["httpOnly"] = True
            case "secure":
                found["secure"] = True
            case "path" | "domain":
                found[key.lower()] = said
            case "expires":
                found |= _expires(said)
    yield found


def _expires(said: str) -> Pair:
    try:
        return {"expires": parsedate_to_datetime(said).isoformat()}
    except (TypeError, ValueError, OverflowError):
        return {}


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(";"):
        name, _, value = part.strip().partition("=")
        if name.strip():
            yield name.strip(), value.strip()
