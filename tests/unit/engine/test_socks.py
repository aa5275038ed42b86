"""SOCKS messages by table: whole, byte by byte, and with bytes after the end."""

import pytest

from limen.engine import _socks_probe as probe
from limen.faults import FaultNumber

FAULT = {name: -int(number) for name, number in FaultNumber.__members__.items()}
V6 = bytes.fromhex("20010db8000000000000000000000001")


@pytest.mark.parametrize(
    ("data", "methods"),
    [
        (b"\x05\x01\x00", {0}),
        (b"\x05\x03\x00\x01\x02", {0, 1, 2}),
        (b"\x05\x00", set()),
        (b"\x05\x02\xff\x80", set()),
        (b"\x05\xff" + bytes([2]) * 255, {2}),
    ],
)
def test_greeting(data, methods):
    assert probe.greeting(data) == (len(data), methods)
    assert probe.greeting(data + b"\x05\x01") == (len(data), methods)
    assert all(probe.greeting(data[:cut])[0] == 0 for cut in range(len(data)))


@pytest.mark.parametrize("data", [b"\x04", b"\x06\x01\x00", b"G"])
def test_no_greeting(data):
    assert probe.greeting(data)[0] == FAULT["SOCKS"]


def test_pair():
    longest = b"\x01\xff" + b"u" * 255 + b"\xff" + b"p" * 255
    for data, user, password in [(b"\x01\x01u\x01p", b"u", b"p"), (longest, b"u" * 255, b"p" * 255)]:
        assert probe.pair(data) == (len(data), user, password)
        assert probe.pair(data + b"\x05\x01\x00") == (len(data), user, password)
        assert all(probe.pair(data[:cut]) == (0, None, None) for cut in range(len(data)))
    for bad in (b"\x05\x01u\x01p", b"\x01\x00", b"\x01\x01u\x00"):
        assert probe.pair(bad)[0] == FAULT["SOCKS"]


@pytest.mark.parametrize(
    ("data", "command", "target"),
    [
        (b"\x05\x01\x00\x01\xc0\x00\x02\x01\x01\xbb", 1, b"192.0.2.1:443"),
        (b"\x05\x02\x00\x01\xc0\x00\x02\x01\x00\x00", 2, b"192.0.2.1:0"),
        (b"\x05\x03\x00\x04" + V6 + b"\xff\xff", 3, b"[2001:db8::1]:65535"),
        (b"\x05\x01\x00\x03\x0bexample.com\x00\x50", 1, b"example.com:80"),
        # some clients write addresses as names
        (b"\x05\x01\x00\x03\x03::1\x00\x50", 1, b"[::1]:80"),
        (b"\x05\x01\x00\x03\x07::1%eth\x00\x50", 1, b"::1%eth:80"),
        (b"\x05\x01\x00\x03\xff" + b"a" * 255 + b"\x27\x10", 1, b"a" * 255 + b":10000"),
        (b"\x04\x01\x00\x50\xc0\x00\x02\x01\x00", 1, b"192.0.2.1:80"),
        (b"\x04\x02\x00\x50\xc0\x00\x02\x01somebody\x00", 2, b"192.0.2.1:80"),
        (b"\x04\x01\x00\x50\x00\x00\x00\x01me\x00example.com\x00", 1, b"example.com:80"),
        (b"\x04\x01\x00\x50\x00\x00\x00\x00me\x00", 1, b"0.0.0.0:80"),
        (b"\x04\x01\x00\x50\x00\x00\x00\x01" + b"u" * 255 + b"\x00" + b"a" * 255 + b"\x00", 1, b"a" * 255 + b":80"),
    ],
)
def test_request(data, command, target):
    taken, seen = probe.request(data)
    assert taken == len(data)
    assert (seen["version"], seen["command"], seen["target"]) == (data[0], command, target)
    assert probe.request(data + b"more") == (taken, seen)
    assert all(probe.request(data[:cut]) == (0, None) for cut in range(len(data)))


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"\x06", "SOCKS"),
        (b"\x05\x01\x01\x01\xc0\x00\x02\x01\x01\xbb", "SOCKS"),
        (b"\x05\x01\x00\x02\xc0\x00\x02\x01\x01\xbb", "SOCKS_ADDRESS"),
        (b"\x05\x01\x00\x03\x00\x01\xbb", "TARGET"),
        (b"\x04\x01\x00\x50\x00\x00\x00\x01me\x00\x00", "TARGET"),
        (b"\x04\x01\x00\x50\xc0\x00\x02\x01" + b"u" * 256, "SOCKS"),
        (b"\x04\x01\x00\x50\x00\x00\x00\x01me\x00" + b"a" * 256, "SOCKS"),
    ],
)
def test_no_request(data, fault):
    assert probe.request(data) == (FAULT[fault], None)
    assert probe.request(data + b"\x00") == (FAULT[fault], None)


@pytest.mark.parametrize("name", [b"a b", b"a\r\nHost", b"a\x00b", b"\xc3\xa9.example", b"a\x7f"])
def test_names_that_would_break_the_text_around_them(name):
    taken, seen = probe.request(b"\x05\x01\x00\x03" + bytes([len(name)]) + name + b"\x00\x50")
    assert taken > 0
    assert seen["target"] == FAULT["TARGET"]


def test_datagram():
    taken, seen = probe.datagram(b"\x00\x00\x00\x01\xc0\x00\x02\x01\x00\x35question")
    assert (taken, seen["target"]) == (10, b"192.0.2.1:53")
    taken, seen = probe.datagram(b"\x00\x00\x00\x03\x01a\x00\x35")
    assert (taken, seen["target"]) == (8, b"a:53")
    for bad in (
        b"",
        b"\x00\x00\x00",
        b"\x00\x00\x01\x01\xc0\x00\x02\x01\x00\x35fragment",
        b"\x01\x00\x00\x01\xc0\x00\x02\x01\x00\x35",
        b"\x00\x00\x00\x05\xc0\x00\x02\x01\x00\x35",
        b"\x00\x00\x00\x04\xc0\x00\x02\x01\x00\x35",
        b"\x00\x00\x00\x03\x00\x00\x35",
    ):
        assert probe.datagram(bad) == (FAULT["DATAGRAM"], None)


def test_replies():
    assert probe.reply(5, 0) == b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
    assert probe.reply(5, 2, "192.0.2.1", 443) == b"\x05\x02\x00\x01\xc0\x00\x02\x01\x01\xbb"
    assert probe.reply(5, 0, "2001:db8::1", 80) == b"\x05\x00\x00\x04" + V6 + b"\x00\x50"
    assert probe.reply(4, 90, "192.0.2.1", 443) == b"\x00\x5a\x01\xbb\xc0\x00\x02\x01"
    assert probe.datagram_head("192.0.2.1", 53) == b"\x00\x00\x00\x01\xc0\x00\x02\x01\x00\x35"


@pytest.mark.parametrize(
    ("fault", "five", "four"),
    [
        ("NONE", 0, 0x5A),
        ("DENIED", 2, 0x5B),
        ("TARGET_ADDRESS", 2, 0x5B),
        ("LOOP", 2, 0x5B),
        ("IDENTITY", 2, 0x5D),
        ("LIMIT_RATE", 2, 0x5B),
        ("DIAL_UNREACHABLE", 3, 0x5B),
        ("DNS", 4, 0x5B),
        ("DNS_TIMEOUT", 4, 0x5B),
        ("DIAL_REFUSED", 5, 0x5B),
        ("DIAL_TIMEOUT", 6, 0x5B),
        ("SOCKS_COMMAND", 7, 0x5B),
        ("SOCKS_ADDRESS", 8, 0x5B),
        ("TARGET", 1, 0x5B),
        ("SOCKS_METHOD", 1, 0x5D),
        ("INTERNAL", 1, 0x5B),
    ],
)
def test_codes(fault, five, four):
    assert (probe.code(5, FaultNumber[fault]), probe.code(4, FaultNumber[fault])) == (five, four)
