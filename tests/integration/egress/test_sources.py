"""Ways out by addresses of this machine, as the origin sees them; sticky clients; TLS with a parent."""

import ssl

import pytest

from tests.support import LimenProcess, RawClient, free_port, run_limen
from tests.support.certificates import Authority
from tests.support.origins import OriginConnection, RawOrigin, ScriptedOrigin, echo
from tests.support.parents import Parent

TEXT = """
workers: 1
listeners:
  - {bind: "127.0.0.1:@PORT@", forward: {<<: &open {targets: {private: allow}, access: [{allow: {}}]}, egress: two}}
  - {bind: "127.0.0.1:@DRAWN@", forward: {<<: *open, egress: drawn}}
  - {bind: "127.0.0.1:@ABSENT@", forward: {<<: *open, egress: absent}}
  - {bind: "127.0.0.1:@STICKY@", trusted: [127.0.0.1], forward: {<<: *open, egress: sticky}}
  - {bind: "127.0.0.1:@ONLY@", forward: {<<: *open, egress: {name: two, region: b}}}
  - {bind: "127.0.0.1:@TLS@", forward: {<<: *open, egress: tls}}
  - {bind: "127.0.0.1:@STRANGE@", forward: {<<: *open, egress: strange}}
egress:
  two: {sources: [{addresses: 127.0.0.2, region: a}, {addresses: 127.0.0.3, region: b}]}
  drawn: {sources: [127.0.4.0/24]}
  absent: {sources: [192.0.2.77]}
  sticky: {sticky: {by: client, for: 30d}, sources: [127.0.0.2, 127.0.0.3, 127.0.0.4, 127.0.0.5]}
  tls: {parents: [{chain: ["http://@PLAIN@", "https://ann:word@localhost:@PROXYPORT@"]}], tls: {ca: "@DIR@/ca.pem"}}
  strange: {parents: ["https://localhost:@PROXYPORT@"]}
"""


def tell_peer(connection: OriginConnection) -> None:
    """Answers each request with the address it comes from."""
    while connection.read_until(b"\r\n\r\n"):
        text = connection.socket.getpeername()[0]
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}")


@pytest.fixture(scope="module")
def parents(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("authority"))
    pair = authority.issue("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.chain, pair.key)
    with Parent() as plain, Parent(tls=context) as sealed:
        yield authority, plain, sealed


@pytest.fixture(scope="module")
def proxy(parents, tmp_path_factory):
    authority, plain, sealed = parents
    directory = tmp_path_factory.mktemp("sources")
    (directory / "ca.pem").write_bytes(authority.file.read_bytes())
    values = {"PLAIN": plain, "PROXYPORT": sealed.port}
    with LimenProcess(TEXT, values=values, directory=directory, allow=["certificate refused"]) as started:
        yield started


def seen(client: RawClient, origin: RawOrigin, fields: str = "") -> str:
    client.send(f"GET http://{origin.address}/ HTTP/1.1\r\nHost: {origin.address}\r\n{fields}\r\n")
    response = client.read_response()
    assert response.status == 200
    return response.text


@pytest.mark.sanitize
def test_the_origin_sees_the_source(proxy: LimenProcess) -> None:
    with RawOrigin(tell_peer) as origin:
        with proxy.connect() as client:
            # in turn, whoever's turn it is
            first, second, *rest = [seen(client, origin) for _ in range(4)]
            assert {first, second} == {"127.0.0.2", "127.0.0.3"}
            assert rest == [first, second]
        assert len(origin.connections) == 2, "each way has its pool"
        with proxy.connect("ONLY") as client:
            assert {seen(client, origin) for _ in range(3)} == {"127.0.0.3"}
        with proxy.connect("DRAWN") as client:
            assert seen(client, origin).startswith("127.0.4.")
        with proxy.connect() as client:
            client.send(f"CONNECT {origin.address} HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.read_head().status == 200
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.read_response().text in ("127.0.0.2", "127.0.0.3")


def test_a_source_that_is_not_here_is_no_way(proxy: LimenProcess) -> None:
    with ScriptedOrigin() as origin:
        for _ in range(2):
            with proxy.connect("ABSENT") as client:
                client.send(f"GET http://{origin.address}/ HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.read_response().status == 503
        assert not origin.connections


def test_a_target_that_refuses_is_not_the_ways_fault(proxy: LimenProcess) -> None:
    closed = free_port()
    for _ in range(3):
        with proxy.connect() as client:
            client.send(f"GET http://127.0.0.1:{closed}/ HTTP/1.1\r\nHost: a\r\n\r\n")
            response = client.read_response()
            assert response.status == 502
            assert "connection_refused" in (response.get("proxy-status") or "")


def test_clients_keep_their_way(proxy: LimenProcess) -> None:
    with RawOrigin(tell_peer) as origin:
        found = {}
        for number in range(24):
            field = f"X-Forwarded-For: 198.51.100.{number}\r\n"
            with proxy.connect("STICKY") as client:
                found[number] = seen(client, origin, field)
            with proxy.connect("STICKY") as client:
                assert seen(client, origin, field) == found[number]
        assert len(set(found.values())) > 1


@pytest.mark.sanitize
def test_tls_with_a_parent_behind_another(proxy: LimenProcess, parents) -> None:
    _, plain, sealed = parents
    with RawOrigin(echo) as talker, proxy.connect("TLS") as client:
        client.send(f"CONNECT {talker.address} HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_head().status == 200
        client.send(b"sealed" * 1000).half_close()
        assert client.read_to_end() == b"sealed" * 1000
    assert plain.asked[-1].target == f"localhost:{sealed.port}"
    assert b"authorization" not in plain.asked[-1].head.lower()
    assert b"Proxy-Authorization: Basic YW5uOndvcmQ=" in sealed.asked[-1].head
    with ScriptedOrigin() as origin:
        for name, status in (("TLS", 200), ("STRANGE", 503)):
            with proxy.connect(name) as client:
                client.send(f"GET http://{origin.address}/ HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.read_response().status == status
        assert len(origin.connections) == 1


def test_marks_and_interfaces_are_tried_at_check(tmp_path) -> None:
    path = tmp_path / "limen.yaml"
    path.write_text("""
listeners: [{bind: "127.0.0.1:0", forward: {egress: none}}]
egress: {none: {interface: nowhere0}}
""")
    done = run_limen("check", str(path))
    assert done.returncode == 2
    assert "`interface` cannot be set" in done.stdout + done.stderr
