"""Lists of names with categories, JSON and CSV, as the plain lines that limen.engine.host_listing reads.

{"ads": ["a.example", ...], "games": [...]}                      JSON: names by category
[{"name": "a.example", "category": "ads"}, "b.example", ...]     JSON: names (also `domain`, `host`), with categories
a.example,ads                                                    CSV: a name and its categories, with a header or not
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator

_NAMES = ("name", "domain", "host", "hostname")
_CATEGORIES = ("category", "categories")
# A line that is no name, so that it is counted as one that was not understood.
_WRONG = "?"


def plain_lines(text: bytes, kind: str, categories: Collection[str]) -> bytes:
    """A name per line; with `categories` only those of theirs. Raises ValueError."""
    decoded = text.decode("utf-8-sig")
    found = _json(decoded, categories) if kind == "json" else _csv(decoded, categories)
    return "\n".join(found).encode("utf-8", "surrogatepass")


def _line(name: object) -> str:
    # what would begin a comment, or a second word, must not make half of a name a whole one
    return name if isinstance(name, str) and name and not any(c in "#; \t\r\n" for c in name) else _WRONG


def _wanted(categories: Collection[str], given: object) -> bool:
    if not categories:
        return True
    return any(one in categories for one in (given if isinstance(given, list) else [given]))


def _json(text: str, categories: Collection[str]) -> Iterator[str]:
    try:
        tree = json.loads(text)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if isinstance(tree, dict):
        for category, names in tree.items():
            if _wanted(categories, category):
                yield from map(_line, names if isinstance(names, list) else [None])
        return
    for one in tree if isinstance(tree, list) else [None]:
        if isinstance(one, dict):
            given = next((one[key] for key in _CATEGORIES if key in one), None)
            if _wanted(categories, given):
                yield _line(next((one[key] for key in _NAMES if key in one), None))
        elif _wanted(categories, None):
            yield _line(one)


def _csv(text: str, categories: Collection[str]) -> Iterator[str]:
    rows = csv.reader(io.StringIO(text))
    place, kinds = 0, slice(1, None)
    try:
        for number, row in enumerate(rows):
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            lowered = [cell.lower() for cell in cells]
            if number == 0 and any(cell in _NAMES for cell in lowered):
                place = next(at for at, cell in enumerate(lowered) if cell in _NAMES)
                at = next((at for at, cell in enumerate(lowered) if cell in _CATEGORIES), None)
                kinds = slice(at, at + 1) if at is not None else slice(0, 0)
                continue
            if _wanted(categories, [one for cell in cells[kinds] for one in cell.split("|")]):
                yield _line(cells[place]) if place < len(cells) else _WRONG
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num}: {error}") from None
