"""Keytabs: read strictly, cut down to the keys of one service, and never a crash."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.policy.identity.keytabs import keys_of, parse_keytab, realms_of, write_keytab
from limen.policy.identity.passwords import FileRefused


def counted(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def entry(principal: str, key: bytes = b"k" * 32, *, tail: bytes = b"\0\0\0\2") -> bytes:
    name, _, realm = principal.partition("@")
    parts = name.split("/")
    content = struct.pack(">H", len(parts)) + counted(realm.encode()) + b"".join(counted(one.encode()) for one in parts)
    content += struct.pack(">IIBH", 1, 1700000000, 2, 18) + counted(key) + tail
    return struct.pack(">i", len(content)) + content


ONE, OTHER, FAR = entry("HTTP/one.test@A.TEST"), entry("HTTP/two.test@A.TEST", tail=b""), entry("HTTP/one.test@B.TEST")
HOLE = struct.pack(">i", -12) + bytes(12)
WHOLE = b"\x05\x02" + ONE + HOLE + OTHER + FAR


def test_entries_and_holes():
    found = parse_keytab(WHOLE)
    assert [one.principal for one in found] == ["HTTP/one.test@A.TEST", "HTTP/two.test@A.TEST", "HTTP/one.test@B.TEST"]
    assert write_keytab(found) == b"\x05\x02" + ONE + OTHER + FAR
    assert "kkk" not in repr(found)
    assert parse_keytab(b"\x05\x02") == []


@pytest.mark.parametrize(
    ("service", "records"),
    [
        (None, [ONE, OTHER, FAR]),
        ("HTTP@one.test", [ONE, FAR]),
        ("HTTP/one.test", [ONE, FAR]),
        ("HTTP/one.test@B.TEST", [FAR]),
        ("HTTP@two.test", [OTHER]),
    ],
)
def test_the_keys_of_a_service(service, records):
    assert [one.record for one in keys_of(WHOLE, service)] == records


@pytest.mark.parametrize("service", ["HTTP@three.test", "http@one.test", "HTTP/one.test@C.TEST", "HTTP", "one.test"])
def test_none_of_a_service(service):
    with pytest.raises(FileRefused, match=r"it has those of HTTP/one\.test@A\.TEST, HTTP/one\.test@B\.TEST, HTTP/two"):
        keys_of(WHOLE, service)


def test_none_at_all():
    with pytest.raises(FileRefused, match=r"no key of anybody in it$"):
        keys_of(b"\x05\x02", None)


def test_realms():
    entries = parse_keytab(WHOLE)
    assert realms_of(entries, None) == {"A.TEST", "B.TEST"}
    assert realms_of(entries, ["C.TEST"]) == {"C.TEST"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x05\x01" + ONE,
        b"# a text\n",
        WHOLE[:-1],
        WHOLE + b"\0",
        b"\x05\x02" + bytes(4),
        b"\x05\x02" + struct.pack(">i", 2) + b"\0\xff",
        b"\x05\x02" + struct.pack(">i", 4) + b"\0\1\0\xff",
        b"\x05\x02" + ONE.replace(b"one", b"\xff\xfe\xfd"),
    ],
)
def test_broken(content):
    with pytest.raises(FileRefused, match=r"keytab of version 2|broken at byte"):
        parse_keytab(content)


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=6), st.integers(0, len(WHOLE)))
def test_anything(changes, size):
    content = bytearray(WHOLE)
    for place, value in changes:
        content[place] = value
    try:
        found = parse_keytab(bytes(content[:size]))
    except FileRefused:
        return
    assert all(one.record in content for one in found)
