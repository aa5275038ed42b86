"""Large bodies sealed by the kernel (kTLS). Needs one that has TLS; `make guest` runs this on one in an emulator."""

import contextlib
import subprocess
import threading
import time

import pytest

from limen.tls.kernel import seals
from tests.integration.tls.conftest import faults, left
from tests.integration.tls.test_terminate import certificates
from tests.support import Close, Delay, Raw, RawOrigin, Reply, available, wait_until
from tests.support.sealed import SealedClient

LARGE = bytes(range(256)) * 12345  # 3 MB, and no multiple of a record
SIZES = {"/large": len(LARGE), "/middle": 600_000, "/small": 1000}
UNSEALED = 'limen_listener_tls_unsealed_total{listener="front"}'

pytestmark = pytest.mark.skipif(not seals(), reason="the kernel has no TLS, or is slower than we are")


def body(request, _connection):
    return Reply(content=LARGE[: SIZES[request.target]])


def unsealed(proxy):
    return proxy.metrics().get(UNSEALED, 0)


def ask(client, target):
    response = client.request("GET", target, host="a.example")
    assert (response.status, response.content) == (200, LARGE[: SIZES[target]])


@contextlib.contextmanager
def sealed(proxy, authority):
    """A client after its handshake, whose records come when the test wants them, and the end only if it is told."""
    with proxy.connect() as raw:
        client = SealedClient(raw, authority.trusting(), "a.example")
        client.shake()
        yield client


@pytest.fixture
def start(start_tls, start_origin, authority):
    """`start(script=…, tls={…}, …)`: a gateway that ends TLS."""

    def begin(script=body, *, tls=None, **options):
        return start_tls(
            start_origin(script), tls={**certificates(authority.issue("a.example")), **(tls or {})}, **options
        )

    return begin


@pytest.mark.sanitize
@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"])
def test_one_connection_before_and_after(start, authority, suite, tmp_path):
    secrets = tmp_path / "secrets"
    proxy = start(tls={"ciphers": suite}, root={"log": {"tls_keys": str(secrets)}}, allow=["tls_keys"])
    with proxy.connect().secure(authority.trusting(), "a.example") as client:
        assert client.socket.cipher()[0] == suite
        for target in ("/small", "/middle", "/small"):
            ask(client, target)
        assert unsealed(proxy) == 0
        for target in ("/large", "/small", "/middle", "/large", "/small"):
            ask(client, target)
        assert unsealed(proxy) == 1
    assert b"SERVER_TRAFFIC_SECRET_0" in secrets.read_bytes()
    assert not faults(proxy)


@pytest.mark.sanitize
def test_it_ends_as_tls_should(start, authority):
    proxy = start()
    with sealed(proxy, authority) as client:
        client.send(b"GET /large HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
        # with close_notify, or it would raise
        assert client.read_to_end().endswith(b"\r\n\r\n" + LARGE)
    assert unsealed(proxy) == 1


@pytest.mark.sanitize
def test_a_client_that_reads_slowly(start, authority):
    proxy = start()
    with sealed(proxy, authority) as client:
        for number in range(2):
            last = b"Connection: close\r\n" if number else b""
            client.send(b"GET /large HTTP/1.1\r\nHost: a.example\r\n%s\r\n" % last)
            if not number:
                time.sleep(0.5)
        found = b""
        while len(found) < len(LARGE):
            time.sleep(0.01)
            found += client.read()
        found += client.read_to_end()
        assert found.count(LARGE) == 2
    assert unsealed(proxy) == 1
    assert not faults(proxy)


@pytest.mark.parametrize(
    ("tls", "limit"),
    [
        ({"kernel": False}, None),
        ({"ciphers": "TLS_CHACHA20_POLY1305_SHA256"}, None),
        ({}, "TLSv1_2"),
        ({"tickets": "none"}, "taken"),
    ],
    ids=["switched off", "another cipher", "TLS 1.2", "without tickets"],
)
def test_where_it_is_not_taken_nothing_is_lost(start, authority, tls, limit):
    proxy = start(tls=tls)
    context = authority.trusting()
    if limit == "TLSv1_2":
        context.maximum_version = context.maximum_version.TLSv1_2
    with proxy.connect().secure(context, "a.example") as client:
        for target in ("/large", "/small", "/large"):
            ask(client, target)
    assert unsealed(proxy) == (1 if limit == "taken" else 0)


def test_many_at_once_and_resumed(start, authority):
    proxy = start(root={"workers": 2})
    context = authority.trusting()
    session = None
    for _ in range(3):
        with proxy.connect() as client:
            client.socket = context.wrap_socket(client.socket, server_hostname="a.example", session=session)
            ask(client, "/large")
            session = client.socket.session
    clients = [proxy.connect().secure(context, "a.example") for _ in range(6)]
    for client in clients:
        client.send_request("GET", "/large", host="a.example")
    for client in clients:
        assert client.read_response().content == LARGE
        client.close()
    assert unsealed(proxy) == 9


@pytest.mark.sanitize
def test_an_origin_that_breaks_off_and_one_that_stops_and_goes_on(start, authority):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LARGE)

    def script(request, _):
        if request.target == "/breaks":
            return [Raw(head + LARGE[:1_500_000]), Delay(0.1), Close()]
        return [
            Raw(head + LARGE[:1_200_001]),
            Delay(0.2),
            Raw(LARGE[1_200_001:1_200_003]),
            Delay(0.2),
            Raw(LARGE[1_200_003:]),
        ]

    proxy = start(script)
    with proxy.connect().secure(authority.trusting(), "a.example") as client:
        assert client.request("GET", "/stops", host="a.example").content == LARGE
        client.send_request("GET", "/breaks", host="a.example")
        assert client.read_head().status == 200
        assert client.read_to_end() == LARGE[:1_500_000]
    wait_until(lambda: faults(proxy) == {"truncated": 1}, what="it counted")
    assert unsealed(proxy) == 1


@pytest.mark.sanitize
def test_nothing_is_held_back_while_the_origin_pauses(start_tls, authority):
    came = threading.Event()
    sizes = [1_200_001, 5, 40_000, 1]
    sizes.append(len(LARGE) - sum(sizes))

    def converse(connection):
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LARGE))
        at = 0
        for size in sizes:
            connection.send(LARGE[at : at + size])
            at += size
            assert came.wait(60)
            came.clear()

    with RawOrigin(converse) as origin:
        proxy = start_tls(origin, tls=certificates(authority.issue("a.example")))
        with proxy.connect().secure(authority.trusting(), "a.example") as client:
            client.send_request("GET", "/", host="a.example")
            assert client.read_head().status == 200
            at = 0
            for size in sizes:
                assert client.read_exactly(size) == LARGE[at : at + size]
                at += size
                came.set()
        assert unsealed(proxy) == 1


@pytest.mark.sanitize
def test_a_client_that_goes_away(start, authority):
    proxy = start()
    for _ in range(3):
        client = proxy.connect().secure(authority.trusting(), "a.example")
        client.send_request("GET", "/large", host="a.example")
        client.read_head()
        client.reset()
    wait_until(lambda: left(proxy) == {}, what="all given back")
    with proxy.connect().secure(authority.trusting(), "a.example") as client:
        ask(client, "/large")


def test_a_web_socket_behind_it(start_tls, authority):
    def converse(connection):
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LARGE) + LARGE)
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
        while connection.fill():
            connection.send(bytes(connection.buffer))
            connection.buffer.clear()

    with RawOrigin(converse) as origin:
        proxy = start_tls(
            origin,
            tls=certificates(authority.issue("a.example")),
            listener={"routes": [{"upstream": "web"}]},
        )
        with proxy.connect().secure(authority.trusting(), "a.example") as client:
            assert client.request("GET", "/", host="a.example").content == LARGE
            client.send_request("GET", "/", [("Upgrade", "x"), ("Connection", "upgrade")], host="a.example")
            assert client.read_head().status == 101
            for size in (1, 100, 100_000):
                assert client.send(LARGE[:size]).read_exactly(size) == LARGE[:size]
        assert unsealed(proxy) == 1


@pytest.mark.skipif(not available("openssl"), reason="openssl is not installed")
def test_who_asks_for_new_keys_afterwards_is_let_go(start, authority):
    """The kernel cannot be told new ones; what was asked for before has been answered whole."""
    proxy = start()
    with subprocess.Popen(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port()}", "-servername", "a.example", "-ign_eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as client:
        client.stdin.write(b"GET /large HTTP/1.1\r\nHost: a.example\r\n\r\n")
        client.stdin.flush()
        found = b""
        while LARGE not in found:
            found += client.stdout.read1()
        client.stdin.write(b"K\n")
        client.stdin.flush()
        client.wait(60)
    wait_until(lambda: left(proxy) == {}, what="it has gone")
    assert unsealed(proxy) == 1
