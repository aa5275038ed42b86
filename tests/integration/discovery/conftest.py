"""A gateway whose upstream `web` has its endpoints from a source."""

import json
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support import LimenProcess, NameServerThread, ScriptedOrigin
from tests.support.origins import Reply


def whoever(request: object, connection: Any) -> Reply:
    """Answers with the address that was dialled."""
    host, port = connection.socket.getsockname()[:2]
    return Reply(content=f"{host}:{port}".encode())


def fields_of(discover: object, **root: object) -> str:
    """The text of a configuration."""
    config = {
        "workers": 2,
        "admin": {"bind": "127.0.0.1:@ADMIN@"},
        "listeners": [{"bind": "127.0.0.1:@PORT@", "routes": [{"upstream": "web"}]}],
        "upstreams": {"web": {"discover": discover}},
        **root,
    }
    return json.dumps(config, indent=1)


class Discovering(LimenProcess):
    """A process with questions that these tests ask."""

    def answers(self, times: int = 12) -> set[str]:
        """Who answers, asked so many times; or the status, if it is none of success."""
        found = set()
        for _ in range(times):
            response = self.get("/")
            found.add(response.text if response.status == 200 else str(response.status))
        return found

    def endpoints(self) -> dict[str, set[str]]:
        """The addresses in force, by upstream."""
        status = json.loads(self.admin("/status").text)
        return {one["name"]: {found["address"] for found in one["endpoints"]} for one in status["upstreams"]}

    def discovery(self, upstream: str = "web") -> dict[str, Any]:
        """What the status says of its source."""
        status = json.loads(self.admin("/status").text)
        return next(one["discovery"] for one in status["upstreams"] if one["name"] == upstream)


@pytest.fixture
def start():
    """`start(discover, root...)` or `start(text=...)`; stopped and checked when the test ends."""
    with ExitStack() as stack:

        def started(discover=None, *, text=None, options=None, **root):
            return stack.enter_context(Discovering(text or fields_of(discover, **root), **(options or {})))

        yield started


@pytest.fixture
def loopback():
    """One origin on all loopback addresses, which tells by which it was reached."""
    with ScriptedOrigin(whoever, host="0.0.0.0") as origin:
        yield origin


@pytest.fixture
def names():
    with NameServerThread() as server:
        yield server


@pytest.fixture
def resolver(names):
    """The root's `resolver` that asks it, and asks again soon."""
    return {"servers": [names.address], "min_ttl": "200ms", "negative_ttl": "500ms", "timeout": "3s", "hosts": False}
