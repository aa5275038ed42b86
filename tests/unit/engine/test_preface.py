"""The PROXY protocol: what is written can be read, what is malformed is refused, nothing is read beyond its end."""

import socket
import struct
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.engine._engine_probe import preface, wire
from limen.engine.engine import Engine

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def sixteen(address):
    found = ip_address(address)
    return (b"\0" * 10 + b"\xff\xff" if found.version == 4 else b"") + found.packed


def binary(command=0x21, family=0x11, content=b"", length=None):
    return (
        SIGNATURE + bytes([command, family]) + struct.pack("!H", len(content) if length is None else length) + content
    )


V4 = bytes([10, 0, 0, 1, 10, 0, 0, 2]) + struct.pack("!HH", 1000, 80)
V6 = sixteen("2001:db8::1") + sixteen("2001:db8::2") + struct.pack("!HH", 1000, 80)
GOOD = [
    (b"PROXY TCP4 10.0.0.1 10.0.0.2 1000 80\r\n", (4, "10.0.0.1", 1000)),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", (4, "255.255.255.255", 65535)),
    (b"PROXY TCP6 2001:db8::1 ::1 0 0\r\n", (6, "2001:db8::1", 0)),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
    (binary(0x20, 0x00), None),
    (binary(0x20, 0x11, V4), None),
    (binary(0x21, 0x00), None),
    (binary(0x21, 0x11, V4), (4, "10.0.0.1", 1000)),
    (binary(0x21, 0x12, V4), (4, "10.0.0.1", 1000)),
    (binary(0x21, 0x21, V6), (6, "2001:db8::1", 1000)),
    (binary(0x21, 0x31, b"x" * 216), None),
    (binary(0x21, 0x11, V4 + b"\x04\x00\x01x"), (4, "10.0.0.1", 1000)),
    (binary(0x21, 0x11, V4 + b"\x04" * 508), (4, "10.0.0.1", 1000)),
]
BAD = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"proxy TCP4 10.0.0.1 10.0.0.2 1000 80\r\n",
    b"PROXY  TCP4 10.0.0.1 10.0.0.2 1000 80\r\n",
    b"PROXY TCP4  10.0.0.1 10.0.0.2 1000 80\r\n",
    b"PROXY TCP4 10.0.0.1 10.0.0.2 1000 80 \r\n",
    b"PROXY TCP4 10.0.0.1 10.0.0.2 1000 80 1\r\n",
    b"PROXY TCP4 10.0.0.1 10.0.0.2 1000\r\n",
    b"PROXY TCP4 10.0.0.1 10.0.0.2 1000 80\n",
    b"PROXY TCP4 10.0.0.1 10.0.0.2 1000 65536\r\n",
    b"PROXY TCP4 10.0.0.1 10.0.0.2 01000 80\r\n",
    b"PROXY TCP4 10.0.0.1 10.0.0.2 -1 80\r\n",
    b"PROXY TCP4 10.0.0.1 10.0.0.2 +1 80\r\n",
    b"PROXY TCP4 010.0.0.1 10.0.0.2 1000 80\r\n",
    b"PROXY TCP4 10.0.0 10.0.0.2 1000 80\r\n",
    b"PROXY TCP4 ::1 ::1 1000 80\r\n",
    b"PROXY TCP4 10.0.0.1 ::1 1000 80\r\n",
    b"PROXY TCP6 10.0.0.1 10.0.0.2 1000 80\r\n",
    b"PROXY TCP5 10.0.0.1 10.0.0.2 1000 80\r\n",
    b"PROXY UDP4 10.0.0.1 10.0.0.2 1000 80\r\n",
    b"PROXY \r\n" + b" " * 20,
    b"PROXY UNKNOWN " + b"x" * 200 + b"\r\n",
    b"PROXY" + b"\0" * 20 + b"\r\n",
    SIGNATURE[:-1] + b"\r" + b"\x21\x11\x00\x0c" + V4,
    b"\r\nGET / HTTP/1.1",
    binary(0x11, 0x11, V4),
    binary(0x31, 0x11, V4),
    binary(0x22, 0x11, V4),
    binary(0x21, 0x11, V4[:-1]),
    binary(0x21, 0x11),
    binary(0x21, 0x21, V6[:-1]),
    binary(0x21, 0x13, V4),
    binary(0x21, 0x41, V4),
    binary(0x21, 0x11, b"x" * 521),
    binary(0x21, 0x11, b"", length=65535),
]


@pytest.mark.parametrize(("data", "source"), GOOD)
def test_good(data, source):
    result, family, ip, port = preface(data)
    assert result == len(data)
    assert (family, ip, port) == ((source[0], sixteen(source[1]), source[2]) if source else (0, b"\0" * 16, 0))
    assert preface(data, b"GET / HTTP/1.1\r\n\r\n") == (result, family, ip, port)
    for size in range(len(data)):
        assert preface(data[:size])[0] == 0, "not whole"


@pytest.mark.parametrize("data", BAD)
def test_bad(data):
    assert preface(data)[0] == -1
    for size in range(len(data)):
        assert preface(data[:size])[0] in {0, -1}
        if preface(data[:size])[0] == -1:
            assert preface(data[: size + 1])[0] == -1, "refused once, refused for good"


@pytest.mark.parametrize("data", [b"PROXY " + b"x" * 101, binary(length=521)])
def test_no_more_than_the_longest_header_is_waited_for(data):
    assert preface(data)[0] == -1


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_mutations_never_read_beyond(data):
    text = bytearray(data.draw(st.sampled_from([good for good, _ in GOOD] + BAD)))
    for _ in range(data.draw(st.integers(0, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.sampled_from(b"\r\n :.PROXY049\x00\x11\x21\xff"))
    text = bytes(text[: data.draw(st.integers(0, len(text)))])
    found = preface(text)
    assert found[0] <= len(text)
    if found[0] > 0:
        # whole: what lies behind does not matter
        for behind in (b"\0" * 64, b" " * 64, b"\xff" * 64):
            assert preface(text, behind) == found
        assert preface(text[: found[0]]) == found
        assert preface(text[: found[0] - 1])[0] == 0


@pytest.fixture
def engine():
    return Engine()


def connected(family, host):
    try:
        listener = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"{host} is not there")
    with listener:
        near = socket.create_connection(listener.getsockname()[:2])
        far, _ = listener.accept()
    return near, far


def written(engine, version, local, family, ip, port, name=b""):
    """What goes to an endpoint, for a source, with the local address of the client's connection."""
    a, b = socket.socketpair()
    with a, b:
        to = wire(engine, a.fileno())
        if local is None:
            c, d = socket.socketpair()
        else:
            c, d = connected(socket.AF_INET6 if ":" in local else socket.AF_INET, local)
        with c, d:
            client = wire(engine, d.fileno())
            to.preface_of(family, ip, port, client, version, name)
            client.shut()
            to.shut()
            a.close()
            return b.recv(1000), d.getsockname()


@pytest.mark.parametrize("local", ["127.0.0.1", "::1"])
def test_the_name_that_tls_asks_for(engine, local):
    """PP2_TYPE_AUTHORITY, in version 2 only; our own parser takes the longest."""
    name = b"a" * 255
    data, _ = written(engine, 2, local, ip_address(local).version, sixteen(local), 1, name)
    assert data.endswith(b"\x02\x00\xff" + name)
    assert int.from_bytes(data[14:16], "big") == len(data) - 16
    assert preface(data)[0] == len(data)
    plain, _ = written(engine, 2, local, ip_address(local).version, sixteen(local), 1)
    assert len(plain) == len(data) - 258
    assert name not in written(engine, 1, local, ip_address(local).version, sixteen(local), 1, name)[0]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("local", "source"), [("127.0.0.1", "203.0.113.7"), ("::1", "2001:db8::7"), ("::1", "::")])
def test_round_trip(engine, version, local, source):
    family = ip_address(source).version
    data, name = written(engine, version, local, family, sixteen(source), 4242)
    assert preface(data) == (len(data), family, sixteen(source), 4242)
    if version == 1:
        assert data.split()[3:] == [name[0].encode(), b"4242", b"%d" % name[1]]
    else:
        assert data[12:14] == (b"\x21\x11" if family == 4 else b"\x21\x21")
        assert data[-2:] == struct.pack("!H", name[1])


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("local", "family", "source"), [(None, 1, "::"), ("127.0.0.1", 6, "2001:db8::7"), (None, 4, "203.0.113.7")]
)
def test_without_addresses_of_one_family_none_are_sent(engine, version, local, family, source):
    data, _ = written(engine, version, local, family, sixteen(source), 1)
    assert preface(data) == (len(data), 0, b"\0" * 16, 0)
    assert len(data) == (15 if version == 1 else 16)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([1, 2]), st.ip_addresses(v=6), st.integers(0, 65535))
def test_round_trip_of_any_address(version, source, port):
    if source.ipv4_mapped:
        return
    data, _ = written(Engine(), version, "::1", 6, source.packed, port)
    assert preface(data) == (len(data), 6, source.packed, port)


def test_mapped_addresses_are_those_of_version_4():
    mapped = sixteen("::ffff:10.0.0.1") + sixteen("::ffff:10.0.0.2") + struct.pack("!HH", 1000, 80)
    assert preface(binary(0x21, 0x21, mapped))[1:] == (4, sixteen("10.0.0.1"), 1000)
    text = b"PROXY TCP6 ::ffff:10.0.0.1 ::ffff:10.0.0.2 1000 80\r\n"
    assert preface(text) == (len(text), 4, sixteen("10.0.0.1"), 1000)
