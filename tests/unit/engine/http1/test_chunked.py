"""The chunked decoder, fed whole and in every small step."""

import pytest

from limen.engine.http1 import _probe
from tests.support.codec import chunks, decode_chunks, fault

TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LAST = b"0\r\n"


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (b"0\r\n", b""),
        (b"5\r\nhello\r\n0\r\n", b"hello"),
        (b"1\r\na\r\n2\r\nbc\r\n000\r\n", b"abc"),
        (b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n", b"0123456789" * 2),
        (b"0000000000000003\r\nabc\r\n0000000000000000\r\n", b"abc"),
        (b"2\r\n\r\n\r\n0\r\n", b"\r\n"),
        (b"5;a\r\nhello\r\n0;b=c\r\n", b"hello"),
        (b'5;a;b=c;d="e;\\"\\\\ f\t\xe9"\r\nhello\r\n0;x=""\r\n', b"hello"),
        (b"ff\r\n" + b"x" * 255 + b"\r\n0\r\n", b"x" * 255),
    ],
)
def test_contents(data, content):
    assert chunks(data) == (content, len(data), "last")
    # What follows the last chunk belongs to the trailer section.
    for more in (b"\r\n", b"a: b\r\n\r\n", b"GET"):
        assert decode_chunks([data + more]) == (content, len(data), "last")


def test_a_whole_content_in_any_two_pieces():
    data = b'3;a="b c"\r\nabc\r\n10;d\r\n0123456789abcdef\r\n0\r\n'
    for cut in range(len(data) + 1):
        assert decode_chunks([data[:cut], data[cut:]]) == (b"abc0123456789abcdef", len(data), "last")
    for cut in range(len(data)):
        assert decode_chunks([data[:cut]])[2] == "more"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\r\n", "CHUNK"),
        (b"g\r\n", "CHUNK"),
        (b" 5\r\n", "CHUNK"),
        (b"5 \r\n", "CHUNK"),
        (b"5\t\r\n", "CHUNK"),
        (b"+5\r\n", "CHUNK"),
        (b"-5\r\n", "CHUNK"),
        (b"0x5\r\n", "CHUNK"),
        (b"5_0\r\n", "CHUNK"),
        (b"5,\r\n", "CHUNK"),
        (b"5.\r\n", "CHUNK"),
        (b"\x005\r\n", "CHUNK"),
        (b"5\x00\r\n", "CHUNK"),
        (b"\xb2\r\n", "CHUNK"),
        (b";a\r\n", "CHUNK"),
        (b"00000000000000005\r\n", "CHUNK"),
        (b"8000000000000000\r\n", "CHUNK"),
        (b"ffffffffffffffff\r\n", "CHUNK"),
        (b"10000000000000000\r\n", "CHUNK"),
        (b"5;\r\n", "CHUNK"),
        (b"5; a\r\n", "CHUNK"),
        (b"5 ;a\r\n", "CHUNK"),
        (b"5;a \r\n", "CHUNK"),
        (b"5;a =b\r\n", "CHUNK"),
        (b"5;a= b\r\n", "CHUNK"),
        (b"5;a=\r\n", "CHUNK"),
        (b"5;=b\r\n", "CHUNK"),
        (b"5;a=b=c\r\n", "CHUNK"),
        (b"5;a;\r\n", "CHUNK"),
        (b"5;;a\r\n", "CHUNK"),
        (b'5;a="b\r\n"', "CHUNK"),
        (b'5;a="b"c\r\n', "CHUNK"),
        (b'5;a="b"=\r\n', "CHUNK"),
        (b'5;a="\x01"\r\n', "CHUNK"),
        (b'5;a="\\\x01"\r\n', "CHUNK"),
        (b'5;a="\x7f"\r\n', "CHUNK"),
        (b'5;"a"\r\n', "CHUNK"),
        (b"5;a=b\xe9\r\n", "CHUNK"),
        (b"5\nhello\r\n", "LINE_ENDING"),
        (b"\n", "LINE_ENDING"),
        (b"5\rhello\r\n", "LINE_ENDING"),
        (b"5\r\rhello", "LINE_ENDING"),
        (b"5;a\nhello", "LINE_ENDING"),
        (b"5;a=\nhello", "LINE_ENDING"),
        (b'5;a="\n"', "LINE_ENDING"),
        (b"5;a\rhello", "LINE_ENDING"),
        (b"0\r0", "LINE_ENDING"),
        (b"0\n", "LINE_ENDING"),
        (b"5\r\nhello\n0\r\n", "LINE_ENDING"),
        (b"5\r\nhello\r0\r\n", "LINE_ENDING"),
        (b"5\r\nhello0\r\n", "CHUNK"),
        (b"5\r\nhello \r\n", "CHUNK"),
        (b"5\r\nhellox\r\n", "CHUNK"),
        (b"5\r\nhello\r\n\r\n", "CHUNK"),
        (b"5\r\nhello\r\nx", "CHUNK"),
    ],
)
def test_refused(data, name):
    content, taken, event = chunks(data)
    assert event == fault(name)
    assert taken <= len(data)
    assert content in (b"", b"hello")


def test_every_byte_where_a_size_begins_and_ends():
    for byte in range(256):
        one = bytes([byte])
        at_start = decode_chunks([one + b"1\r\n"])[2]
        behind = decode_chunks([b"1" + one + b"\n"])[2]
        is_hex = one in b"0123456789abcdefABCDEF"
        assert (at_start == "more") == is_hex, byte
        if one == b"\r":
            assert behind == "more"
        elif is_hex or one in b";\n":
            assert behind == fault("LINE_ENDING"), byte
        else:
            assert behind == fault("CHUNK"), byte


def test_every_byte_in_an_extension():
    for byte in range(256):
        one = bytes([byte])
        name = decode_chunks([b"1;" + one + b"a\r\n"])[2]
        assert (name == "more") == (one in TOKEN), byte
        value = decode_chunks([b"1;a=" + one + b"b\r\n"])[2]
        assert (value == "more") == (one in TOKEN), byte
        quoted = decode_chunks([b'1;a="' + one + b' "\r\n'])[2]
        allowed = (byte >= 0x20 or byte == 9) and byte != 0x7F and one != b'"'
        assert (quoted == "more") == allowed, byte


def test_the_largest_size():
    decoder = _probe.Chunks()
    assert decoder.feed(b"7fffffffffffffff\r\nabc") == (b"abc", 21, "more")
    assert decoder.feed(b"x" * 1000) == (b"x" * 1000, 1000, "more")


def test_extensions_are_bounded_over_the_whole_content():
    # ";" counts too: 2 bytes each
    assert decode_chunks([b"1;a\r\nx\r\n" * 2048 + LAST])[2] == "last"
    assert decode_chunks([b"1;a\r\nx\r\n" * 2048 + b"0;a\r\n"])[2] == fault("CHUNK")
    assert decode_chunks([b"1;" + b"a" * 4095 + b"\r\n"])[2] == "more"
    assert decode_chunks([b"1;" + b"a" * 4096 + b"\r\n"])[2] == fault("CHUNK")
    assert decode_chunks([b'1;a="' + b"a" * 5000])[2] == fault("CHUNK")


def test_a_fault_is_for_good():
    decoder = _probe.Chunks()
    assert decoder.feed(b"5\n") == (b"", 2, fault("LINE_ENDING"))
    assert decoder.feed(b"0\r\n") == (b"", 0, fault("CHUNK"))


def test_nothing_is_taken_after_the_last_chunk():
    decoder = _probe.Chunks()
    assert decoder.feed(b"0\r\n\r\n") == (b"", 3, "last")
    assert decoder.feed(b"\r\n") == (b"", 0, "last")


def test_nothing_from_nothing():
    assert _probe.Chunks().feed(b"") == (b"", 0, "more")
