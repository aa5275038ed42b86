"""Files of error pages: read when the configuration is loaded, so that a reload reads them again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from limen.config.refusal import Refused, shown

KINDS = {".html": "html", ".htm": "html", ".json": "json", ".txt": "text"}
LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class PageText:
    """The text of a page, and what kind it is: html, json or text."""

    kind: str
    text: str = field(repr=False)


def read_page(path: Path) -> PageText:
    """The page in a file. Raises Refused."""
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise Refused(f"{shown(path.name)} is no kind of page", "name a file that ends in .html, .json or .txt")
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise Refused(f"cannot read {shown(str(path))}: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > LARGEST:
        raise Refused(f"the page {shown(str(path))} is larger than 64 KiB")
    try:
        return PageText(kind, content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Refused(f"the page {shown(str(path))} is not UTF-8 text") from None


def written(page: PageText) -> dict[str, str]:
    """What parses to the page again, wherever its file is."""
    return {"kind": page.kind, "text": page.text}


def parse_status(value: object) -> int | str:
    """A status of errors, or a class of them: 400 to 599, `4xx` or `5xx`. Raises Refused."""
    text = str(value).lower()
    if text in ("4xx", "5xx"):
        return text
    if not isinstance(value, bool) and text.isascii() and text.isdigit() and 400 <= int(text[:9]) <= 599:
        return int(text)
    raise Refused(f"{shown(value)} is no status of an error", "write 400 to 599, 4xx or 5xx")
