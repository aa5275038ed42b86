"""SOCKS messages: what follows one does not count, no part of one is whole, no target breaks the text around it."""

from limen.engine import _socks_probe as probe

SEEDS = [
    b"\x05\x01\x00",
    b"\x05\x03\x00\x01\x02",
    b"\x05\x00",
    b"\x01\x05alice\x06secret",
    b"\x05\x01\x00\x01\xc0\x00\x02\x01\x01\xbb",
    b"\x05\x01\x00\x03\x0bexample.com\x01\xbb",
    b"\x05\x03\x00\x04" + bytes(15) + b"\x01\x00\x35",
    b"\x04\x01\x01\xbb\xc0\x00\x02\x01me\x00",
    b"\x04\x01\x01\xbb\x00\x00\x00\x01me\x00example.com\x00",
    b"\x00\x00\x00\x01\xc0\x00\x02\x01\x00\x35question",
    b"\x00\x00\x01\x01\xc0\x00\x02\x01\x00\x35fragment",
    b"\x00\x00\x00\x03\x0bexample.com\x01\xbbquestion",
]
MOST = 524


def check(data: bytes) -> None:
    """One input, read as each of the messages."""
    for parse in (probe.greeting, probe.pair, probe.request):
        taken, *found = parse(data)
        assert -128 < taken <= min(MOST, len(data))
        if taken == 0:
            assert len(data) < MOST
        elif taken > 0:
            assert parse(data[:taken] + b"\x05") == (taken, *found)
            assert all(parse(data[:cut])[0] == 0 for cut in range(taken))
        else:
            assert parse(data + b"\x05")[0] == taken
    for parse in (probe.request, probe.datagram):
        taken, seen = parse(data)
        if seen is None:
            continue
        target = seen["target"]
        if isinstance(target, bytes):
            assert target.endswith(b":%d" % seen["port"])
            assert len(target) <= 264
            assert all(33 <= byte <= 126 for byte in target)
        else:
            assert seen["kind"] == 3
            assert target < 0
