"""TLS ended at a listener: handshakes, names, bodies of every size, tunnels, client certificates."""

import ssl
import subprocess

import pytest

from limen.engine.tls.contexts import library
from tests.integration.tls.conftest import faults
from tests.support import RawOrigin, Reply, WireError, available, echo, environment, wait_until
from tests.support.certificates import Pair
from tests.support.sealed import SealedClient
from tests.unit.tls.conftest import CLIENT, Issuer, make_key, pem, private_pem, revocations

LARGE = bytes(range(256)) * 16384  # 4 MiB


def certificates(*pairs):
    return {"certificates": [{"chain": str(pair.chain), "key": str(pair.key)} for pair in pairs]}


@pytest.mark.sanitize
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_requests_of_every_size(start_tls, start_origin, authority, version, kind):
    origin = start_origin(lambda request, _connection: Reply(content=request.content))
    proxy = start_tls(
        origin,
        tls=certificates(authority.issue("a.example", kind=kind)),
        listener={"routes": [{"upstream": "web", "body": {"max": "64MiB"}}]},
    )
    context = authority.trusting()
    context.minimum_version = context.maximum_version = version
    with proxy.connect().secure(context, "a.example") as client:
        assert client.socket.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2"}.get(version, "TLSv1.3")
        for size in (0, 1, 1000, 16383, 16384, 16385, 70_000, 1_000_000, len(LARGE)):
            response = client.request("POST", "/", host="a.example", content=LARGE[:size])
            assert (response.status, response.content) == (200, LARGE[:size])
        response = client.request("GET", "/", host="a.example")
        assert response.status == 200
    request = origin.requests[-1]
    assert request.get("x-forwarded-proto") == "https"
    assert "proto=https" in (request.get("forwarded") or "")


def test_hello_byte_by_byte(start_tls, start_origin, authority):
    proxy = start_tls(start_origin(Reply(content=b"ok")), tls=certificates(authority.issue("a.example")))
    with proxy.connect() as client:
        sealed = SealedClient(client, authority.trusting(), "a.example", send=client.send_bytewise)
        sealed.shake()
        sealed.send(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
        assert sealed.read_to_end().startswith(b"HTTP/1.1 200 ")


@pytest.mark.sanitize
def test_certificates_by_name_and_kind_of_key(start_tls, start_origin, authority):
    first = authority.issue("first.example")
    exact = authority.issue("www.b.example", "b.example")
    exact_rsa = authority.issue("www.b.example", "b.example", kind="rsa")
    wild = authority.issue("*.b.example")
    proxy = start_tls(start_origin(Reply(content=b"ok")), tls=certificates(first, exact, exact_rsa, wild))

    def serial(name, *, ciphers="", check=True):
        context = authority.trusting()
        if ciphers:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(ciphers)
        if not check:
            context.check_hostname = False
        with proxy.connect().secure(context, name) as client:
            from cryptography import x509

            return x509.load_der_x509_certificate(client.socket.getpeercert(True)).serial_number

    assert serial("first.example") == first.serial
    assert serial("b.example") == serial("WWW.B.example") == exact.serial
    assert serial("www.b.example", ciphers="ECDHE-RSA-AES128-GCM-SHA256") == exact_rsa.serial
    assert serial("other.b.example") == wild.serial
    # not the wildcard's: two labels, none, another domain; nor without a name
    for name in ("x.y.b.example", "c.example", None):
        assert serial(name, check=False) == first.serial


def test_a_host_of_another_certificate_is_misdirected(start_tls, start_origin, authority):
    origin = start_origin(Reply(content=b"ok"))
    one, two = authority.issue("a.example", "also.a.example"), authority.issue("b.example")
    proxy = start_tls(origin, tls=certificates(one, two))
    with proxy.connect().secure(authority.trusting(), "a.example") as client:
        for host, status in [("a.example", 200), ("also.a.example", 200), ("b.example", 421), ("A.example:443", 200)]:
            # the connection goes on: only this request is in the wrong place
            assert client.request("GET", "/", host=host).status == status, host
    assert len(origin.requests) == 3


def test_a_host_that_no_certificate_has_is_misdirected(start_tls, start_origin, authority):
    tls = certificates(authority.issue("a.example", "*.sub.example"), authority.issue("b.example"))
    origin = start_origin(Reply(content=b"ok"))
    proxy = start_tls(origin, tls=tls)

    def statuses(proxy, name, *hosts):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with proxy.connect() as client:
            client.socket = context.wrap_socket(client.socket, server_hostname=name)
            return [client.request("GET", "/", host=host).status for host in hosts]

    hosts = ("a.example", "x.sub.example", "b.example", "c.example", "127.0.0.1", "x.y.sub.example")
    assert statuses(proxy, "a.example", *hosts) == [200, 200, 421, 421, 421, 421]
    assert statuses(proxy, "x.sub.example", *hosts) == [200, 200, 421, 421, 421, 421]
    assert statuses(proxy, "b.example", *hosts) == [421, 421, 200, 421, 421, 421]
    # who asks for nobody, or for a name that nobody has, gets the first certificate, which is not the client's choice
    for name in (None, "c.example"):
        assert statuses(proxy, name, *hosts) == [200, 200, 421, 200, 200, 200]
    # a trusted proxy in front asks for one name and speaks for others
    behind = start_tls(origin, tls=tls, listener={"trusted": ["127.0.0.1/32"]})
    assert statuses(behind, "a.example", *hosts) == [200, 200, 421, 200, 200, 200]


def test_protocols_offered(start_tls, start_origin, authority):
    proxy = start_tls(start_origin(Reply(content=b"ok")), tls=certificates(authority.issue("a.example")))
    for offered, chosen in [(["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), ([], None)]:
        context = authority.trusting()
        if offered:
            context.set_alpn_protocols(offered)
        with proxy.connect().secure(context, "a.example") as client:
            assert client.socket.selected_alpn_protocol() == chosen
    context = authority.trusting()
    context.set_alpn_protocols(["smtp"])
    with proxy.connect() as client, pytest.raises(ssl.SSLError, match="no application protocol"):
        client.secure(context, "a.example")


def test_versions_of_the_profiles(start_tls, start_origin, authority):
    modern = start_tls(start_origin(), tls={**certificates(authority.issue("a.example")), "profile": "modern"})
    context = authority.trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with modern.connect() as client, pytest.raises(ssl.SSLError, match="version"):
        client.secure(context, "a.example")
    wait_until(lambda: faults(modern) == {"tls_handshake": 1}, what="counted")


@pytest.mark.sanitize
def test_a_tunnel_inside_tls(start_tls, authority):
    def handler(connection):
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n")
        echo(connection)

    with RawOrigin(handler) as origin:
        proxy = start_tls(origin, tls=certificates(authority.issue("a.example")))
        with proxy.connect().secure(authority.trusting(), "a.example") as client:
            client.send_request("GET", "/", [("Upgrade", "echo"), ("Connection", "upgrade")], host="a.example")
            assert client.read_head().status == 101
            for size in (1, 1000, 40_000):
                for _ in range(20):
                    client.send(LARGE[:size])
                    assert client.read_exactly(size) == LARGE[:size]
            client.socket.unwrap()


@pytest.mark.sanitize
def test_client_certificates(start_tls, start_origin, authority, tmp_path):
    clients = type(authority)(tmp_path, "clients")
    origin = start_origin(Reply(content=b"ok"))
    pair = authority.issue("a.example")
    wanted = {**certificates(pair), "client": {"ca": str(clients.file), "require": True}}
    proxy = start_tls(origin, tls=wanted)
    good = clients.issue("alice", client=True)
    with proxy.connect().secure(authority.trusting(good), "a.example") as client:
        assert client.request("GET", "/", host="a.example").status == 200
    for shown in (
        None,
        authority.issue("mallory", client=True),
        clients.issue("old", client=True, days=-0.5, since=-2),
    ):
        with proxy.connect() as client, pytest.raises((ssl.SSLError, ConnectionError)):  # noqa: PT012 TLS 1.3 tells late
            client.secure(authority.trusting(shown), "a.example")
            client.request("GET", "/", host="a.example")
            raise ConnectionError
    proxy.wait_for_log("listener 127.0.0.1:.*: a client's certificate was refused: .*certificate")
    optional = start_tls(origin, tls={**certificates(pair), "client": {"ca": str(clients.file)}})
    with optional.connect().secure(authority.trusting(), "a.example") as client:
        assert client.request("GET", "/", host="a.example").status == 200


def test_revoked_clients_and_revoked_authorities_of_clients(start_tls, start_origin, authority, tmp_path):
    """Clients of an authority in between and of the root; lists of both."""
    root = Issuer("root")
    between = Issuer("between", root)
    shown = {}
    for title, by, chain in [("alice", between, [between.certificate]), ("carol", root, [])]:
        key = make_key()
        certificate = by.issue(title, key=key, usage=CLIENT)
        files = tmp_path / f"{title}.pem", tmp_path / f"{title}.key"
        files[0].write_bytes(pem(certificate, *chain))
        files[1].write_bytes(private_pem(key))
        shown[title] = Pair(*files, certificate)
    ca = tmp_path / "clients.pem"
    ca.write_bytes(pem(root.certificate))
    tls = {**certificates(authority.issue("a.example")), "client": {"ca": str(ca), "require": True}}
    origin = start_origin(Reply(content=b"ok"))
    none = revocations(root) + revocations(between)
    for number, (crl, taken) in enumerate(
        [
            (none, {"alice", "carol"}),
            (revocations(root) + revocations(between, shown["alice"].certificate), {"carol"}),
            (revocations(root, between.certificate) + revocations(between), {"carol"}),
            (revocations(root), {"carol"}),
            (revocations(root, days=-1) + revocations(between, days=-1), set()),
        ]
    ):
        lists = tmp_path / f"{number}.crl"
        lists.write_bytes(crl)
        proxy = start_tls(origin, tls={**tls, "client": {**tls["client"], "crl": str(lists)}})
        for title, pair in shown.items():
            with proxy.connect() as client:
                try:
                    client.secure(authority.trusting(pair), "a.example")
                    status = client.request("GET", "/", host="a.example").status
                except (ssl.SSLError, ConnectionError, WireError):
                    status = 0
            assert status == (200 if title in taken else 0), (number, title)


def test_strict_transport_with_every_answer_of_a_route(start_tls, start_origin, authority, tmp_path, monkeypatch):
    (tmp_path / "answering_hook.py").write_text(
        "def on_request(exchange):\n    exchange.reply(418, 'short and stout')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    own = {"response": {"set": {"strict-transport-security": "max-age=1"}}}
    routes = [
        {"match": {"path": "/respond"}, "respond": {"status": 204}},
        {"match": {"path": "/redirect"}, "redirect": {"to": "https://{host}/"}},
        {"match": {"path": "/hook"}, "hooks": ["answering_hook:on_request"], "upstream": "web"},
        {"match": {"path": "/dead/own"}, "upstream": "dead", **own},
        {"match": {"path": "/dead"}, "upstream": "dead"},
        {"match": {"path": "/own"}, "upstream": "web", **own},
        {"match": {"path": "/web"}, "upstream": "web"},
    ]
    origin = start_origin(Reply(content=b"ok"))
    proxy = start_tls(
        origin,
        tls={**certificates(authority.issue("a.example")), "hsts": {"max_age": "1h"}},
        listener={"routes": routes},
        root={"upstreams": {"web": {"endpoints": [origin.address]}, "dead": {"endpoints": ["127.0.0.1:1"]}}},
    )
    with proxy.connect().secure(authority.trusting(), "a.example") as client:
        for path, status, said in [
            ("/respond", 204, "max-age=3600"),
            ("/redirect", 308, "max-age=3600"),
            ("/hook", 418, "max-age=3600"),
            ("/dead", 502, "max-age=3600"),
            ("/dead/own", 502, "max-age=1"),
            ("/own", 200, "max-age=1"),
            ("/web", 200, "max-age=3600"),
        ]:
            response = client.request("GET", path, host="a.example")
            assert (response.status, response.get_all("strict-transport-security")) == (status, [said]), path


def test_the_end_is_said(start_tls, start_origin, authority):
    proxy = start_tls(start_origin(Reply(content=b"ok")), tls=certificates(authority.issue("a.example")))
    with proxy.connect().secure(authority.trusting(), "a.example") as client:
        # without close_notify recv() would raise SSLEOFError
        response = client.request("GET", "/", [("Connection", "close")], host="a.example")
        assert response.status == 200
        client.expect_end()


def test_the_end_comes_with_the_last_answer(start_tls, start_origin, authority):
    proxy = start_tls(start_origin(Reply(content=b"ok")), tls=certificates(authority.issue("a.example")))
    with proxy.connect() as client:
        sealed = SealedClient(client, authority.trusting(), "a.example")
        sealed.shake()
        sealed.send(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
        sealed.read_until(b"ok")
        # close_notify came in the same piece: no other look at the socket is needed
        assert sealed.tls.read(65536) == b""
        assert client.read_to_end() == b""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_says_the_end_is_answered(start_tls, start_origin, authority, version):
    proxy = start_tls(start_origin(Reply(content=b"ok")), tls=certificates(authority.issue("a.example")))
    context = authority.trusting()
    context.maximum_version = version
    for requests in (0, 1):
        with proxy.connect().secure(context, "a.example") as client:
            for _ in range(requests):
                assert client.request("GET", "/", host="a.example").status == 200
            client.socket.unwrap()  # raises SSLEOFError without a close_notify from the other side


def test_a_slow_reader_holds_little_and_gets_everything(start_tls, start_origin, authority):
    content = LARGE * 4
    proxy = start_tls(start_origin(Reply(content=content)), tls=certificates(authority.issue("a.example")))
    with proxy.connect().secure(authority.trusting(), "a.example") as client:
        before = proxy.memory()
        client.send_request("GET", "/", host="a.example")
        assert client.read_head().status == 200
        wait_until(lambda: True)
        assert proxy.memory() - before < 8 << 20
        assert client.read_exactly(len(content)) == content


@pytest.mark.skipif(not available("curl"), reason="needs curl")
def test_curl(start_tls, start_origin, authority):
    proxy = start_tls(
        start_origin(Reply(content=b"hello")), tls=certificates(authority.issue("localhost", "127.0.0.1"))
    )
    shown = subprocess.run(
        ["curl", "-sS", "--cacert", str(authority.file), f"https://localhost:{proxy.port()}/", "--next", "-sS",
         "--cacert", str(authority.file), f"https://127.0.0.1:{proxy.port()}/"],
        capture_output=True, timeout=120, check=False, env=environment(),
    )  # fmt: skip
    assert (shown.returncode, shown.stdout) == (0, b"hellohello"), shown.stderr


@pytest.mark.skipif(not available("curl"), reason="needs curl")
def test_self_signed_for_trying_out(start_tls, start_origin, tmp_path, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    proxy = start_tls(start_origin(Reply(content=b"hello")), tls={"self_signed": True})
    shown = subprocess.run(
        ["curl", "-sSk", f"https://localhost:{proxy.port()}/"],
        capture_output=True,
        timeout=120,
        check=False,
        env=environment(),
    )
    assert (shown.returncode, shown.stdout) == (0, b"hello"), shown.stderr


COUNT_KEYS = """
from limen.engine.tls import gcm


def count(exchange):
    exchange.reply(200, str(gcm.in_use()))
"""


@pytest.mark.skipif(", intel-ipsec-mb" not in library(), reason="not built, or nothing to gain by it here")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_records_are_sealed_by_intel_ipsec_mb(start_tls, start_origin, authority, tmp_path, monkeypatch, version):
    """Two keys for every connection, a client's or an origin's, given back when it ends."""
    (tmp_path / "keys_hook.py").write_text(COUNT_KEYS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    origin = start_origin(Reply(content=b"z" * 100_000), tls=authority.serving(authority.issue("127.0.0.1")))
    proxy = start_tls(
        origin,
        tls=certificates(authority.issue("a.example")),
        listener={
            "routes": [
                {"match": {"path": "/keys"}, "hooks": ["keys_hook:count"], "upstream": "web"},
                {"upstream": "web"},
            ]
        },
        upstream={"tls": {"ca": str(authority.file)}},
    )
    context = authority.trusting()
    context.minimum_version = context.maximum_version = version
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")

    def keys(client):
        return int(client.request("GET", "/keys", host="a.example").content)

    with proxy.connect().secure(context, "a.example") as client:
        assert keys(client) == 2
        with proxy.connect().secure(context, "a.example") as other:
            assert other.request("POST", "/", content=b"y" * 100_000, host="a.example").content == b"z" * 100_000
            assert keys(client) == 6
        assert origin.requests[0].content == b"y" * 100_000
        wait_until(lambda: keys(client) == 4, what="the other client's keys given back")
