"""What clients do wrong on a TLS port ends quietly, counted, and disturbs nobody."""

import contextlib
import random
import socket
import ssl

import pytest

from tests.integration.tls.conftest import faults
from tests.integration.tls.test_terminate import certificates
from tests.support import Reply, wait_until

HELLO_MOST = 16384


@pytest.fixture
def proxy(start_tls, start_origin, authority):
    return start_tls(
        start_origin(Reply(content=b"ok")),
        tls=certificates(authority.issue("a.example")),
        listener={"timeouts": {"handshake": "1s"}},
    )


def hello(authority):
    """A client hello as it goes over the wire."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = authority.trusting().wrap_bio(incoming, outgoing, server_hostname="a.example")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def is_well(proxy, authority):
    with proxy.connect().secure(authority.trusting(), "a.example") as client:
        return client.request("GET", "/", host="a.example").status == 200


@pytest.mark.sanitize
def test_plain_http_gets_a_readable_400(proxy, authority):
    for request in (
        b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
        b"DELETE /x HTTP/1.1\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    ):
        with proxy.connect() as client:
            client.send(request)
            response = client.read_response()
            assert response.status == 400
            assert "https://" in response.text
            client.expect_end()
    assert faults(proxy)["tls_plain"] == 3
    assert is_well(proxy, authority)


@pytest.mark.sanitize
def test_garbage_and_broken_records(proxy, authority):
    whole = hello(authority)
    oversized = b"\x16\x03\x01\xff\xff" + bytes(65535)
    for data in (
        b"\x00" * 100,
        b"\x80\x2e\x01\x00\x02",
        oversized,
        whole[:9] + b"\xff" * (len(whole) - 9),
        b"\x16" * 500,
    ):
        with proxy.connect() as client:
            client.send(data)
            with contextlib.suppress(OSError):  # it may have been thrown out already
                client.half_close()
            client.read_to_end()
    wait_until(lambda: faults(proxy).get("tls_handshake", 0) == 5, what="all counted")
    assert is_well(proxy, authority)


@pytest.mark.sanitize
def test_mutated_hellos(proxy, authority):
    whole = hello(authority)
    chance = random.Random(20261124)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 5)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        with proxy.connect() as client:
            client.send(bytes(data[: chance.choice([len(data), chance.randrange(1, len(data))])]))
            if chance.random() < 0.3:
                client.reset()
            else:
                with contextlib.suppress(OSError):
                    client.half_close()
                client.read_to_end()
    assert is_well(proxy, authority)


def test_slow_handshakes_end(proxy, authority):
    whole = hello(authority)
    clients = [proxy.connect() for _ in range(3)]
    clients[1].send(whole[:100])
    clients[2].send(whole)  # and then silence
    assert is_well(proxy, authority)
    for client in clients:
        client.read_to_end()
        client.close()
    wait_until(lambda: faults(proxy).get("tls_timeout", 0) == 3, what="all counted")


def test_ends_in_the_middle(proxy, authority):
    whole = hello(authority)
    for size in (0, 1, 5, 100, len(whole) - 1, len(whole)):
        for end in ("close", "reset", "half_close"):
            client = proxy.connect()
            client.send(whole[:size])
            getattr(client, end)()
            if end == "half_close":
                client.read_to_end()
                client.close()
    assert is_well(proxy, authority)


def test_a_storm_of_handshakes_does_not_starve_who_is_there(proxy, authority):
    whole = hello(authority)
    with proxy.connect().secure(authority.trusting(), "a.example") as client:
        storm = []
        for _ in range(150):
            stormy = socket.create_connection(("127.0.0.1", proxy.port()))
            stormy.sendall(whole)
            storm.append(stormy)
            assert client.request("GET", "/", host="a.example").status == 200
        for stormy in storm:
            stormy.close()
    assert is_well(proxy, authority)
