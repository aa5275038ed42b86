"""SOCKS messages made from what they say: read back, in whatever pieces, they say it; fuzzing's laws hold for them."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from fuzz.targets.socks import check
from limen.engine import _socks_probe as probe

PORT = st.integers(0, 65535)
TEXT = st.binary(min_size=1, max_size=255)
NAME = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=60).map(str.encode)


@given(st.binary(max_size=700))
def test_whatever_comes(data):
    check(data)


@given(st.sampled_from([b"\x05", b"\x04\x01", b"\x05\x01\x00", b"\x01", b"\x00\x00\x00"]), st.binary(max_size=600))
def test_whatever_comes_after_a_beginning(start, rest):
    check(start + rest)


@given(st.lists(st.integers(0, 255), max_size=255), st.binary(max_size=5))
def test_greetings(methods, after):
    data = bytes([5, len(methods), *methods])
    assert probe.greeting(data + after) == (len(data), {number for number in methods if number < 32})


@given(TEXT, TEXT, st.binary(max_size=5))
def test_pairs(user, password, after):
    data = bytes([1, len(user)]) + user + bytes([len(password)]) + password
    assert probe.pair(data + after) == (len(data), user, password)
    check(data)


@given(st.integers(0, 255), st.one_of(st.ip_addresses(), NAME), PORT, st.binary(max_size=5))
def test_requests(command, host, port, after):
    if isinstance(host, bytes):
        kind, written, text = 3, bytes([len(host)]) + host, host
    else:
        kind, written, text = (1 if host.version == 4 else 4), host.packed, str(host).encode()
        if host.version == 6:
            mapped = host.ipv4_mapped
            text = f"[{host}]".encode() if mapped is None else None
    message = bytes([kind]) + written + port.to_bytes(2, "big")
    data = bytes([5, command, 0]) + message
    taken, seen = probe.request(data + after)
    assert (taken, seen["command"], seen["port"]) == (len(data), command, port)
    if text is not None:
        assert seen["target"] == text + b":%d" % port
    assert probe.datagram(bytes(3) + message + after)[1]["target"] == seen["target"]
    check(data)


@given(st.ip_addresses(v=4), PORT, TEXT.filter(lambda text: 0 not in text), NAME)
def test_version_4(address, port, user, name):
    start = b"\x04\x01" + port.to_bytes(2, "big")
    taken, seen = probe.request(start + address.packed + user + b"\0" + name + b"\0")
    if int(address) < 256 and int(address):
        assert seen["target"] == name + b":%d" % port
        assert taken == 10 + len(user) + len(name)
    else:
        assert seen["target"] == b"%b:%d" % (str(ipaddress.ip_address(address)).encode(), port)
        assert taken == 9 + len(user)
    assert seen["user"] == user
