"""Ranges of statuses, such as 200-399 or 503, and the targets of requests that Limen makes itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from limen.config import fields
from limen.config.refusal import Refused, shown
from limen.config.scalars import Loading, Scalar, as_text

_PATTERN = r"^[1-5]\d\d(-[1-5]\d\d)?$"


@dataclass(frozen=True, slots=True)
class Statuses:
    """A range of statuses, both ends included."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def __contains__(self, status: object) -> bool:
        return isinstance(status, int) and self.first <= status <= self.last


def parse_statuses(text: str) -> Statuses:
    """A status or a range from `204` or `200-399`."""
    match = re.fullmatch(r"([1-5]\d\d)(?:-([1-5]\d\d))?", text, re.ASCII)
    if match is None:
        raise Refused(f"{shown(text)} is not a status or a range", "write 200 or 200-399")
    first, last = int(match[1]), int(match[2] or match[1])
    if first > last:
        raise Refused(f"{shown(text)} ends before it begins", f"did you mean {last}-{first}?")
    return Statuses(first, last)


def parse_target(text: str) -> str:
    """A path with or without a query."""
    path, mark, query = text.partition("?")
    if "#" in query or re.search(r"[\x00-\x20\x7f]", query):
        raise Refused(f"the query of {shown(text)} holds a space, a # or a control character", "percent-encode it")
    return fields.parse_path(path) + mark + query


def _statuses(value: object, loading: Loading) -> Statuses:
    if isinstance(value, Statuses):
        return value
    return parse_statuses(as_text(value, loading, "a status or a range"))


def _target(value: object, loading: Loading) -> str:
    return parse_target(as_text(value, loading, "a path"))


StatusRange = Annotated[
    Statuses,
    Scalar(
        _statuses,
        {"anyOf": [{"type": "integer", "minimum": 100, "maximum": 599}, {"type": "string", "pattern": _PATTERN}]},
        "status or range",
        str,
    ),
]
RequestTarget = Annotated[str, Scalar(_target, {"type": "string", "pattern": "^/"}, "URL path, with or without query")]
