"""Address lists: reading a text, and a table that many look at."""

import os

import pytest

from limen.engine import _shield_probe as probe
from limen.engine.addresses import AddressSet
from limen.engine.listing import build
from limen.engine.lists import AddressList


def listed(text, **options):
    """The list in force."""
    memory = os.memfd_create("list")
    os.write(memory, build(text if isinstance(text, bytes) else text.encode(), **options))
    made = AddressList()
    made.replace(memory)
    os.close(memory)
    return made


def test_all_ways_to_write_an_entry():
    made = listed(
        "# a list\n\n 192.0.2.1 \r\n198.51.100.0/24 ; SBL1\n10.0.0.5-10.0.0.9\n203.0.113.1 - 203.0.113.2 # both\n"
        "2001:db8::/32\n2001:db9::5\n2001:dba::1-2001:dba:0:3::2\n::ffff:192.0.2.77"
    )
    assert made.entries == 8
    for address in (
        "192.0.2.1", "198.51.100.0", "198.51.100.255", "10.0.0.5", "10.0.0.9", "203.0.113.2", "192.0.2.77",
        "2001:db8::1", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::5", "2001:dba::1", "2001:dba:0:1::",
        "2001:dba:0:2:ffff::", "2001:dba:0:3::2",
    ):  # fmt: skip
        assert probe.is_listed(made, address), address
    for address in (
        "192.0.2.0", "192.0.2.2", "198.51.99.255", "198.51.101.0", "10.0.0.4", "10.0.0.10", "203.0.113.3",
        "2001:db7:ffff::", "2001:db9::", "2001:db9::4", "2001:db9::6", "2001:dba::", "2001:dba:0:3::3", "::1", "::",
    ):  # fmt: skip
        assert not probe.is_listed(made, address), address


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("300.1.1.1", "no address"),
        ("1.2.3.4/33", "no address"),
        ("1.2.3.4/", "no address"),
        ("example.com", "no address"),
        ("1.2.3.4 5.6.7.8", "no address"),
        ("1.2.3.4,5.6.7.8", "no address"),
        ("1.2.3.4-", "no address"),
        ("-", "no address"),
        ("2001:db8::%eth0", "no address"),
        ("10.0.0.1/8", "host bits"),
        ("2001:db8::1/32", "host bits"),
        ("10.0.0.9-10.0.0.5", "ends before"),
        ("10.0.0.9-2001:db8::", "between IPv4 and IPv6"),
        ("\0", "no address"),
    ],
)
def test_a_wrong_line_is_named(line, reason):
    with pytest.raises(ValueError, match=rf"^line 3: .*{reason}"):
        build(f"# first\n192.0.2.1\n{line}\n192.0.2.2\n".encode())


def test_bounds_and_edges():
    assert listed("").entries == 0
    assert not probe.is_listed(listed("# nothing\n"), "192.0.2.1")
    assert probe.is_listed(listed(b"\xef\xbb\xbf192.0.2.1"), "192.0.2.1")
    everything = listed("0.0.0.0/0\n::/0")
    for address in ("0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"):
        assert probe.is_listed(everything, address)
    with pytest.raises(ValueError, match="line 3: over 2 entries"):
        build(b"192.0.2.1\n192.0.2.2\n192.0.2.3\n", 2)


def test_neighbours_are_joined():
    assert len(listed("\n".join(f"10.0.{a}.{b}" for a in range(4) for b in range(256)))) == 1
    assert len(listed("\n".join(f"2001:db8:0:{net:x}::/64" for net in range(100)))) == 1


def test_an_empty_list_holds_nothing():
    made = AddressList()
    assert len(made) == 0
    assert not probe.is_listed(made, "192.0.2.1")
    assert not probe.is_listed(made, "2001:db8::1")


def test_a_set_takes_what_its_lists_take_whenever_they_change():
    bad = AddressList()
    joined = AddressSet(["10.0.0.0/8"], [bad, listed("192.0.2.0/24")])
    assert joined.matches("10.1.1.1")
    assert joined.matches("192.0.2.9")
    assert not joined.matches("198.51.100.1")
    memory = os.memfd_create("list")
    os.write(memory, build(b"198.51.100.0/24"))
    bad.replace(memory)
    assert joined.matches("198.51.100.1")
    os.close(memory)


@pytest.mark.parametrize("damage", ["magic", "short", "counts", "empty"])
def test_what_is_no_table_changes_nothing(damage):
    made = listed("192.0.2.1")
    table = build(b"198.51.100.1")
    if damage == "magic":
        table[0] ^= 1
    elif damage == "short":
        del table[-8:]
    elif damage == "counts":
        table[16:24] = (1 << 40).to_bytes(8, "little")
    else:
        table = bytearray()
    memory = os.memfd_create("list")
    os.write(memory, table)
    with pytest.raises(ValueError, match="address list"):
        made.replace(memory)
    os.close(memory)
    assert probe.is_listed(made, "192.0.2.1")
    assert not probe.is_listed(made, "198.51.100.1")
