"""JA4 against the examples of its description, and against hellos put together in another order."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.engine.tls._probe import fingerprint
from tests.unit.engine.tls.test_hello import MESSAGE, hello, records

CHROME_CIPHERS = "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035"
CHROME_EXTENSIONS = "0000,0033,000d,0023,000b,ff01,000a,001b,4469,0012,002d,0010,0005,002b,0017,0015"
CHROME_SIGNATURES = "0403,0804,0401,0503,0805,0501,0806,0601"
GREASE = [value << 8 | value for value in range(0x0A, 0x100, 0x10)]


def numbers(text):
    return [int(word, 16) for word in text.split(",") if word]


def two(number):
    return number.to_bytes(2, "big")


def built(
    ciphers, extensions, signatures, *, alpn=(b"h2",), versions=(0x0304, 0x0303), version=0x0303, name=b"a.example"
):
    """A hello with these numbers, in this order."""
    bodies = {
        0: two(len(name) + 3) + b"\0" + two(len(name)) + name,
        13: two(2 * len(signatures)) + b"".join(map(two, signatures)),
        16: two(sum(len(one) + 1 for one in alpn)) + b"".join(bytes([len(one)]) + one for one in alpn),
        43: bytes([2 * len(versions)]) + b"".join(map(two, versions)),
    }
    laid = b"".join(two(kind) + two(len(bodies.get(kind, b""))) + bodies.get(kind, b"") for kind in extensions)
    body = two(version) + bytes(32) + b"\0" + two(2 * len(ciphers)) + b"".join(map(two, ciphers)) + b"\1\0"
    if extensions:
        body += two(len(laid)) + laid
    return records(b"\1" + len(body).to_bytes(3, "big") + body, ())


def test_the_example_of_the_description():
    whole = built(numbers(CHROME_CIPHERS), numbers(CHROME_EXTENSIONS), numbers(CHROME_SIGNATURES))
    assert fingerprint(whole) == b"t13d1516h2_8daaf6152771_e5627efa2ab1"


@given(st.randoms(use_true_random=False), st.lists(st.sampled_from(GREASE), max_size=3))
def test_order_and_grease_do_not_count(random, grease):
    ciphers, extensions = numbers(CHROME_CIPHERS) + grease, numbers(CHROME_EXTENSIONS) + sorted(set(grease))
    random.shuffle(ciphers)
    random.shuffle(extensions)
    versions = [0x0303, *grease, 0x0304]
    whole = built(ciphers, extensions, [*grease, *numbers(CHROME_SIGNATURES)], versions=versions)
    assert fingerprint(whole) == b"t13d1516h2_8daaf6152771_e5627efa2ab1"


@pytest.mark.parametrize(
    ("protocol", "shown"),
    [
        (b"h2", b"h2"), (b"http/1.1", b"h1"), (b"\xab", b"ab"), (b"\xab\xcd", b"ad"), (b"\x30\xab", b"3b"),
        (b"\x30\x31\xab\xcd", b"3d"), (b"\x30\xab\xcd\x31", b"01"), (b"\x61", b"aa"), (b"a-", b"6d"),
    ],
)  # fmt: skip
def test_protocols(protocol, shown):
    assert fingerprint(built([0x1301], [0, 16, 43], [], alpn=(protocol, b"zz")))[8:10] == shown


@pytest.mark.parametrize(
    ("versions", "version", "shown"),
    [
        ((), 0x0303, b"12"), ((0x0304,), 0x0303, b"13"), ((0x0302, 0x0301), 0x0303, b"11"), ((), 0x0301, b"10"),
        ((), 0x0300, b"s3"), ((), 0x0002, b"s2"), ((0x7F1C,), 0x0303, b"00"), ((0x0A0A,), 0x0303, b"12"),
    ],
)  # fmt: skip
def test_versions(versions, version, shown):
    whole = built([0x1301], [43] if versions else [], [], versions=versions, version=version)
    assert fingerprint(whole)[1:3] == shown


def test_with_nothing_to_hash():
    assert fingerprint(built([0x0A0A], [], [])) == b"t12i000000_000000000000_000000000000"
    assert fingerprint(built([0x0A0A], [0, 16], [])) == b"t12d0002h2_000000000000_000000000000"
    many = built(list(range(0x1000, 0x1100)), [0x0005], [])
    assert fingerprint(many)[4:8] == b"9901"
    assert fingerprint(many).endswith(b"_" + hashlib.sha256(b"0005").hexdigest()[:12].encode())


def test_lies_about_lengths_stay_inside():
    # lists that claim to be longer than their extension
    for kind, body in [
        (43, b"\xff\x03\x04"),
        (13, b"\xff\xff\x04\x03"),
        (13, b""),
        (43, b""),
        (13, b"\0"),
        (43, b"\2\3"),
    ]:
        laid = two(kind) + two(len(body)) + body
        message = two(0x0303) + bytes(32) + b"\0\0\2\x13\1\1\0" + two(len(laid)) + laid
        assert len(fingerprint(records(b"\1" + len(message).to_bytes(3, "big") + message, ()))) == 36


def test_of_a_real_client():
    assert fingerprint(hello())[:4] == b"t13d"
    assert fingerprint(hello(None))[:4] == b"t13i"
    assert fingerprint(records(MESSAGE, {7, 100})) == fingerprint(records(MESSAGE, ()))
