"""HAR 1.2 as a JSON Schema, written from its description (http://www.softwareishard.com/blog/har-12-spec/).

What a document adds of its own begins with an underscore; anything else that the description does not name is wrong.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": -1}
_TIME = {"type": "number", "minimum": 0}
_MAYBE_TIME = {"anyOf": [_TIME, {"const": -1}]}
_DATE = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **(optional or {}), "comment": _TEXT},
        "required": sorted(required),
        "patternProperties": {"^_": {}},
        "additionalProperties": False,
    }


def _many(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


_PAIR = _object({"name": _TEXT, "value": _TEXT})
_COOKIE = _object(
    {"name": _TEXT, "value": _TEXT},
    {"path": _TEXT, "domain": _TEXT, "expires": _DATE, "httpOnly": {"type": "boolean"}, "secure": {"type": "boolean"}},
)
_MESSAGE = {
    "httpVersion": {"enum": ["HTTP/1.0", "HTTP/1.1"]},
    "cookies": _many(_COOKIE),
    "headers": _many(_PAIR),
    "headersSize": _COUNT,
    "bodySize": _COUNT,
}
_REQUEST = _object(
    {"method": _TEXT, "url": {"type": "string", "pattern": "^https?://"}, "queryString": _many(_PAIR), **_MESSAGE},
    {"postData": _object({"mimeType": _TEXT, "params": {"type": "array", "maxItems": 0}, "text": _TEXT})},
)
_CONTENT = _object(
    {"size": {"type": "integer", "minimum": 0}, "mimeType": _TEXT},
    {"compression": {"type": "integer"}, "text": _TEXT, "encoding": {"const": "base64"}},
)
_RESPONSE = _object(
    {
        "status": {"type": "integer", "minimum": 0, "maximum": 999},
        "statusText": _TEXT,
        "content": _CONTENT,
        "redirectURL": _TEXT,
        **_MESSAGE,
    }
)
_TIMINGS = _object(
    {"send": _TIME, "wait": _TIME, "receive": _TIME},
    {"blocked": _MAYBE_TIME, "dns": _MAYBE_TIME, "connect": _MAYBE_TIME, "ssl": _MAYBE_TIME},
)
ENTRY = _object(
    {
        "startedDateTime": _DATE,
        "time": _TIME,
        "request": _REQUEST,
        "response": _RESPONSE,
        "cache": _object({}),
        "timings": _TIMINGS,
    },
    {"serverIPAddress": {"type": "string", "pattern": "^[0-9a-f.:]+$"}, "connection": _TEXT},
)
DOCUMENT = _object(
    {
        "log": _object(
            {
                "version": {"const": "1.2"},
                "creator": _object({"name": _TEXT, "version": _TEXT}),
                "entries": _many(ENTRY),
            },
            {"pages": _many(_object({}))},
        )
    }
)
_VALIDATOR = Draft202012Validator(DOCUMENT)


def check_entry(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry, if it is one and its phases are its time."""
    Draft202012Validator(ENTRY).validate(entry)
    datetime.fromisoformat(entry["startedDateTime"])
    assert abs(sum(value for value in entry["timings"].values() if value > 0) - entry["time"]) < 0.01
    return entry


def check_document(text: str | bytes) -> list[dict[str, Any]]:
    """The entries of a valid document."""
    document = json.loads(text)
    _VALIDATOR.validate(document)
    return [check_entry(entry) for entry in document["log"]["entries"]]


def recorded(path: Path) -> list[dict[str, Any]]:
    """The entries of a capture's file: every line has to be a whole one, but for a last one that is being written."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    return [check_entry(json.loads(line)) for line in text[: text.rfind(b"\n") + 1].splitlines()]


def values(message: dict[str, Any], name: str) -> list[str]:
    """The values of a field of a request or response."""
    return [field["value"] for field in message["headers"] if field["name"].lower() == name.lower()]
