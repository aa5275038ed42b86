"""CONNECT: tunnels, their ends, their times, and what is refused."""

import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support import (
    OPEN_FORWARD,
    LimenProcess,
    OriginConnection,
    RawClient,
    RawOrigin,
    Reply,
    ScriptedOrigin,
    blackhole,
    echo,
    free_port,
    wait_until,
)

SIZE = 24 << 20


@pytest.fixture(scope="module")
def proxy() -> Iterator[LimenProcess]:
    with LimenProcess(OPEN_FORWARD) as started:
        yield started


def tunnel(proxy: LimenProcess, address: str, ahead: bytes = b"") -> RawClient:
    client = proxy.connect()
    client.send(f"CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode() + ahead)
    response = client.read_response("CONNECT")
    assert response.status == 200
    # RFC 9110, 9.3.6: neither of both in a 2xx to CONNECT
    assert response.get("content-length") is None
    assert response.get("transfer-encoding") is None
    return client


@pytest.mark.sanitize
def test_bytes_right_behind_the_head_and_both_ways(proxy: LimenProcess) -> None:
    with RawOrigin(echo) as origin:
        with tunnel(proxy, origin.address, b"sent ahead") as client:
            assert client.read_exactly(10) == b"sent ahead"
            client.send(b"x" * 100_000)
            assert client.read_exactly(100_000) == b"x" * 100_000
            client.half_close()
            client.expect_end()
        with tunnel(proxy, origin.address, b"y" * 60_000) as client:
            assert client.read_exactly(60_000) == b"y" * 60_000


def test_a_client_that_ends_its_half_gets_the_answer(proxy: LimenProcess) -> None:
    def serve(connection: OriginConnection) -> None:
        question = connection.read_to_end()
        time.sleep(0.2)
        connection.send(b"answer to " + question).half_close()

    with RawOrigin(serve) as origin, tunnel(proxy, origin.address) as client:
        client.send(b"question").half_close()
        assert client.read_to_end() == b"answer to question"


def test_an_origin_that_ends_its_half_still_hears(proxy: LimenProcess) -> None:
    heard: list[bytes] = []

    def serve(connection: OriginConnection) -> None:
        connection.send(b"that is all").half_close()
        heard.append(connection.read_to_end())

    with RawOrigin(serve) as origin:
        with tunnel(proxy, origin.address) as client:
            assert client.read_to_end() == b"that is all"
            client.send(b"a late ").send(b"word").half_close()
        while not heard:
            time.sleep(0.01)
        assert heard == [b"a late word"]


def pour(connection: RawClient, seed: bytes) -> str:
    """Sends SIZE bytes and ends our half; their digest."""
    digest = hashlib.sha256()
    block = hashlib.sha512(seed).digest() * 2048
    for number in range(SIZE // len(block)):
        piece = number.to_bytes(4, "big") + block[4:]
        digest.update(piece)
        connection.send(piece)
    connection.half_close()
    return digest.hexdigest()


def drink(connection: RawClient) -> tuple[int, str]:
    digest = hashlib.sha256()
    total = 0
    while connection.buffer or connection.fill():
        digest.update(connection.buffer)
        total += len(connection.buffer)
        connection.buffer.clear()
    return total, digest.hexdigest()


@pytest.mark.sanitize
def test_large_data_both_ways_at_once(proxy: LimenProcess) -> None:
    seen: list[tuple[int, str]] = []
    sent: list[str] = []

    def serve(connection: OriginConnection) -> None:
        sender = threading.Thread(target=lambda: sent.append(pour(connection, b"origin")))
        sender.start()
        connection.received = bytearray()
        seen.append(drink(connection))
        sender.join()

    with RawOrigin(serve, timeout=60) as origin, tunnel(proxy, origin.address) as client:
        client.socket.settimeout(60)
        mine: list[str] = []
        sender = threading.Thread(target=lambda: mine.append(pour(client, b"client")))
        sender.start()
        total, digest = drink(client)
        sender.join()
        while not seen:
            time.sleep(0.01)
        assert (total, digest) == (SIZE, sent[0])
        assert seen == [(SIZE, mine[0])]


def test_a_slow_reader_loses_nothing(proxy: LimenProcess) -> None:
    content = os.urandom(1 << 16) * 100

    def serve(connection: OriginConnection) -> None:
        connection.send(content).half_close()
        connection.read_to_end()

    with RawOrigin(serve) as origin, tunnel(proxy, origin.address) as client:
        time.sleep(0.5)
        assert hashlib.sha256(client.read_to_end()).digest() == hashlib.sha256(content).digest()


def test_resets_end_the_other_side(proxy: LimenProcess) -> None:
    ended = threading.Event()

    def serve(connection: OriginConnection) -> None:
        connection.read_to_end()
        ended.set()

    with RawOrigin(serve) as origin:
        tunnel(proxy, origin.address).reset()
        assert ended.wait(60)
    with RawOrigin(lambda connection: connection.reset()) as origin, tunnel(proxy, origin.address) as client:
        client.expect_end()


@pytest.mark.parametrize(
    ("authority", "status"),
    [
        ("127.0.0.1:23", 403),
        ("127.0.0.1", 400),
        ("127.0.0.1:0", 400),
        ("127.0.0.1:65536", 400),
        (":443", 400),
        ("/path", 400),
        ("http://127.0.0.1:443/", 400),
        ("user@127.0.0.1:443", 400),
        ("[::1:443", 400),
        ("exam\xffple:443", 400),
    ],
)
def test_refused(proxy: LimenProcess, authority: str, status: int) -> None:
    with proxy.connect() as client:
        client.send(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode("latin-1"))
        assert client.read_response("CONNECT").status == status


@pytest.mark.parametrize("framing", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_content_is_no_part_of_it(proxy: LimenProcess, framing: str) -> None:
    """What one parser takes for content and the next for the tunnel's first bytes goes nowhere."""
    with RawOrigin(echo) as origin, proxy.connect() as client:
        client.send(f"CONNECT {origin.address} HTTP/1.1\r\nHost: {origin.address}\r\n{framing}\r\n\r\nhello")
        response = client.read_response("CONNECT")
        assert (response.status, response.get("connection")) == (400, "close")
        client.expect_end()
        assert not origin.connections


def test_dead_and_silent_targets(proxy: LimenProcess) -> None:
    with blackhole() as silent, proxy.connect() as client:
        response = client.request("CONNECT", f"127.0.0.1:{free_port()}")
        assert response.status == 502
        assert "connection_refused" in (response.get("proxy-status") or "")
        # a refused CONNECT leaves the connection usable
        assert client.request("CONNECT", f"127.0.0.1:{silent}").status == 504
        with RawOrigin(echo) as origin:
            client.send_request("CONNECT", origin.address, host=origin.address)
            assert client.read_response("CONNECT").status == 200
            assert client.send(b"hello").read_exactly(5) == b"hello"


SHORT = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
listeners:
  - bind: 127.0.0.1:@PORT@
    forward: {targets: {private: allow}, access: [{allow: {}}]}
    timeouts: {tunnel_idle: @IDLE@, tunnel_half_closed: 2s, tunnel_life: @LIFE@}
"""


def test_silent_tunnels_end(start_limen) -> None:
    proxy = start_limen(SHORT, values={"IDLE": "2s", "LIFE": "1h"})
    with RawOrigin(echo) as origin, tunnel(proxy, origin.address) as client:
        assert client.send(b"hello").read_exactly(5) == b"hello"
        client.expect_end()
    wait_until(lambda: proxy.metrics().get("limen_tunnels") in (None, 0), what="no tunnel left")


def test_half_closed_tunnels_end(start_limen) -> None:
    proxy = start_limen(SHORT, values={"IDLE": "1h", "LIFE": "1h"})
    ended = threading.Event()

    def serve(connection: OriginConnection) -> None:
        connection.half_close()
        connection.read_to_end()
        ended.set()

    with RawOrigin(serve) as origin, tunnel(proxy, origin.address) as client:
        client.expect_end()
        assert ended.wait(60)


def test_old_tunnels_end(start_limen) -> None:
    proxy = start_limen(SHORT, values={"IDLE": "1h", "LIFE": "1s"})
    with RawOrigin(echo) as origin, tunnel(proxy, origin.address) as client:
        while not client.ended:
            try:
                client.send(b"still here")
            except OSError:
                break
            client.fill()
            time.sleep(0.05)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_through_a_tunnel(proxy: LimenProcess) -> None:
    with ScriptedOrigin(Reply(content=b"through the tunnel")) as origin:
        command = ["curl", "-s", "-p", "-x", f"http://127.0.0.1:{proxy.port()}", f"http://{origin.address}/path"]
        done = subprocess.run(command, capture_output=True, timeout=60, check=True)
        assert done.stdout == b"through the tunnel"
        assert origin.requests[0].target == "/path"
        assert origin.requests[0].get("via") is None
