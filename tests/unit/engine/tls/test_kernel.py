"""What the kernel has to be told to go on sealing where libssl is: keys, and the number of the next record."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from limen.engine.tls._probe import expand_secret, outgoing

SECRET = "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"
LINE = f"SERVER_TRAFFIC_SECRET_0 {'5c' * 32} {SECRET}".encode()


def test_keys_as_published():
    """RFC 8448, 3: the server's keys for application data."""
    secret, records, left = outgoing(LINE, [])
    assert (secret.hex(), records, left) == (SECRET, 0, 0)
    assert expand_secret(secret, b"key", 16).hex() == "9f02283b6c9c07efc26bb9f2ac92e356"
    assert expand_secret(secret, b"iv", 12).hex() == "cf782b88dd83549aadf1e984"


@given(st.binary(min_size=48, max_size=48), st.sampled_from([(b"key", 32), (b"iv", 12), (b"traffic upd", 48)]))
def test_keys_of_the_other_hash(secret, asked):
    label, size = asked
    info = size.to_bytes(2, "big") + bytes([6 + len(label)]) + b"tls13 " + label + b"\0"
    assert expand_secret(secret, label, size) == HKDFExpand(hashes.SHA384(), size, info).derive(secret)


@pytest.mark.parametrize(
    "line",
    [
        LINE.replace(b"SERVER_TRAFFIC_SECRET_0", b"CLIENT_TRAFFIC_SECRET_0"),
        LINE.replace(b"SERVER_TRAFFIC_SECRET_0", b"SERVER_HANDSHAKE_TRAFFIC_SECRET"),
        LINE[:-2],
        LINE[:-1] + b"g",
        LINE[:50],
        b"SERVER_TRAFFIC_SECRET_0 ",
        b"",
    ],
)
def test_other_lines_tell_nothing(line):
    assert outgoing(line, [b"\x17\x03\x03\x00\x01x"])[0] == b""


RECORDS = st.lists(st.tuples(st.sampled_from([20, 22, 23]), st.integers(0, 16640)), max_size=12)


@given(RECORDS, st.lists(st.integers(1, 20000), min_size=1, max_size=30), st.integers(0, 60000))
def test_records_are_counted_in_pieces_of_any_size(records, sizes, cut):
    stream, ends, number = b"", [], 0
    for kind, length in records:
        stream += bytes([kind, 3, 3]) + length.to_bytes(2, "big") + bytes(length)
        ends.append((len(stream), length, kind))
    stream = stream[:cut]
    pieces, at = [], 0
    while at < len(stream):
        size = sizes[number % len(sizes)]
        pieces.append(stream[at : at + size])
        at, number = at + size, number + 1
    # a record counts from the moment when its header has passed
    begun = [(end, kind) for end, length, kind in ends if len(stream) >= end - length]
    wanted = sum(kind == 23 for _, kind in begun)
    left = max((end - len(stream) for end, _ in begun), default=0)
    _, counted, remaining = outgoing(LINE, pieces)
    assert (counted, remaining) == (wanted, max(left, 0))
