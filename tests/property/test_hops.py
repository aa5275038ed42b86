"""Asking proxies for tunnels: what is written is what was meant, and answers are told whatever way they are cut."""

import ipaddress
import struct

from hypothesis import given
from hypothesis import strategies as st

from limen.engine import _hops_probe as hops

MALFORMED, IDENTITY, REFUSED, TOO_LONG = -1, -2, -3, -4
names = st.from_regex(r"[a-z0-9]{1,40}(\.[a-z0-9]{1,40}){0,4}", fullmatch=True).filter(
    lambda name: not name.replace(".", "").isdigit()
)
hosts = st.one_of(names, st.ip_addresses().map(str))
ports = st.integers(1, 65535)


@given(hosts, ports, st.sampled_from([b"", b"Basic YTpi"]))
def test_connect_names_the_target_twice(host: str, port: int, authorization: bytes) -> None:
    wire = hops.connect(host.encode(), port, authorization)
    assert wire is not None
    start, *fields = wire.removesuffix(b"\r\n\r\n").decode().split("\r\n")
    method, authority, version = start.split(" ")
    assert (method, version) == ("CONNECT", "HTTP/1.1")
    assert fields[0] == f"Host: {authority}"
    assert fields[1:] == ([f"Proxy-Authorization: {authorization.decode()}"] if authorization else [])
    named, _, number = authority.rpartition(":")
    assert int(number) == port
    if ":" in host and not (ipaddress.ip_address(host).ipv4_mapped):
        assert named.startswith("[")
        assert _same(named.strip("[]"), host)
    else:
        # an IPv4 address in an IPv6 one is what it is dialled as
        assert named == (str(ipaddress.ip_address(host).ipv4_mapped) if ":" in host else host)


def _same(one: str, other: str) -> bool:
    left, right = ipaddress.ip_address(one), ipaddress.ip_address(other)
    return left == right or left in (getattr(right, "ipv4_mapped", None), right)


@given(hosts, ports)
def test_socks_asks_for_names_as_names(host: str, port: int) -> None:
    wire = hops.asked(host.encode(), port)
    assert wire is not None
    assert wire[:3] == b"\x05\x01\x00"
    assert struct.unpack(">H", wire[-2:]) == (port,)
    if wire[3] == 3:
        assert wire[5:-2] == host.encode()
        assert wire[4] == len(host)
    else:
        packed = wire[4:-2]
        assert wire[3] == (1 if len(packed) == 4 else 4)
        assert _same(str(ipaddress.ip_address(packed)), host)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_socks_credentials(user: bytes, password: bytes) -> None:
    wire = hops.login(user, password)
    if not user or len(user) > 255 or len(password) > 255:
        assert wire is None
    else:
        assert wire == bytes([1, len(user), *user, len(password), *password])


@given(st.integers(0, 999), st.binary(max_size=40))
def test_only_2xx_opens(status: int, behind: bytes) -> None:
    # (a length has no place in an interim answer: RFC 9110, 8.6)
    length = b"" if status < 200 else b"Content-Length: 3\r\n"
    head = b"HTTP/1.1 %03d Word\r\n%b\r\n" % (status, length)
    size, told = hops.connected(head + behind)
    if 200 <= status < 300:
        assert (size, told) == (len(head), status)
    elif status == 407:
        assert size == IDENTITY
    elif 300 <= status < 600:
        assert size == REFUSED
    elif 100 < status < 200 and status != 101:
        assert hops.connected(head + b"HTTP/1.1 200 OK\r\n\r\n" + behind)[0] == len(head) + 19
    else:
        assert size in (MALFORMED, REFUSED, 0)


@given(st.sampled_from([1, 3, 4]), st.binary(max_size=255), st.binary(max_size=20))
def test_replies_end_where_they_end(kind: int, name: bytes, behind: bytes) -> None:
    body = {1: bytes(4), 3: bytes([len(name)]) + name, 4: bytes(16)}[kind]
    reply = b"\x05\x00\x00" + bytes([kind]) + body + b"\x00\x50"
    assert hops.opened(reply + behind) == (len(reply), 0)
    for cut in range(len(reply)):
        assert hops.opened(reply[:cut])[0] == 0


@given(st.integers(1, 255))
def test_refusals_need_no_address(code: int) -> None:
    assert hops.opened(bytes([5, code])) == (REFUSED, code)
    assert hops.opened(bytes([5, code, 0, 1]) + bytes(6)) == (REFUSED, code)


@given(st.integers(0, 255), st.booleans())
def test_a_method_that_was_not_offered_is_none(method: int, credentials: bool) -> None:
    size, login = hops.method(bytes([5, method]), credentials)
    if method == 0:
        assert (size, login) == (2, False)
    elif method == 2 and credentials:
        assert (size, login) == (2, True)
    else:
        assert size == (IDENTITY if method == 255 else MALFORMED)


@given(st.binary(min_size=1, max_size=8))
def test_other_versions_are_nothing(data: bytes) -> None:
    if data[0] != 5:
        assert hops.method(data, True)[0] == hops.opened(data)[0] == MALFORMED
        if data[0] != 1:
            assert hops.logged_in(data) == MALFORMED


def test_an_endless_answer_is_given_up() -> None:
    assert hops.connected(b"HTTP/1.1 200 OK\r\nA: " + b"a" * 16384)[0] in (MALFORMED, TOO_LONG)
    assert hops.connected(b"HTTP/1.1 103 Early\r\n\r\n" * 2000)[0] == TOO_LONG


def test_no_room_is_said() -> None:
    assert hops.connect(b"a.example", 80, b"B" * 2000) is None
