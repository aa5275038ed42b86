"""PROXY protocol headers: whatever follows one does not count, and no part of one is whole."""

import struct

from limen.engine import _engine_probe as probe

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LOCAL = b"\x20\x00\x00\x00"
IPV4 = b"\x21\x11" + struct.pack("!H", 12) + bytes(range(12))
IPV6 = b"\x21\x21" + struct.pack("!H", 42) + bytes(range(36)) + b"\x04\x00\x03abc"
SEEDS = [
    b"PROXY TCP4 192.0.2.1 198.51.100.7 40000 443\r\nGET / HTTP/1.1\r\n",
    b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n",
    b"PROXY UNKNOWN\r\n",
    SIGNATURE + LOCAL,
    SIGNATURE + IPV4 + b"GET / HTTP/1.1\r\n",
    SIGNATURE + IPV6,
]
MOST = 536


def check(data: bytes) -> None:
    """One input."""
    size, family, ip, port = probe.preface(data)
    assert -1 <= size <= min(MOST, len(data))
    if size == 0:
        assert len(data) < MOST
    if size <= 0:
        return
    assert family in {0, 4, 6}
    assert probe.preface(data[:size], b"GET") == (size, family, ip, port)
    assert probe.preface(data[: size - 1])[0] == 0
