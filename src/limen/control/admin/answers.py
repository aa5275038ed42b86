"""Answers of the admin API: JSON, for people and programs alike."""

from __future__ import annotations

import json

from aiohttp import web


def answer(content: object, *, status: int = 200) -> web.Response:
    """A JSON response."""
    return web.Response(text=json.dumps(content, indent=2) + "\n", content_type="application/json", status=status)
