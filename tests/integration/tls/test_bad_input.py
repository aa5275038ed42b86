"""What clients do wrong on a TLS port ends quietly, counted, and disturbs nobody."""

import contextlib
import random
import socket
import ssl
import struct

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from tests.integration.tls.conftest import faults
from tests.integration.tls.test_terminate import certificates
from tests.support import Reply, wait_until

HELLO_MOST = 16384


@pytest.fixture
def proxy(start_tls, start_origin, authority):
    return start_tls(
        start_origin(Reply(content=b"ok")),
        tls=certificates(authority.issue("a.example")),
        listener={"timeouts": {"handshake": "3s"}},
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
    wait_until(lambda: faults(proxy).get("tls_plain") == 3, what="all counted")
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


def expanded(secret, label, size):
    """HKDF-Expand-Label of RFC 8446, 7.1."""
    name = b"tls13 " + label
    info = struct.pack(">HB", size, len(name)) + name + b"\0"
    return HKDFExpand(SHA384(), size, info).derive(secret)


def key_updates(secret, times):
    """Records, each asking the other side to change its keys, too (RFC 8446, 4.6.3); the first after a handshake."""
    for _ in range(times):
        head = b"\x17\x03\x03" + struct.pack(">H", 5 + 1 + 16)
        iv = expanded(secret, b"iv", 12)
        yield head + AESGCM(expanded(secret, b"key", 32)).encrypt(iv, b"\x18\x00\x00\x01\x01\x16", head)
        secret = expanded(secret, b"traffic upd", 48)


def test_a_flood_of_key_updates_is_cut_off(proxy, authority, tmp_path):
    context = authority.trusting()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.keylog_filename = str(tmp_path / "keys")

    def goes_on(times, rounds):
        """Whether the proxy answers so many, in as many rounds."""
        (tmp_path / "keys").write_text("")
        with proxy.connect() as client:
            client.secure(context, "a.example")
            assert client.socket.cipher()[0] == "TLS_AES_256_GCM_SHA384"
            (line,) = [x for x in (tmp_path / "keys").read_text().splitlines() if x.startswith("CLIENT_TRAFFIC_")]
            records = list(key_updates(bytes.fromhex(line.split()[2]), times * rounds))
            with socket.socket(fileno=client.socket.detach()) as raw:
                raw.settimeout(60)
                answers = b""
                try:
                    for number in range(1, rounds + 1):
                        raw.sendall(b"".join(records[(number - 1) * times : number * times]))
                        # (libssl answers the last one with what it sends next)
                        while answers.count(b"\x17\x03\x03\x00\x16") < times * number - 1:
                            part = raw.recv(65536)
                            if not part:
                                return False
                            answers += part
                except ConnectionError:
                    return False
        return True

    # a peer may change its keys now and then
    assert goes_on(20, 2)
    assert not goes_on(20, 20)
    assert is_well(proxy, authority)
