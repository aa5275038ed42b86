"""Hellos as Python's ssl writes them, cut, mutated and laid over several records."""

import itertools
import ssl

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from limen.engine.tls._probe import read_hello


def hello(name="www.a.example", protocols=("h2", "http/1.1")):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    if protocols:
        context.set_alpn_protocols([*protocols])
    if name is None:
        context.check_hostname = False
    session = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


WHOLE = hello()
MESSAGE = WHOLE[5:]


def records(message, cuts):
    """The message over several records."""
    places = [0, *sorted(cuts), len(message)]
    parts = [message[a:b] for a, b in itertools.pairwise(places) if b > a]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in parts)


def test_names_and_protocols():
    assert read_hello(WHOLE) == (b"www.a.example", [b"h2", b"http/1.1"], len(MESSAGE))
    assert read_hello(hello("b.example", ())) == (b"b.example", [], len(hello("b.example", ())) - 5)
    assert read_hello(hello(None, ("smtp",)))[:2] == (b"", [b"smtp"])


def test_what_follows_is_none_of_our_business():
    assert read_hello(WHOLE + b"\x17\x03\x03") == read_hello(WHOLE)


@given(st.integers(0, len(WHOLE) - 1))
def test_a_part_is_never_whole(size):
    assert read_hello(WHOLE[:size]) is None


@given(st.sets(st.integers(1, len(MESSAGE) - 1), max_size=40))
def test_over_several_records(cuts):
    data = records(MESSAGE, cuts)
    assert read_hello(data) == read_hello(WHOLE)
    for size in {0, 1, 6, len(data) // 2, len(data) - 1}:
        assert read_hello(data[:size]) is None


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_mutations_never_read_beyond(changes):
    data = bytearray(WHOLE)
    for at, value in changes:
        data[at] = value
    try:
        found = read_hello(bytes(data))
    except ValueError:
        return
    assert found is None or len(found[0]) <= 255


@given(st.binary(max_size=200))
@example(b"")
def test_noise(data):
    try:
        found = read_hello(data)
    except ValueError:
        return
    assert found is None or data[:1] == b"\x16"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x15\x03\x01\x00\x02\x01\x00",
        b"\x16\x02\x00\x00\x05",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x40\x01\x01",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
    ],
)
def test_what_is_no_hello(data):
    with pytest.raises(ValueError, match="no client hello"):
        read_hello(data)


def twice(kind):
    """The hello with one of its extensions repeated."""
    start = 38 + 1 + MESSAGE[38]
    start += 2 + int.from_bytes(MESSAGE[start : start + 2], "big")
    start += 1 + MESSAGE[start]
    # (looked for behind what is random)
    at = MESSAGE.index(b"www.a.example", start) - 9 if kind == 0 else MESSAGE.index(b"\x02h2", start) - 6
    size = 4 + int.from_bytes(MESSAGE[at + 2 : at + 4], "big")
    assert int.from_bytes(MESSAGE[at : at + 2], "big") == kind
    body = bytearray(MESSAGE + MESSAGE[at : at + size])
    body[start : start + 2] = (len(body) - start - 2).to_bytes(2, "big")
    body[1:4] = (len(body) - 4).to_bytes(3, "big")
    return records(bytes(body), ())


@pytest.mark.parametrize("kind", [0, 16])
def test_extensions_told_twice(kind):
    with pytest.raises(ValueError, match="no client hello"):
        read_hello(twice(kind))
