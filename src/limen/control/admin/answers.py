"""Answers of the admin API: JSON, for people and programs alike."""

from __future__ import annotations

import json

from aiohttp import web


def answer(content: object, *, status: int = 200, indent: int | None = 2) -> web.Response:
    """A JSON response."""
    return web.Response(text=json.dumps(content, indent=indent) + "\n", content_type="application/json", status=status)
