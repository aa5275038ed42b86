"""A gateway that ends TLS, or speaks it to its origin, and an authority for both."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support import LimenProcess, wait_until
from tests.support.certificates import Authority

StartTls = Callable[..., LimenProcess]
GAUGES = ("limen_connections", "limen_exchanges_in_flight", "limen_tunnels", "limen_endpoint_active")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def start_tls() -> Iterator[StartTls]:
    """`start_tls(origin, tls={...})`: one worker; `listener`, `upstream` and `root` are merged over the defaults.

    When the test ends, nothing may be left behind: no connection, no exchange, no tunnel.
    """
    started: list[LimenProcess] = []
    with ExitStack() as stack:

        def start(
            origin: object,
            *,
            tls: dict[str, Any] | None = None,
            listener: dict[str, Any] | None = None,
            upstream: dict[str, Any] | None = None,
            root: dict[str, Any] | None = None,
            **options: Any,
        ) -> LimenProcess:
            config = {
                "workers": 1,
                "admin": {"bind": "127.0.0.1:@ADMIN@"},
                "listeners": [
                    {
                        "bind": "127.0.0.1:@PORT@",
                        "name": "front",
                        **({"tls": tls} if tls is not None else {}),
                        "routes": [{"upstream": "web"}],
                        **(listener or {}),
                    }
                ],
                "upstreams": {"web": {"endpoints": [str(getattr(origin, "address", origin))], **(upstream or {})}},
                **(root or {}),
            }
            proxy = stack.enter_context(LimenProcess(json.dumps(config, indent=1), **options))
            started.append(proxy)
            return proxy

        yield start
        for proxy in started:
            if proxy._process is not None and proxy._process.poll() is None:
                wait_until(lambda proxy=proxy: not left(proxy), what="gauges at zero")


def left(proxy: LimenProcess) -> dict[str, float]:
    """Gauges that are not at zero."""
    return {key: value for key, value in proxy.metrics().items() if key.partition("{")[0] in GAUGES and value}


def faults(proxy: LimenProcess) -> dict[str, float]:
    """Counted faults by label."""
    return {
        key.split('fault="', 1)[1].split('"', 1)[0]: value
        for key, value in proxy.metrics().items()
        if key.startswith("limen_faults_total{") and value
    }
