"""TLS around opaque bytes: ended for clients, spoken with endpoints, both; ends of one half, and bulk."""

import contextlib
import hashlib
import os
import select
import ssl

import pytest

from tests.integration.tls.conftest import faults, left
from tests.integration.tls.test_pass import config, logged
from tests.integration.tls.test_terminate import certificates
from tests.support import RawOrigin, echo, wait_until


def answer_at_the_end(connection):
    """Speaks first, then answers the whole of what it was sent."""
    connection.send(b"220 ready\r\n")
    question = connection.read_to_end()
    connection.send(b"got " + question)
    if isinstance(connection.socket, ssl.SSLSocket):
        connection.socket.unwrap()


def secured(proxy, authority, name="a.example"):
    return proxy.connect().secure(authority.trusting(), name)


def swap(client, content):
    """What comes back while the content is sent: in one thread, since an SSLSocket is for one at a time."""
    wanting = (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError)
    got = bytearray()
    at = 0
    client.socket.setblocking(False)
    while len(got) < len(content):
        moved = False
        with contextlib.suppress(*wanting):
            if at < len(content):
                at += client.socket.send(content[at : at + 65536])
                moved = True
        with contextlib.suppress(*wanting):
            data = client.socket.recv(262144)
            assert data, "the peer has ended"
            got += data
            moved = True
        if not moved:
            ready = select.select([client.socket], [client.socket] if at < len(content) else [], [], 30)
            assert any(ready), "nothing moves"
    client.socket.settimeout(60)
    return bytes(got)


@pytest.mark.sanitize
@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_both_ways_with_a_late_end(start_limen, authority, outside, inside):
    if not (outside or inside):
        pytest.skip("tests/integration/stream has it")
    pair = authority.issue("a.example")
    content = os.urandom(1 << 16) * 40
    with RawOrigin(echo, tls=authority.serving(pair) if inside else None) as origin:
        upstream = {"endpoints": [origin.address]}
        if inside:
            upstream["tls"] = {"ca": str(authority.file), "server_name": "a.example"}
        more = {"tls": certificates(pair)} if outside else {}
        proxy = start_limen(config([{"upstream": "a"}], {"a": upstream}, **more))
        client = secured(proxy, authority) if outside else proxy.connect()
        with client:
            client.socket.settimeout(60)
            assert client.send(b"hello").read_exactly(5) == b"hello"
            assert hashlib.sha256(swap(client, content)).digest() == hashlib.sha256(content).digest()
        wait_until(lambda: not left(proxy), what="gauges at zero")
        line = logged(proxy, 1)[0]
        assert (line["received"], line["sent"]) == (len(content) + 5, len(content) + 5)
        assert line.get("tls_version") == ("TLSv1.3" if outside else None)
        assert line.get("host") == ("a.example" if outside else None)


@pytest.mark.parametrize("inside", [False, True])
def test_a_half_that_ends_early_plain_outside(start_limen, authority, inside):
    pair = authority.issue("a.example")
    with RawOrigin(answer_at_the_end, tls=authority.serving(pair) if inside else None) as origin:
        upstream = {"endpoints": [origin.address]}
        if inside:
            upstream["tls"] = {"ca": str(authority.file), "server_name": "a.example"}
        proxy = start_limen(config(None, {"a": upstream}, stream={"upstream": "a"}))
        with proxy.connect() as client:
            assert client.read_until(b"\r\n") == b"220 ready\r\n"
            client.send(b"question").half_close()
            assert client.read_to_end() == b"got question"
        wait_until(lambda: not left(proxy), what="gauges at zero")


@pytest.mark.sanitize
def test_a_half_that_ends_early_inside_tls(start_limen, authority):
    pair = authority.issue("a.example")
    with RawOrigin(answer_at_the_end) as origin:
        proxy = start_limen(config(None, {"a": origin}, stream={"upstream": "a"}, tls=certificates(pair)))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = authority.trusting().wrap_bio(incoming, outgoing, server_hostname="a.example")
        with proxy.connect() as client:
            found = b""
            said = False
            while not found.endswith(b"got question"):
                try:
                    if not said:
                        session.do_handshake()
                        found += session.read(65536)
                        session.write(b"question")
                        said = True
                        with pytest.raises(ssl.SSLWantReadError):
                            session.unwrap()
                    else:
                        found += session.read(65536)
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLError:
                    # Python's ssl reads no more once it has said its end: what comes is looked at below
                    break
                client.send(outgoing.read())
                if said:
                    break
                assert client.fill()
                incoming.write(bytes(client.buffer))
                client.buffer.clear()
            assert said
            client.half_close()
            rest = client.read_to_end()
        # an answer, then close_notify: two records at least
        assert rest.count(b"\x17\x03\x03") >= 2
        line = logged(proxy, 1)[0]
        assert (line["received"], line["sent"]) == (len(b"question"), len(b"220 ready\r\ngot question"))
        assert faults(proxy) == {}


def test_by_name_after_ending_tls(start_limen, authority):
    """With `tls` a stream's routes choose, and what they choose gets what is inside."""

    def named(name):
        def serve(connection):
            connection.send(name)
            connection.read_to_end()

        return serve

    with RawOrigin(named(b"a")) as a, RawOrigin(named(b"b")) as b:
        routes = [{"match": {"sni": "a.example"}, "upstream": "a"}, {"match": {"sni": "b.example"}, "upstream": "b"}]
        pair = authority.issue("a.example", "b.example", "c.example")
        proxy = start_limen(config(routes, {"a": a, "b": b}, tls=certificates(pair)))
        for name in ("a.example", "b.example"):
            with secured(proxy, authority, name) as client:
                assert client.read_exactly(1) == name[:1].encode()
        with secured(proxy, authority, "c.example") as client:
            assert client.read_to_end() == b""
        wait_until(lambda: faults(proxy) == {"no_route": 1}, what="counted")
        with proxy.connect() as client:
            assert client.send(b"no TLS at all").read_to_end() == b""
        wait_until(lambda: faults(proxy) == {"no_route": 1, "tls_handshake": 1}, what="counted")


def test_no_protocol_is_agreed_on(start_limen, authority):
    """Opaque bytes are not HTTP: neither side hears of it."""
    pair = authority.issue("a.example")
    inside = authority.serving(pair)
    inside.set_alpn_protocols(["imap"])
    spoken = []

    def serve(connection):
        spoken.append(connection.socket.selected_alpn_protocol())
        echo(connection)

    with RawOrigin(serve, tls=inside) as origin:
        upstream = {"endpoints": [origin.address], "tls": {"ca": str(authority.file), "server_name": "a.example"}}
        proxy = start_limen(config([{"upstream": "a"}], {"a": upstream}, tls=certificates(pair)))
        context = authority.trusting()
        context.set_alpn_protocols(["imap"])
        with proxy.connect().secure(context, "a.example") as client:
            assert client.socket.selected_alpn_protocol() is None
            assert client.send(b"hello").read_exactly(5) == b"hello"
    assert spoken == [None]


def test_an_endpoint_whose_certificate_does_not_hold(start_limen, authority, tmp_path):
    stranger = type(authority)(tmp_path, "stranger")
    with RawOrigin(echo, tls=stranger.serving(stranger.issue("a.example"))) as origin:
        upstream = {"endpoints": [origin.address], "tls": {"ca": str(authority.file), "server_name": "a.example"}}
        proxy = start_limen(config([{"upstream": "a"}], {"a": upstream}))
        with proxy.connect() as client:
            assert client.send(b"hello").read_to_end() == b""
        wait_until(lambda: faults(proxy) == {"tls_certificate": 1}, what="counted")
        assert logged(proxy, 1)[0]["fault"] == "tls_certificate"


def test_the_name_and_protocol_are_told_by_proxy_protocol(start_tls, authority):
    """A gateway's endpoint, too, learns whom the client's TLS asked for."""
    seen = []

    def serve(connection):
        head = connection.read_exactly(16)
        seen.append(connection.read_exactly(int.from_bytes(head[14:16], "big")))
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    with RawOrigin(serve) as origin:
        proxy = start_tls(origin, tls=certificates(authority.issue("a.example")), upstream={"proxy_protocol": "v2"})
        context = authority.trusting()
        context.set_alpn_protocols(["http/1.1"])
        with proxy.connect().secure(context, "a.example") as client:
            assert client.request("GET", "/", host="a.example").status == 204
    assert seen[0][12:] == b"\x01\x00\x08http/1.1\x02\x00\x09a.example"
