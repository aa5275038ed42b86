"""Stream listeners: bytes both ways, ends, endpoints that are down."""

import hashlib
import os
import threading
import time

import pytest

from tests.support import LimenProcess, OriginConnection, RawOrigin, blackhole, echo, free_port, wait_until

STREAM = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
listeners:
  - bind: 127.0.0.1:@PORT@
    stream: {upstream: db, timeouts: {idle: @IDLE@, half_closed: 10s}}
upstreams:
  db: {endpoints: [@ENDPOINTS@], timeouts: {dial: 1s}}
"""


def start(start_limen, *endpoints: str, idle: str = "60s") -> LimenProcess:
    quoted = ", ".join(f'"{endpoint}"' for endpoint in endpoints)
    return start_limen(STREAM, values={"ENDPOINTS": quoted, "IDLE": idle})


@pytest.mark.sanitize
def test_bytes_and_ends_both_ways(start_limen) -> None:
    def serve(connection: OriginConnection) -> None:
        connection.send(b"220 ready\r\n")
        question = connection.read_to_end()
        time.sleep(0.1)
        connection.send(b"got " + question)

    with RawOrigin(serve) as origin:
        proxy = start(start_limen, origin.address)
        with proxy.connect() as client:
            assert client.read_until(b"\r\n") == b"220 ready\r\n"  # the server may speak first
            client.send(b"question").half_close()
            assert client.read_to_end() == b"got question"
        # a client that has said all and ended before anything was dialled
        with proxy.connect() as client:
            client.send(b"at once").half_close()
            assert client.read_to_end() == b"220 ready\r\ngot at once"
        # one that only listens
        with proxy.connect() as client:
            client.half_close()
            assert client.read_to_end() == b"220 ready\r\ngot "


def test_large_data_with_a_late_end(start_limen) -> None:
    content = os.urandom(1 << 16) * 320
    seen: list[bytes] = []

    def serve(connection: OriginConnection) -> None:
        digest = hashlib.sha256()
        while connection.fill():
            digest.update(connection.buffer)
            connection.buffer.clear()
            connection.received = bytearray()
        seen.append(digest.digest())
        connection.send(content)

    with RawOrigin(serve) as origin:
        proxy = start(start_limen, origin.address)
        with proxy.connect() as client:
            client.socket.settimeout(60)
            client.send(content).half_close()
            assert hashlib.sha256(client.read_to_end()).digest() == hashlib.sha256(content).digest()
        assert seen == [hashlib.sha256(content).digest()]


def test_the_next_endpoint_takes_over(start_limen) -> None:
    with blackhole() as silent, RawOrigin(echo) as origin:
        proxy = start(start_limen, f"127.0.0.1:{free_port()}", f"127.0.0.1:{silent}", origin.address)
        for _ in range(6):
            with proxy.connect() as client:
                assert client.send(b"hello").read_exactly(5) == b"hello"


def test_with_all_endpoints_down_the_client_is_closed(start_limen) -> None:
    proxy = start(start_limen, f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}")
    for _ in range(3):
        with proxy.connect() as client:
            client.expect_end()
    assert proxy.metrics().get("limen_exchanges") in (None, 0)


def test_an_endpoint_that_comes_back(start_limen) -> None:
    origin = RawOrigin(echo)
    with origin:
        proxy = start(start_limen, origin.address)
        with proxy.connect() as client:
            assert client.send(b"one").read_exactly(3) == b"one"
        origin.refuse()
        with proxy.connect() as client:
            client.expect_end()
        origin.start()
        with proxy.connect() as client:
            assert client.send(b"two").read_exactly(3) == b"two"


def test_silence_ends_it(start_limen) -> None:
    ended = threading.Event()

    def serve(connection: OriginConnection) -> None:
        connection.read_to_end()
        ended.set()

    with RawOrigin(serve) as origin:
        proxy = start(start_limen, origin.address, idle="1s")
        with proxy.connect() as client:
            client.send(b"hello")
            client.expect_end()
        assert ended.wait(60)


def test_a_client_that_leaves_during_the_dial(start_limen) -> None:
    with blackhole() as silent:
        proxy = start(start_limen, f"127.0.0.1:{silent}")
        base = proxy.open_files()
        for number in range(20):
            client = proxy.connect()
            client.send(b"hello")
            client.reset() if number % 2 else client.close()
        wait_until(lambda: proxy.open_files() <= base)
