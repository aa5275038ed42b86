"""Closed by default: what `forward: {}` refuses, in every spelling, and what opens it."""

import pytest

from tests.support import LimenProcess, RawClient, RawOrigin, ScriptedOrigin, WireResponse, echo, free_port, needs_ipv6

DEFAULT = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
resolver: {hosts: true, timeout: 500ms, servers: ["127.0.0.1:@NODNS@"]}
listeners:
  - bind: 127.0.0.1:@PORT@
    forward: {}
"""
# plain http to @PORT@ of these never leaves
SPELLINGS = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1",
    "100.64.0.1", "169.254.169.254", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "240.0.0.1", "255.255.255.255",
    "[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::ffff:10.0.0.1]",
    "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[fec0::1]", "[ff02::1]", "[2001:db8::1]", "[2001::1]", "[100::1]",
    "[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]",
    "localhost", "localhost.", "LOCALHOST", "sub.localhost",
]  # fmt: skip
# forms of IPv4 that only some libraries read: refused as well, as a bad target or as the address that they mean
NUMBERS = [
    "2130706433", "0x7f000001", "0x7f.1", "017700000001", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.1",
    "127.0.0.1.", "%31%32%37.0.0.1", "127.0.0.01", "0", "1", "4294967295", "①②⑦.⓪.⓪.①",
]  # fmt: skip


@pytest.fixture(scope="module")
def proxy():
    with LimenProcess(DEFAULT) as started:
        yield started


def ask(client: RawClient, target: str, method: str = "GET") -> WireResponse:
    client.send(f"{method} {target} HTTP/1.1\r\nHost: any.example\r\nConnection: keep-alive\r\n\r\n".encode())
    return client.read_response(method)


def test_no_spelling_of_a_special_address_is_dialled(proxy: LimenProcess) -> None:
    with RawOrigin(echo, host="127.0.0.1") as origin:
        for spelling in SPELLINGS + NUMBERS:
            with proxy.connect() as client:
                response = ask(client, f"http://{spelling}:{origin.port}/")
                allowed = {403} if spelling in SPELLINGS else {400, 403}
                assert response.status in allowed, (spelling, response)
                if response.status == 403:
                    assert "special address" in response.text, (spelling, response.text)
            with proxy.connect() as client:
                assert ask(client, f"{spelling}:443", "CONNECT").status in allowed, spelling
        assert not origin.connections


def test_default_ports(proxy: LimenProcess) -> None:
    for target, method, rule in [
        ("8.8.8.8:80", "CONNECT", "default-tunnel-ports"),
        ("8.8.8.8:22", "CONNECT", "default-tunnel-ports"),
        ("8.8.8.8:8443", "CONNECT", "default-tunnel-ports"),
        ("http://8.8.8.8:25/", "GET", "none allows it"),
        ("http://8.8.8.8:1024/", "POST", "none allows it"),
        ("http://8.8.8.8:22/", "GET", "none allows it"),
    ]:
        with proxy.connect() as client:
            response = ask(client, target, method)
            assert response.status == 403
            assert f"rule: {rule}" in response.text


OPENED = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
listeners:
  - bind: 127.0.0.1:@PORT@
    forward:
      targets: {@TARGETS@}
      access: [{allow: {}}]
  - bind: @WILD@:@OTHER@
    forward:
      open: true
      targets: {@TARGETS@}
      access: [{allow: {}}]
"""


@pytest.mark.parametrize("targets", ["private: allow", "allow: [127.0.0.0/8, '::1/128', 0.0.0.0/8]"])
@pytest.mark.parametrize("wild", ["0.0.0.0", pytest.param("'[::]'", marks=needs_ipv6)])
def test_own_addresses_are_closed_whatever_is_opened(start_limen, start_origin, targets: str, wild: str) -> None:
    bind = "'[::]:@OTHER@'" if "[" in wild else "0.0.0.0:@OTHER@"
    proxy = start_limen(OPENED.replace("@WILD@:@OTHER@", bind), values={"TARGETS": targets})
    origin = start_origin()
    with proxy.connect() as client:
        assert ask(client, f"http://{origin.address}/").status == 200
        assert ask(client, f"http://localhost:{origin.port}/").status == 200
    own, admin, other = proxy.port(), proxy.port("ADMIN"), proxy.port("OTHER")
    places = [f"127.0.0.1:{own}", f"localhost:{own}", f"[::ffff:127.0.0.1]:{own}", f"127.0.0.1:{admin}"]
    places += [f"localhost:{admin}", f"127.0.0.1:{other}", f"127.0.0.2:{other}", f"127.9.8.7:{other}"]
    places += [f"0.0.0.0:{other}", f"0.0.0.0:{own}", f"0.0.0.0:{admin}", f"2130706433:{admin}", f"0:{own}"]
    if "[" in wild:
        places += [f"[::1]:{other}", f"[::]:{other}"]
    for place in places:
        for target, method in ((f"http://{place}/", "GET"), (place, "CONNECT")):
            with proxy.connect() as client:
                status = ask(client, target, method).status
                # [::1] opened by a list of IPv4 only and the like are refused as special before
                assert status in ({508} if not place.startswith(("2130", "0:")) else {508, 400}), (place, method)


def test_only_the_opened_networks(start_limen) -> None:
    proxy = start_limen(OPENED.replace("@WILD@", "127.0.0.1"), values={"TARGETS": "allow: [127.0.0.2/32]"})
    with ScriptedOrigin(host="127.0.0.2") as origin, ScriptedOrigin() as closed, proxy.connect() as client:
        assert ask(client, f"http://{origin.address}/").status == 200
        assert ask(client, f"http://[::ffff:127.0.0.2]:{origin.port}/").status == 200
        assert ask(client, f"http://{closed.address}/").status == 403
        assert not closed.connections


TWO_RULES = """
workers: 1
listeners:
  - bind: 127.0.0.1:@PORT@
    forward: {targets: {private: allow}, access: [{allow: {}}]}
  - bind: 127.0.0.1:@STRICT@
    forward: {access: [{allow: {}}]}
  - bind: 127.0.0.1:@RULED@
    forward:
      targets: {private: allow}
      access: [{name: not-there, deny: {addresses: [127.0.0.1/32]}}, {allow: {}}]
"""


@pytest.mark.sanitize
def test_a_pooled_connection_is_no_way_round_the_rules(start_limen, start_origin) -> None:
    proxy = start_limen(TWO_RULES)
    origin = start_origin()
    for host in ("127.0.0.1", "localhost"):
        with proxy.connect() as client:
            assert ask(client, f"http://{host}:{origin.port}/").status == 200
        before = len(origin.requests)
        with proxy.connect("STRICT") as client:
            assert ask(client, f"http://{host}:{origin.port}/").status == 403
        with proxy.connect("RULED") as client:
            response = ask(client, f"http://{host}:{origin.port}/")
            if host == "127.0.0.1":
                assert response.status == 403
                assert "rule: not-there" in response.text
            else:
                # [::1] is another address; nobody listens there
                assert response.status in {403, 502}
        assert len(origin.requests) == before
        with proxy.connect() as client:
            assert ask(client, f"http://{host}:{origin.port}/").status == 200


def test_a_refused_target_does_not_hinder_the_next_request(proxy: LimenProcess) -> None:
    with proxy.connect() as client:
        for _ in range(3):
            assert ask(client, "http://127.0.0.1:8080/").status == 403
        assert ask(client, f"127.0.0.1:{free_port()}", "CONNECT").status == 403
