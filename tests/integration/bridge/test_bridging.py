"""TLS inside CONNECT opened: what client and origin see, and what is passed on in between."""

import hashlib
import os
import ssl

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.integration.bridge.conftest import connect, fetch, opened, records, shown
from tests.support import RawOrigin, Reply, ScriptedOrigin, echo, wait_until

LARGE = os.urandom(4 << 20)


@pytest.mark.sanitize
def test_the_client_sees_a_leaf_and_the_origin_the_request(start_bridge, organisation, internet):
    pair = internet.issue("a.example")
    with ScriptedOrigin(Reply(content=b"hello"), tls=internet.serving(pair)) as origin:
        proxy = start_bridge({})
        target = f"a.example:{origin.port}"
        with opened(proxy, target, organisation.trusting()) as client:
            leaf = shown(client)
            for path in ("/one", "/two"):
                response = client.request("GET", path, host=target)
                assert (response.status, response.content) == (200, b"hello")
    assert leaf.serial_number != pair.serial
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example"]
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert [request.target for request in origin.requests] == ["/one", "/two"]
    assert origin.requests[0].get("host") == target
    assert len(origin.connections) == 1, "the connection that was verified is the one that is used"
    wait_until(lambda: len(records(proxy)) == 3, what="all logged")
    assert [record["method"] for record in records(proxy)] == ["GET", "GET", "CONNECT"] or [
        record["method"] for record in records(proxy)
    ] == ["CONNECT", "GET", "GET"]


@pytest.mark.sanitize
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_bodies_both_ways(start_bridge, organisation, internet, version):
    with ScriptedOrigin(
        lambda request, _: Reply(content=request.content), tls=internet.serving(internet.issue("a.example"))
    ) as origin:
        proxy = start_bridge({})
        target = f"a.example:{origin.port}"
        context = organisation.trusting()
        context.maximum_version = version
        with opened(proxy, target, context) as client:
            for size in (0, 1, 16385, 1_000_000, len(LARGE)):
                response = client.request("POST", "/", host=target, content=LARGE[:size])
                assert response.status == 200
                assert hashlib.sha256(response.content).digest() == hashlib.sha256(LARGE[:size]).digest()


@pytest.mark.sanitize
def test_a_tunnel_inside(start_bridge, organisation, internet):
    def handler(connection):
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
        echo(connection)

    with RawOrigin(handler, tls=internet.serving(internet.issue("a.example"))) as origin:
        proxy = start_bridge({})
        target = f"a.example:{origin.port}"
        with opened(proxy, target, organisation.trusting()) as client:
            client.send_request("GET", "/", [("Upgrade", "websocket"), ("Connection", "upgrade")], host=target)
            assert client.read_head().status == 101
            for size in (1, 1000, 40_000):
                client.send(LARGE[:size])
                assert client.read_exactly(size) == LARGE[:size]


@pytest.mark.sanitize
def test_a_hello_in_pieces_and_a_hello_ahead(start_bridge, organisation, internet):
    with ScriptedOrigin(Reply(content=b"ok"), tls=internet.serving(internet.issue("a.example"))) as origin:
        proxy = start_bridge({})
        target = f"a.example:{origin.port}"
        for ahead in (False, True):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            session = organisation.trusting().wrap_bio(incoming, outgoing, server_hostname="a.example")
            with pytest.raises(ssl.SSLWantReadError):
                session.do_handshake()
            hello = outgoing.read()
            with connect(proxy, target, hello if ahead else b"") as client:
                if not ahead:
                    client.send_bytewise(hello)
                while True:
                    # what came with the answer to CONNECT lies in the buffer
                    assert client.buffer or client.fill()
                    incoming.write(bytes(client.buffer))
                    client.buffer.clear()
                    try:
                        session.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        pass
                session.write(f"GET / HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n".encode())
                client.send(outgoing.read())
                incoming.write(client.read_to_end())
                assert session.read(65536).startswith(b"HTTP/1.1 200 ")


def test_a_leaf_is_minted_once_and_kept(start_bridge, organisation, internet):
    with ScriptedOrigin(Reply(content=b"ok"), tls=internet.serving(internet.issue("a.example"))) as origin:
        proxy = start_bridge({}, workers=2)
        target = f"a.example:{origin.port}"
        serials = set()
        clients = [connect(proxy, target) for _ in range(12)]
        for client in clients:
            with client.secure(organisation.trusting(), "a.example"):
                serials.add(shown(client).serial_number)
        assert len(serials) == 1


def test_inside_the_host_has_to_agree(start_bridge, organisation, internet):
    with ScriptedOrigin(Reply(content=b"ok"), tls=internet.serving(internet.issue("a.example"))) as origin:
        proxy = start_bridge({})
        target = f"a.example:{origin.port}"
        with opened(proxy, target, organisation.trusting()) as client:
            for host, status in [
                (target, 200),
                (target.upper(), 200),
                (f"b.example:{origin.port}", 421),
                ("a.example", 421),
            ]:
                assert client.request("GET", "/", host=host).status == status, host
            assert client.request("GET", f"https://{target}/absolute", host=target).status == 200
            assert client.request("GET", f"https://b.example:{origin.port}/", host=target).status == 421
            assert client.request("CONNECT", target, host=target).status == 405
        assert len(origin.requests) == 3
        proxy = start_bridge({}, fronting="allow")
        assert fetch(proxy, target, organisation.trusting(), host="b.example").status == 200


def test_the_origin_may_go_and_come_back(start_bridge, organisation, internet):
    replies = [Reply(content=b"one", close=True), Reply(content=b"two", close=True), Reply(content=b"three")]
    with ScriptedOrigin(replies, tls=internet.serving(internet.issue("a.example"))) as origin:
        proxy = start_bridge({})
        target = f"a.example:{origin.port}"
        with opened(proxy, target, organisation.trusting()) as client:
            for _ in replies:
                assert client.request("GET", "/", host=target).status == 200
        assert len(origin.connections) == 3


def test_an_origin_that_turns_bad_is_refused_later_too(start_bridge, organisation, internet):
    context = internet.serving(internet.issue("a.example"))
    with ScriptedOrigin(Reply(content=b"ok", close=True), tls=context) as origin:
        proxy = start_bridge({})
        target = f"a.example:{origin.port}"
        with opened(proxy, target, organisation.trusting()) as client:
            assert client.request("GET", "/", host=target).status == 200
            wrong = internet.issue("b.example")
            context.load_cert_chain(wrong.chain, wrong.key)
            # tickets resume what was verified; without them the new certificate is looked at
            context.num_tickets = 0
            statuses = {client.request("GET", "/", host=target).status for _ in range(3)}
            assert 502 in statuses
            assert statuses <= {200, 502}


def test_a_reload_keeps_what_did_not_change_and_ends_what_did(start_bridge, organisation, internet):
    with ScriptedOrigin(Reply(content=b"ok"), tls=internet.serving(internet.issue("a.example"))) as origin:
        proxy = start_bridge({})
        target = f"a.example:{origin.port}"
        text = (proxy.directory / proxy.path.name).read_text(encoding="utf-8")
        with opened(proxy, target, organisation.trusting()) as client:
            assert client.request("GET", "/", host=target).status == 200
            proxy.reload(text.replace('"workers": 1', '"workers": 1, "drain": {"timeout": "3s"}'))
            assert client.request("GET", "/", host=target).status == 200
            proxy.reload(text.replace('".example"', '".other"'))
            response = client.request("GET", "/", host=target)
            assert (response.status, response.get("connection")) == (200, "close")


def test_hooks_see_requests_inside_and_cannot_send_them_elsewhere(start_bridge, organisation, internet, tmp_path):
    source = """
def look(exchange):
    if exchange.request.path == "/away":
        exchange.target = ("127.0.0.1", 9)
    elif exchange.request.path == "/blocked":
        exchange.reply(403, "not here")
    else:
        exchange.request.fields["X-Seen"] = "yes"
"""
    folder = tmp_path / "hooked"
    folder.mkdir()
    (folder / "inside.py").write_text(source, encoding="utf-8")
    with ScriptedOrigin(Reply(content=b"ok"), tls=internet.serving(internet.issue("a.example"))) as origin:
        proxy = start_bridge({}, directory=folder, allow=(r"Traceback",), hooks=["inside:look"])
        target = f"a.example:{origin.port}"
        with opened(proxy, target, organisation.trusting()) as client:
            assert client.request("GET", "/", host=target).status == 200
            assert client.request("GET", "/blocked", host=target).status == 403
        assert fetch_path(proxy, target, organisation, "/away") == 500
        assert origin.requests[0].get("x-seen") == "yes"
        assert len(origin.requests) == 1


def fetch_path(proxy, target, organisation, path):
    with opened(proxy, target, organisation.trusting()) as client:
        return client.request("GET", path, host=target).status
