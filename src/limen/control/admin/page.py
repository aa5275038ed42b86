"""The page of the admin address: files of ours, served under a policy that lets nothing else in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "files"
_TYPES = {
    "index.html": "text/html",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "flows.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}

FILES = {"/": "index.html", **{f"/{name}": name for name in _TYPES if name != "index.html"}}
"""Resource to file."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""Content-Security-Policy: own files only, no inline script or style, and no text that becomes HTML."""


@dataclass(frozen=True, slots=True)
class Page:
    """One of the files."""

    content: bytes
    content_type: str


@cache
def page(file: str) -> Page:
    """A file of FILES; read once."""
    return Page((_FOLDER / file).read_bytes(), _TYPES[file])
