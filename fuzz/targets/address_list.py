"""The text of an address list: read into a table that can be looked up, or refused with the number of a line."""

import os

from limen.engine import _shield_probe as probe
from limen.engine.listing import build
from limen.engine.lists import AddressList

SEEDS = [
    b"# list\n192.0.2.0/24\n10.0.0.1-10.0.0.9\n\n198.51.100.7 ; note\r\n",
    b"2001:db8::/32\n2001:db8:1::1\n2001:db8:2::1-2001:db8:5::ffff\n::ffff:192.0.2.1\n::/0\n0.0.0.0/0\n",
    b"\xef\xbb\xbf255.255.255.255\nffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128\n",
]


def check(data: bytes) -> None:
    try:
        table = build(data, 10000)
    except ValueError as error:
        if not str(error).startswith("line "):
            raise
        return
    memory = os.memfd_create("list")
    try:
        os.write(memory, table)
        made = AddressList()
        made.replace(memory)
        for address in ("0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "2001:db8::1", "2001:db8:2::", "ffff::"):
            probe.is_listed(made, address)
        assert len(made) <= 3 * made.entries
    finally:
        os.close(memory)
