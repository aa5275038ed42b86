"""TLS passed on unopened, chosen by its client hello: names, protocols, pieces, and what is no hello."""

import json
import ssl
import subprocess
import threading
from contextlib import ExitStack

import pytest

from tests.integration.tls.conftest import faults, left
from tests.support import (
    NginxOrigin,
    RawOrigin,
    Reply,
    ScriptedOrigin,
    available,
    echo,
    environment,
    json_lines,
    wait_until,
)
from tests.support.sealed import SealedClient
from tests.unit.engine.tls.test_hello import records

PROXY_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def config(routes, upstreams, *, timeouts=None, **listener):
    return json.dumps(
        {
            "workers": 1,
            "admin": {"bind": "127.0.0.1:@ADMIN@"},
            "log": {"access": {"path": "@DIR@/access.jsonl", "flush": "10ms", "tls": True, "ja4": True}},
            "listeners": [
                {
                    "bind": "127.0.0.1:@PORT@",
                    "name": "front",
                    "stream": {"routes": routes, "timeouts": timeouts or {}},
                    **listener,
                }
            ],
            "upstreams": {
                name: one if isinstance(one, dict) else {"endpoints": [one.address]} for name, one in upstreams.items()
            },
        }
    )


def logged(proxy, count):
    path = proxy.directory / "access.jsonl"
    wait_until(lambda: len(json_lines(path)) >= count, what="access log")
    return json_lines(path)


@pytest.fixture
def serving(authority):
    """`serving("a.example")`: an origin that ends TLS itself and answers with its name."""
    with ExitStack() as stack:

        def start(name, **options):
            pair = authority.issue(name, f"www.{name}")
            return stack.enter_context(
                ScriptedOrigin(Reply(content=name.encode()), tls=authority.serving(pair), **options)
            )

        yield start


def ask(proxy, authority, name, protocols=()):
    context = authority.trusting()
    if protocols:
        context.set_alpn_protocols([*protocols])
    with proxy.connect().secure(context, name) as client:
        return client.request("GET", "/", host=name).content.decode()


@pytest.mark.sanitize
def test_by_name_and_protocol(start_limen, serving, authority):
    a, b, rest = serving("a.example"), serving("b.example"), serving("c.example")
    proxy = start_limen(
        config(
            [
                {"match": {"sni": "*.B.example"}, "upstream": "b"},
                {"match": {"sni": ["a.example", ".b.example"], "alpn": "http/1.1"}, "upstream": "a"},
                {"name": "bees", "match": {"sni": [".b.example", "other.example"]}, "upstream": "b"},
                {"match": {"alpn": ["smtp", "imap"]}, "upstream": "a"},
                {"match": {"sni": ".c.example"}, "upstream": "rest"},
            ],
            {"a": a, "b": b, "rest": rest},
        )
    )
    assert ask(proxy, authority, "a.example", ["http/1.1"]) == "a.example"
    assert ask(proxy, authority, "b.example", ["x"]) == "b.example"
    assert ask(proxy, authority, "www.b.example") == "b.example"
    assert ask(proxy, authority, "www.c.example") == "c.example"
    # b.example and http/1.1: goes to a, whose certificate is another
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(proxy, authority, "b.example", ["http/1.1"])
    # nothing takes a.example without its protocol
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(proxy, authority, "a.example")
    wait_until(lambda: faults(proxy) == {"no_route": 1}, what="counted")
    lines = logged(proxy, 5)
    # each is written when it has ended on both sides: the order is open
    assert sorted((line["host"], line["sni"], line["route"], line["upstream"]) for line in lines) == sorted(
        [
            ("a.example", "a.example", "front#1", "a"),
            ("b.example", "b.example", "bees", "b"),
            ("www.b.example", "www.b.example", "front#0", "b"),
            ("www.c.example", "www.c.example", "front#4", "rest"),
            ("b.example", "b.example", "front#1", "a"),
        ]
    )
    for line in lines:
        assert line["received"] > 300 and line["sent"] > 300 and line["tunnel"]
        assert line["ja4"].startswith("t13d") and "tls_version" not in line
    assert proxy.metrics()['limen_exchange_duration_seconds_count{route="bees"}'] == 1
    wait_until(lambda: not left(proxy), what="gauges at zero")


@pytest.mark.sanitize
@pytest.mark.parametrize("pieces", ["bytes", "records", "both"])
def test_a_hello_in_pieces(start_limen, serving, authority, pieces):
    proxy = start_limen(config([{"match": {"sni": "a.example"}, "upstream": "a"}], {"a": serving("a.example")}))
    with proxy.connect() as client:
        sealed = SealedClient(client, authority.trusting(), "a.example")
        hello = sealed.hello()
        if pieces != "bytes":
            hello = records(hello[5:], {1, 3, 4, 5, 40, 41, 200})
        (client.send if pieces == "records" else client.send_bytewise)(hello)
        sealed.shake()
        sealed.send(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        sealed.read_until(b"a.example")


HELLO_OF_64K = b"\x16\x03\x01\x40\x00\x01\x01\x00\x00" + bytes(16380)


@pytest.mark.sanitize
@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        (b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "no_route"),
        (b"\x16\x02\x00\x00\x10" + bytes(16), "no_route"),
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", "no_route"),
        (HELLO_OF_64K, "no_route"),
        (bytes(range(256)) * 512, "no_route"),
    ],
)
def test_what_is_no_hello_ends_quietly(start_limen, serving, sent, fault):
    origin = serving("a.example")
    proxy = start_limen(config([{"match": {"sni": "a.example"}, "upstream": "a"}], {"a": origin}))
    with proxy.connect() as client:
        try:
            client.send(sent)
            assert client.read_to_end() == b""
        except ConnectionError:
            pass  # closed with bytes unread
    wait_until(lambda: faults(proxy) == {fault: 1}, what="counted")
    wait_until(lambda: not left(proxy), what="gauges at zero")
    assert not origin.requests


@pytest.mark.sanitize
def test_an_end_or_silence_inside_the_hello(start_limen, serving):
    proxy = start_limen(
        config([{"upstream": "a"}], {"a": serving("a.example")}, timeouts={"handshake": "1s"}),
    )
    with proxy.connect() as client:
        client.send(b"\x16\x03\x01").half_close()
        assert client.read_to_end() == b""
    wait_until(lambda: faults(proxy) == {"tls_handshake": 1}, what="counted")
    for begun in (b"", b"\x16\x03\x01\x02\x00\x01"):
        with proxy.connect() as client:
            client.send(begun)
            assert client.read_to_end() == b""
    wait_until(lambda: faults(proxy) == {"tls_handshake": 1, "tls_timeout": 2}, what="counted")
    wait_until(lambda: not left(proxy), what="gauges at zero")


def test_the_last_route_takes_what_is_no_tls(start_limen, serving, authority):
    with RawOrigin(echo) as plain:
        proxy = start_limen(
            config(
                [{"match": {"sni": "a.example"}, "upstream": "a"}, {"upstream": "plain"}],
                {"a": serving("a.example"), "plain": plain},
            )
        )
        assert ask(proxy, authority, "a.example") == "a.example"
        with proxy.connect() as client:
            assert client.send(b"hello").read_exactly(5) == b"hello"
            client.half_close()
            assert client.read_to_end() == b""
        # the whole of it, the end included, before anything is dialled
        with proxy.connect() as client:
            client.send(b"all at once").half_close()
            assert client.read_to_end() == b"all at once"
    assert sorted((line["upstream"], "sni" in line) for line in logged(proxy, 3)) == [
        ("a", True), ("plain", False), ("plain", False),
    ]  # fmt: skip


def test_by_fingerprint(start_limen, serving, authority):
    a, b = serving("a.example"), serving("b.example")
    proxy = start_limen(
        config(
            [{"match": {"ja4": "t12*"}, "upstream": "a"}, {"match": {"ja4": ["t13i*", "t13d*"]}, "upstream": "b"}],
            {"a": a, "b": b},
        )
    )
    assert ask(proxy, authority, "b.example") == "b.example"
    context = authority.trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with proxy.connect().secure(context, "a.example") as client:
        assert client.request("GET", "/", host="a.example").content == b"a.example"


def test_the_endpoint_learns_client_and_name(start_limen, authority):
    """PROXY protocol, version 2, with the name in it; then the hello as it came."""
    seen = []
    done = threading.Event()

    def serve(connection):
        head = connection.read_exactly(16)
        rest = connection.read_exactly(int.from_bytes(head[14:16], "big"))
        seen.extend((head, rest, connection.read_exactly(3)))
        done.set()

    with RawOrigin(serve) as origin:
        upstream = {"endpoints": [origin.address], "proxy_protocol": "v2"}
        proxy = start_limen(config([{"match": {"sni": ".example"}, "upstream": "a"}], {"a": upstream}))
        with proxy.connect() as client:
            port = client.socket.getsockname()[1]
            with pytest.raises((ssl.SSLError, ConnectionError)):
                client.secure(authority.trusting(), "www.a.example")
        assert done.wait(60)
    head, rest, hello = seen
    assert head[:14] == PROXY_SIGNATURE + b"\x21\x11"
    assert rest[:12] == bytes([127, 0, 0, 1] * 2) + port.to_bytes(2, "big") + proxy.port().to_bytes(2, "big")
    assert rest[12:] == b"\x02\x00\x0dwww.a.example"
    assert hello == b"\x16\x03\x01"


def test_reload_moves_names(start_limen, serving, authority):
    a, b = serving("a.example"), serving("b.example")
    text = config([{"match": {"sni": ".example"}, "upstream": "a"}], {"a": a})
    proxy = start_limen(text)
    assert ask(proxy, authority, "a.example") == "a.example"
    proxy.reload(config([{"match": {"sni": ".example"}, "upstream": "b"}], {"b": b}))
    assert ask(proxy, authority, "b.example") == "b.example"


@pytest.mark.skipif(not available("nginx"), reason="needs nginx")
def test_nginx_behind_it_with_curl_and_openssl(start_limen, authority):
    pair = authority.issue("a.example")
    nginx = NginxOrigin({"large": bytes(range(256)) * 32768})
    nginx.extra = f"listen 127.0.0.1:@TLS@ ssl; ssl_certificate {pair.chain}; ssl_certificate_key {pair.key};"
    from tests.support import free_port

    port = free_port()
    nginx.extra = nginx.extra.replace("@TLS@", str(port))
    with nginx:
        proxy = start_limen(
            config([{"match": {"sni": "a.example"}, "upstream": "a"}], {"a": {"endpoints": [f"127.0.0.1:{port}"]}})
        )
        target = f"a.example:{proxy.port()}:127.0.0.1"
        shown = subprocess.run(
            ["curl", "-sS", "--cacert", str(authority.file), "--resolve", target,
             f"https://a.example:{proxy.port()}/large"],
            capture_output=True, timeout=60, check=False, env=environment(),
        )  # fmt: skip
        assert (shown.returncode, shown.stdout == bytes(range(256)) * 32768) == (0, True), shown.stderr
        shown = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port()}", "-servername", "a.example", "-CAfile",
             str(authority.file), "-verify_return_error"],
            input=b"", capture_output=True, timeout=60, check=False, env=environment(),
        )  # fmt: skip
        assert b"Verify return code: 0 (ok)" in shown.stdout, shown.stdout + shown.stderr


def test_many_at_once(start_limen, serving, authority):
    proxy = start_limen(config([{"match": {"sni": "a.example"}, "upstream": "a"}], {"a": serving("a.example")}))
    found = []

    def visit():
        found.extend(ask(proxy, authority, "a.example") for _ in range(5))

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == ["a.example"] * 40
    wait_until(lambda: not left(proxy), what="gauges at zero")
