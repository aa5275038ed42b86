"""PROXY protocol: sent to endpoints byte for byte, accepted from listed senders only, in both versions."""

import ipaddress
import struct

import pytest

from tests.support import LimenProcess, RawClient, RawOrigin, echo, json_lines, needs_ipv6, wait_until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
OUT = """
workers: 1
listeners:
  - bind: "@HOST@:@PORT@"
    stream: {upstream: db}
upstreams:
  db: {endpoints: ["@ORIGIN@"], proxy_protocol: @VERSION@}
"""


def binary(source: str, source_port: int, own: str, own_port: int, command: int = 1, extra: bytes = b"") -> bytes:
    """A version 2 header for TCP."""
    packed = ipaddress.ip_address(source).packed + ipaddress.ip_address(own).packed
    packed += struct.pack(">HH", source_port, own_port) + extra
    family = 0x21 if ":" in source else 0x11
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack(">H", len(packed)) + packed


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("[::1]", marks=needs_ipv6)])
def test_the_header_that_an_endpoint_gets(start_limen, version: str, host: str) -> None:
    with RawOrigin(echo) as origin:
        proxy = start_limen(OUT, values={"HOST": host, "ORIGIN": origin, "VERSION": version})
        ip = host.strip("[]")
        with RawClient((ip, proxy.port())) as client:
            port = client.socket.getsockname()[1]
            if version == "v1":
                expected = f"PROXY TCP{6 if ':' in ip else 4} {ip} {ip} {port} {proxy.port()}\r\n".encode()
            else:
                expected = binary(ip, port, ip, proxy.port())
            client.send(b"hello")
            assert client.read_exactly(len(expected) + 5) == expected + b"hello"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_unix_client_is_unknown(start_limen, version: str) -> None:
    text = OUT.replace('"@HOST@:@PORT@"', "unix:@DIR@/s")
    with RawOrigin(echo) as origin:
        proxy = start_limen(text, values={"ORIGIN": origin, "VERSION": version})
        with RawClient(str(proxy.directory / "s")) as client:
            expected = b"PROXY UNKNOWN\r\n" if version == "v1" else SIGNATURE + b"\x21\0\0\0"
            client.send(b"hello")
            assert client.read_exactly(len(expected) + 5) == expected + b"hello"


# One listener that accepts, handing on in version 1 so that the origin shows whom it took for the client.
IN = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
log: {access: {path: "@DIR@/access.jsonl", format: json, flush: 100ms}}
listeners:
  - bind: 127.0.0.1:@PORT@
    proxy_protocol: {from: [127.0.0.1/32]}
    stream: {upstream: db}
  - bind: 127.0.0.1:@OTHER@
    proxy_protocol: {from: [192.0.2.0/24]}
    stream: {upstream: db}
  - bind: 127.0.0.1:@WEB@
    proxy_protocol: {from: [127.0.0.1/32]}
    timeouts: {head: 3s}
    routes: [{name: web, upstream: web}]
  - bind: 127.0.0.1:@CHAIN@
    stream: {upstream: self}
upstreams:
  db: {endpoints: ["@ORIGIN@"], proxy_protocol: v1}
  web: {endpoints: ["@HTTP@"]}
  self: {endpoints: ["127.0.0.1:@PORT@"], proxy_protocol: v2}
"""


@pytest.fixture(scope="module")
def origin():
    with RawOrigin(echo) as started:
        yield started


@pytest.fixture(scope="module")
def web():
    def serve(connection) -> None:
        while connection.buffer or connection.fill():
            head = connection.read_until(b"\r\n\r\n")
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(head) + head)

    with RawOrigin(serve) as started:
        yield started


@pytest.fixture(scope="module")
def proxy(origin, web):
    with LimenProcess(IN, values={"ORIGIN": origin, "HTTP": web}) as started:
        yield started


V4 = b"PROXY TCP4 198.51.100.7 203.0.113.1 4321 443\r\n"
V6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 4321 443\r\n"
ACCEPTED = [
    (V4, "TCP4 198.51.100.7"),
    (b"PROXY TCP4 198.51.100.7 203.0.113.1 0 65535\r\n", "TCP4 198.51.100.7"),
    (V6, "UNKNOWN"),  # the two ends of our own header are of different families
    (b"PROXY UNKNOWN\r\n", "TCP4 127.0.0.1"),
    (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "TCP4 127.0.0.1"),
    (binary("198.51.100.7", 4321, "203.0.113.1", 443), "TCP4 198.51.100.7"),
    (binary("198.51.100.7", 4321, "203.0.113.1", 443, extra=b"\x03\0\x04abcd"), "TCP4 198.51.100.7"),
    (binary("198.51.100.7", 4321, "203.0.113.1", 443, command=0), "TCP4 127.0.0.1"),
    (SIGNATURE + b"\x20\0\0\0", "TCP4 127.0.0.1"),
    (SIGNATURE + b"\x21\0\0\0", "TCP4 127.0.0.1"),
]
MALFORMED = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PROXY\r\n" + b"x" * 20,
    b"PROXY TCP4 198.51.100.7 203.0.113.1 4321\r\n",
    b"PROXY TCP4 198.51.100.7 203.0.113.1 4321 443 1\r\n",
    b"PROXY TCP4 198.51.100.7 203.0.113.1 65536 443\r\n",
    b"PROXY TCP4 198.51.100.7 203.0.113.1 -1 443\r\n",
    b"PROXY TCP4 198.51.100.7 203.0.113.1 04321 443\r\n",
    b"PROXY TCP4 198.51.100.700 203.0.113.1 4321 443\r\n",
    b"PROXY TCP4  198.51.100.7 203.0.113.1 4321 443\r\n",
    b"PROXY TCP6 198.51.100.7 203.0.113.1 4321 443\r\n",
    b"PROXY TCP4 2001:db8::7 2001:db8::1 4321 443\r\n",
    b"PROXY TCP5 198.51.100.7 203.0.113.1 4321 443\r\n",
    b"proxy TCP4 198.51.100.7 203.0.113.1 4321 443\r\n",
    b"PROXY TCP4 198.51.100.7 203.0.113.1 4321 443\n" + b"x" * 80,
    b"PROXY TCP4 " + b"1" * 120 + b"\r\n",
    SIGNATURE + b"\x11\x11\0\x0c" + b"\0" * 12,
    SIGNATURE + b"\x22\x11\0\x0c" + b"\0" * 12,
    SIGNATURE + b"\x21\x11\0\x0b" + b"\0" * 11,
    SIGNATURE + b"\x21\x21\0\x0c" + b"\0" * 12,
    SIGNATURE + b"\x21\xff\0\x0c" + b"\0" * 12,
    SIGNATURE + b"\x21\x11\xff\xff" + b"\0" * 12,
    b"\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0c" + b"\0" * 12,
]


@pytest.mark.sanitize
def test_accepted_headers(proxy: LimenProcess) -> None:
    for header, client_is in ACCEPTED:
        for pieces in (1, len(header) + 5):
            with proxy.connect() as client:
                if pieces == 1:
                    client.send(header + b"hello")
                else:
                    client.send_bytewise(header + b"hello")
                line = client.read_until(b"\r\n").decode()
                assert line.startswith(f"PROXY {client_is}"), (header, line)
                assert client.read_exactly(5) == b"hello"
                client.half_close()
                client.expect_end()


def test_malformed_headers_are_refused(proxy: LimenProcess, origin: RawOrigin) -> None:
    before = len(origin.connections)
    for header in MALFORMED:
        for place in (None, "WEB"):
            with proxy.connect(place) as client:
                client.send(header)
                client.expect_end()
    # one that never comes whole
    with proxy.connect("WEB") as client:
        client.send(V4[:20])
        client.expect_end()
    assert len(origin.connections) == before


def test_others_are_not_believed(proxy: LimenProcess) -> None:
    with proxy.connect("OTHER") as client:
        client.send(V4 + b"hello")
        own = client.socket.getsockname()[1]
        expected = f"PROXY TCP4 127.0.0.1 127.0.0.1 {own} {proxy.port('OTHER')}\r\n".encode()
        assert client.read_exactly(len(expected) + len(V4) + 5) == expected + V4 + b"hello"


def test_a_chain_keeps_the_client(proxy: LimenProcess) -> None:
    with proxy.connect("CHAIN") as client:
        own = client.socket.getsockname()[1]
        client.send(b"hello")
        assert client.read_until(b"\r\n").startswith(f"PROXY TCP4 127.0.0.1 127.0.0.1 {own} ".encode())
        assert client.read_exactly(5) == b"hello"


def test_an_http_listener_takes_the_client_from_it(proxy: LimenProcess) -> None:
    request = b"GET /logged HTTP/1.1\r\nHost: test.example\r\n\r\n"
    for header, shown in [(V4, "198.51.100.7"), (V6, '"[2001:db8::7]"'), (ACCEPTED[5][0], "198.51.100.7")]:
        for bytewise in (False, True):
            with proxy.connect("WEB") as client:
                (client.send_bytewise if bytewise else client.send)(header + request)
                head = client.read_response().text
                assert f"Forwarded: for={shown};" in head
                # and for the next request of the connection
                assert f"Forwarded: for={shown};" in client.send(request).read_response().text
    with proxy.connect("WEB") as client:
        client.send(request)
        client.expect_end()
    log = proxy.directory / "access.jsonl"

    def logged():
        return [line for line in json_lines(log) if "/logged" in str(line)]

    wait_until(lambda: len(logged()) >= 12)
    clients = {str(line.get("client")) for line in logged()}
    assert clients >= {"198.51.100.7", "2001:db8::7"} or any("198.51.100.7" in client for client in clients)
