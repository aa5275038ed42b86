"""Bridging with TLS on either side of it: an `https://` proxy that bridges, and origins behind `https://` parents."""

import hashlib
import json
import os
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.bridge.conftest import bridging, records, shown
from tests.integration.tls.conftest import faults, left
from tests.support import LimenProcess, NameServerThread, RawClient, Reply, ScriptedOrigin, echo, wait_until
from tests.support.certificates import Authority
from tests.support.nested import NestedSocket
from tests.support.origins import RawOrigin
from tests.support.parents import Parent
from tests.support.programs import available

LARGE = os.urandom(2 << 20)
Start = Callable[..., LimenProcess]


@pytest.fixture
def house(tmp_path: Path) -> Authority:
    """Signs the proxies' own certificates."""
    return Authority(tmp_path, "The house")


@pytest.fixture
def start(dns: NameServerThread, organisation: Authority, internet: Authority, house: Authority) -> Iterator[Start]:
    """A bridging proxy that its clients speak TLS with, if `sealed`; `parents`: URLs of a chain."""
    pair = house.issue("localhost")
    started: list[LimenProcess] = []
    with ExitStack() as stack:

        def run(*, sealed: bool = True, parents: list[str] | None = None, **options: Any) -> LimenProcess:
            listener: dict[str, Any] = {
                "bind": "127.0.0.1:@PORT@",
                "forward": {
                    "targets": {"private": "allow"},
                    "access": [{"allow": {}}],
                    "bridge": bridging(organisation, internet),
                },
            }
            config: dict[str, Any] = {
                "workers": 1,
                "resolver": {"servers": [dns.address], "hosts": True},
                "admin": {"bind": "127.0.0.1:@ADMIN@"},
                "log": {"access": {"path": "@DIR@/access.jsonl", "flush": "10ms", "tls": True}},
                "listeners": [listener],
            }
            if sealed:
                listener["tls"] = {"certificates": [{"chain": str(pair.chain), "key": str(pair.key)}]}
            if parents is not None:
                listener["forward"]["egress"] = "out"
                config["egress"] = {"out": {"parents": [{"chain": parents}], "tls": {"ca": str(house.file)}}}
            proxy = stack.enter_context(LimenProcess(json.dumps(config, indent=1), **options))
            started.append(proxy)
            return proxy

        yield run
        for proxy in started:
            wait_until(lambda proxy=proxy: not left(proxy), what="gauges at zero")


def connect(proxy: LimenProcess, target: str, house: Authority | None) -> RawClient:
    client = proxy.connect()
    if house is not None:
        client.secure(house.trusting(), "localhost")
    client.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")
    assert client.read_response("CONNECT").status == 200
    return client


def opened(proxy: LimenProcess, target: str, house: Authority | None, organisation: Authority) -> RawClient:
    client = connect(proxy, target, house)
    try:
        return client.secure(organisation.trusting(), target.rpartition(":")[0])
    except BaseException:
        client.close()
        raise


def posts(client: RawClient, target: str) -> None:
    for size in (0, 1, 16289, 16385, len(LARGE)):
        response = client.request("POST", "/", host=target, content=LARGE[:size])
        assert response.status == 200
        assert hashlib.sha256(response.content).digest() == hashlib.sha256(LARGE[:size]).digest()


def mirrored(request: Any, _: int) -> Reply:
    return Reply(content=request.content)


@pytest.mark.sanitize
def test_an_https_proxy_bridges(start: Start, house: Authority, organisation: Authority, internet: Authority) -> None:
    pair = internet.issue("a.example")
    with ScriptedOrigin(mirrored, tls=internet.serving(pair)) as origin:
        proxy = start()
        target = f"a.example:{origin.port}"
        with opened(proxy, target, house, organisation) as client:
            assert shown(client).serial_number != pair.serial
            posts(client, target)
        assert len(origin.connections) == 1
        assert origin.requests[0].target == "/"
        wait_until(lambda: len(records(proxy)) == 6, what="all logged")
        seen = {(record["method"], record["sni"]) for record in records(proxy)}
        assert seen == {("CONNECT", "localhost"), ("POST", "a.example")}


@pytest.mark.sanitize
@pytest.mark.parametrize("outer", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("inner", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_and_pieces(
    start: Start, house: Authority, organisation: Authority, internet: Authority, outer: Any, inner: Any
) -> None:
    """Every byte of the inner handshake in a record of its own."""
    with ScriptedOrigin(mirrored, tls=internet.serving(internet.issue("a.example"))) as origin:
        proxy = start()
        target = f"a.example:{origin.port}"
        without, within = house.trusting(), organisation.trusting()
        without.maximum_version, within.maximum_version = outer, inner
        with proxy.connect() as client:
            client.secure(without, "localhost")
            client.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")
            assert client.read_response("CONNECT").status == 200
            client.socket = NestedSocket(client.socket, within, "a.example", piece=1)  # type: ignore[assignment]
            for size in (1, 3000):
                response = client.request("POST", "/", host=target, content=LARGE[:size])
                assert (response.status, response.content) == (200, LARGE[:size])


@pytest.mark.sanitize
@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("depth", [1, 2])
def test_origins_behind_https_parents(
    start: Start, house: Authority, organisation: Authority, internet: Authority, sealed: bool, depth: int
) -> None:
    hop = """
workers: 1
listeners:
  - bind: 127.0.0.1:@TLS@
    tls: {certificates: [{chain: "@CERT@", key: "@KEY@"}]}
    forward: {targets: {private: allow}, access: [{allow: {}}]}
resolver: {servers: ["@DNS@"], hosts: true}
"""
    pair = house.issue("localhost")
    with ExitStack() as stack:
        dns = stack.enter_context(NameServerThread())
        dns.server.add("a.example", "60 A 127.0.0.1")
        values = {"CERT": pair.chain, "KEY": pair.key, "DNS": dns.address}
        hops = [stack.enter_context(LimenProcess(hop, values=values)) for _ in range(depth)]
        shows = internet.serving(internet.issue("a.example"))
        reused: dict[int, bool] = {}

        def noted(request: Any, connection: Any) -> Reply:
            # a connection that has been closed tells no more
            reused[connection.index] = connection.socket.session_reused
            return mirrored(request, 0)

        origin = stack.enter_context(ScriptedOrigin(noted, tls=shows))
        proxy = start(sealed=sealed, parents=[f"https://localhost:{one.port('TLS')}" for one in hops])
        target = f"a.example:{origin.port}"
        for _ in range(2):
            with opened(proxy, target, house if sealed else None, organisation) as client:
                posts(client, target)
        assert [reused[index] for index in sorted(reused)] == [False] + [True] * (len(reused) - 1)


@pytest.mark.sanitize
def test_wrong_certificates_on_either_side(
    start: Start, house: Authority, organisation: Authority, internet: Authority, tmp_path: Path
) -> None:
    somebody = Authority(tmp_path, "Somebody else")
    with ExitStack() as stack:
        origin = stack.enter_context(ScriptedOrigin(mirrored, tls=somebody.serving(somebody.issue("a.example"))))
        good = stack.enter_context(Parent(tls=house.serving(house.issue("localhost"))))
        bad = stack.enter_context(Parent(tls=somebody.serving(somebody.issue("localhost"))))
        good.manner.hosts = {"a.example": ("127.0.0.1", origin.port)}
        target = f"a.example:{origin.port}"
        # the origin's: told inside, as without parents
        proxy = start(parents=[f"https://localhost:{good.port}"], allow=["certificate"])
        with opened(proxy, target, house, organisation) as client:
            assert client.request("GET", "/", host=target).status == 502
        wait_until(lambda: "tls_certificate" in faults(proxy), what="the fault to be counted")
        assert not origin.requests
        # a parent's: the tunnel is not opened
        other = start(
            parents=[f"https://localhost:{good.port}", f"https://localhost:{bad.port}"], allow=["certificate"]
        )
        with other.connect() as client:
            client.secure(house.trusting(), "localhost")
            client.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")
            assert client.read_response("CONNECT").status == 503
        wait_until(lambda: faults(other) == {"egress": 1}, what="the fault to be counted")
        other.wait_for_log("certificate refused: localhost: ")


@pytest.mark.sanitize
def test_clients_that_end_at_any_point(
    start: Start, house: Authority, organisation: Authority, internet: Authority
) -> None:
    """After the CONNECT, in the hello, after the handshake, in a request; in each layer."""
    with ScriptedOrigin(mirrored, tls=internet.serving(internet.issue("a.example"))) as origin:
        proxy = start()
        target = f"a.example:{origin.port}"
        connect(proxy, target, house).reset()
        client = connect(proxy, target, house)
        client.send(b"\x16\x03\x01\x02").reset()
        opened(proxy, target, house, organisation).close()
        opened(proxy, target, house, organisation).half_close().close()
        client = opened(proxy, target, house, organisation)
        client.send("POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n").reset()
        client = opened(proxy, target, house, organisation)
        # close_notify inside: an orderly end, which is answered with one
        client.half_close().expect_end()
        client.close()
        wait_until(lambda: not left(proxy), what="gauges at zero")


@pytest.mark.sanitize
def test_a_tunnel_inside(start: Start, house: Authority, organisation: Authority, internet: Authority) -> None:
    def handler(connection: Any) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
        echo(connection)

    with RawOrigin(handler, tls=internet.serving(internet.issue("a.example"))) as origin:
        proxy = start()
        target = f"a.example:{origin.port}"
        with opened(proxy, target, house, organisation) as client:
            client.send_request("GET", "/", [("Upgrade", "websocket"), ("Connection", "upgrade")], host=target)
            assert client.read_head().status == 101
            for size in (1, 1000, 40_000):
                client.send(LARGE[:size])
                assert client.read_exactly(size) == LARGE[:size]


@pytest.mark.sanitize
def test_what_is_not_bridged_passes(start: Start, house: Authority, internet: Authority) -> None:
    with RawOrigin(echo, tls=internet.serving(internet.issue("localhost"))) as origin:
        proxy = start()
        with connect(proxy, origin.address, house) as client:
            client.secure(internet.trusting(), "localhost")
            client.send(LARGE[:100_000])
            assert client.read_exactly(100_000) == LARGE[:100_000]


@pytest.mark.skipif(not available("curl"), reason="no curl")
def test_curl_by_an_https_proxy(
    start: Start, house: Authority, organisation: Authority, internet: Authority, tmp_path: Path
) -> None:
    with ScriptedOrigin(mirrored, tls=internet.serving(internet.issue("a.example"))) as origin:
        proxy = start()
        (tmp_path / "body").write_bytes(LARGE)
        done = subprocess.run(
            [
                "curl", "-sS", "--noproxy", "", "--proxy", f"https://localhost:{proxy.port()}", "--proxy-cacert", house.file,
                "--cacert", organisation.file, "--data-binary", f"@{tmp_path / 'body'}", "-H", "Expect:",
                f"https://a.example:{origin.port}/",
            ],
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"")
        assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(LARGE).digest()
