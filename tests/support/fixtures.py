"""The fixtures that every test has; tests/conftest.py brings them in."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.origins import Entry, Handler, ScriptedOrigin
from tests.support.ports import has_ipv6
from tests.support.process import LimenProcess
from tests.support.programs import NginxOrigin, available

REVERSE = """
workers: 1
listeners:
  - bind: 127.0.0.1:@PORT@
    routes:
      - upstream: web
upstreams:
  web: {endpoints: ["@ORIGIN@"]}
"""
FORWARD = """
workers: 1
listeners:
  - bind: 127.0.0.1:@PORT@
    forward:
      targets: {private: allow}
      access:
        - allow: {ports: ["1-65535"]}
"""
OPEN_FORWARD = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
listeners:
  - bind: 127.0.0.1:@PORT@
    forward:
      targets: {private: allow}
      access:
        - {name: no-telnet, deny: {ports: [23]}}
        - allow: {}
      timeouts: {dial: 2s, response: 2s, stall: 2s}
"""

needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="there is no [::1] here")

LimenStarter = Callable[..., LimenProcess]
OriginStarter = Callable[..., ScriptedOrigin]


@pytest.fixture
def start_limen() -> Iterator[LimenStarter]:
    """`start_limen(text, **options)` starts a LimenProcess that is stopped, and checked, when the test ends."""
    with ExitStack() as stack:

        def start(text: str = REVERSE, **options: Any) -> LimenProcess:
            return stack.enter_context(LimenProcess(text, **options))

        yield start


@pytest.fixture
def start_origin() -> Iterator[OriginStarter]:
    """`start_origin(script, **options)` starts a ScriptedOrigin that is stopped when the test ends."""
    with ExitStack() as stack:

        def start(script: Handler | Entry | list[Entry] | None = None, **options: Any) -> ScriptedOrigin:
            return stack.enter_context(ScriptedOrigin(script, **options))

        yield start


@pytest.fixture
def one_month() -> None:
    """Quotas begin anew with the month: a test that might see it waits until it has begun."""
    now = datetime.now(UTC)
    turn = (now.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    left = (turn - now).total_seconds()
    if left < 120:
        time.sleep(left + 1)


@pytest.fixture(scope="session")
def nginx_origin() -> Iterator[NginxOrigin]:
    """One nginx for the whole session with `small` (1 KiB) and `large` (8 MiB); skipped where nginx is missing."""
    if not available("nginx"):
        pytest.skip("nginx is not installed")
    pattern = bytes(range(256))
    with NginxOrigin({"small": pattern * 4, "large": pattern * 32768}) as origin:
        yield origin
