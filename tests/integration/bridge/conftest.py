"""A proxy that bridges, an authority that its clients trust, another that its origins come from, and names for both."""

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.integration.tls.conftest import left
from tests.support import LimenProcess, NameServerThread, RawClient, WireResponse, json_lines, wait_until
from tests.support.certificates import Authority

StartBridge = Callable[..., LimenProcess]


@pytest.fixture
def dns() -> Iterator[NameServerThread]:
    """Every `*.example` is 127.0.0.1."""
    with NameServerThread() as server:
        for name in ("a", "b", "c", "pinned", "other"):
            server.server.add(f"{name}.example", "60 A 127.0.0.1")
        yield server


@pytest.fixture
def organisation(tmp_path: Path) -> Authority:
    """Signs leaves."""
    return Authority(tmp_path, "The organisation")


@pytest.fixture
def internet(tmp_path: Path) -> Authority:
    """Signs origins' certificates."""
    return Authority(tmp_path, "The internet")


def bridging(organisation: Authority, internet: Authority) -> dict[str, Any]:
    """The section of a listener that opens the TLS of .example, as the organisation, with origins of the internet."""
    return {
        "authority": organisation.files(),
        "tls": {"ca": str(internet.file)},
        "leaves": {"directory": "@DIR@/leaves"},
        "hosts": [".example"],
    }


@pytest.fixture
def start_bridge(dns: NameServerThread, organisation: Authority, internet: Authority) -> Iterator[StartBridge]:
    """`start_bridge({...bridge})`: a forward listener that bridges; when the test ends nothing may be left behind."""
    started: list[LimenProcess] = []
    with ExitStack() as stack:

        def start(
            bridge: dict[str, Any] | None = None,
            *,
            directory: Path | None = None,
            allow: tuple[str, ...] = (),
            **forward: Any,
        ) -> LimenProcess:
            config = {
                "workers": forward.pop("workers", 1),
                "captures": forward.pop("captures", {}),
                "resolver": {"servers": [dns.address], "hosts": False},
                "admin": {"bind": "127.0.0.1:@ADMIN@"},
                "identities": forward.pop("identities", {}),
                "log": {
                    "level": "debug",
                    "access": {"path": "@DIR@/access.jsonl", "flush": "10ms"},
                    **forward.pop("log", {}),
                },
                "listeners": [
                    {
                        "bind": "127.0.0.1:@PORT@",
                        "name": "proxy",
                        "forward": {
                            "targets": {"private": "allow"},
                            "access": [{"allow": {}}],
                            **(
                                {
                                    "bridge": {**bridging(organisation, internet), **bridge},
                                }
                                if bridge is not None
                                else {}
                            ),
                            **forward,
                        },
                    }
                ],
            }
            proxy = stack.enter_context(LimenProcess(json.dumps(config, indent=1), directory=directory, allow=allow))
            started.append(proxy)
            return proxy

        yield start
        for proxy in started:
            if proxy._process is not None:
                wait_until(lambda proxy=proxy: not left(proxy), what="gauges at zero")


def connect(proxy: LimenProcess, target: str, ahead: bytes = b"") -> RawClient:
    """A tunnel, with what is sent behind CONNECT without waiting."""
    client = proxy.connect()
    client.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode() + ahead)
    assert client.read_response("CONNECT").status == 200
    return client


def opened(proxy: LimenProcess, target: str, context: ssl.SSLContext, name: str | None = None) -> RawClient:
    """A tunnel with TLS inside, for the target's host or `name`."""
    client = connect(proxy, target)
    try:
        return client.secure(context, name or target.rpartition(":")[0])
    except BaseException:
        client.close()
        raise


def fetch(proxy: LimenProcess, target: str, context: ssl.SSLContext, **options: Any) -> WireResponse:
    """One request inside."""
    host = target.rpartition(":")[0]
    with opened(proxy, target, context) as client:
        return (
            client.request("GET", "/", host=options.pop("host", target), **options) if host else client.read_response()
        )


def shown(client: RawClient) -> x509.Certificate:
    """The certificate that the client sees."""
    der = client.socket.getpeercert(True)  # type: ignore[attr-defined]
    assert isinstance(der, bytes)
    return x509.load_der_x509_certificate(der)


def records(proxy: LimenProcess) -> list[dict[str, Any]]:
    """The access log so far."""
    return json_lines(proxy.directory / "access.jsonl")
