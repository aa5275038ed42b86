"""A gateway and a proxy whose exchanges are recorded."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import LimenProcess, ScriptedOrigin, wait_until
from tests.support.har import recorded

StartCapture = Callable[..., LimenProcess]


def configured(address: str, capture: dict[str, Any] | None = None, **root: Any) -> str:
    """Routes and a forward listener that all record for the capture `flows`."""
    route = root.pop("route", {})
    forward = root.pop("forward", {})
    return json.dumps(
        {
            "workers": 1,
            "admin": {"bind": "127.0.0.1:@ADMIN@"},
            "captures": {"flows": {"path": "@DIR@/flows.jsonl", **(capture or {})}},
            "listeners": [
                {
                    "bind": "127.0.0.1:@PORT@",
                    "name": "front",
                    "routes": [
                        {"name": "unseen", "match": {"path": "/unseen"}, "upstream": "web"},
                        {
                            "name": "here",
                            "match": {"path": "/here"},
                            "respond": {"status": 200, "body": "made here", "content_type": "text/plain"},
                            "capture": "flows",
                        },
                        {"name": "site", "upstream": "web", "capture": "flows", **route},
                    ],
                },
                {
                    "bind": "127.0.0.1:@PROXY@",
                    "name": "proxy",
                    "forward": {
                        "targets": {"private": "allow"},
                        "access": [{"allow": {}}],
                        "capture": "flows",
                        **forward,
                    },
                },
            ],
            "upstreams": {"web": {"endpoints": [address]}},
            **root,
        }
    )


@pytest.fixture
def start_capture(start_limen: Callable[..., LimenProcess]) -> StartCapture:
    """`start_capture(origin, {...capture}, **keys of the root, route, forward)`."""

    def start(origin: ScriptedOrigin | str, capture: dict[str, Any] | None = None, **root: Any) -> LimenProcess:
        address = origin if isinstance(origin, str) else origin.address
        options = {key: root.pop(key) for key in ("allow", "directory") if key in root}
        return start_limen(configured(address, capture, **root), **options)

    return start


def entries(proxy: LimenProcess, count: int) -> list[dict[str, Any]]:
    """What has been recorded, as soon as it is that many."""
    path = proxy.directory / "flows.jsonl"
    wait_until(lambda: len(recorded(path)) >= count, what=f"{count} recorded")
    found = recorded(path)
    assert len(found) == count
    return found
