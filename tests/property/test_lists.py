"""Address lists against the standard library: any text of entries, and every address near a border."""

import ipaddress
import os

from hypothesis import given
from hypothesis import strategies as st

from limen.engine import _shield_probe as probe
from limen.engine.listing import build
from limen.engine.lists import AddressList

# Few addresses close together, so that ranges touch, overlap and cross /64.
FOUR = st.one_of(
    st.integers(0, 2**32 - 1),
    st.integers(0, 600).map(lambda number: 0x0A00FF00 + number),
    st.sampled_from([0, 2**32 - 1]),
).map(ipaddress.IPv4Address)
SIX = st.one_of(
    # not the IPv4-mapped ones: those are IPv4 here
    st.integers(2**64, 2**128 - 1),
    st.builds(
        lambda net, host: (0x20010DB8 << 96) + (net << 64) + host,
        st.integers(0, 4),
        st.sampled_from([0, 1, 2, 2**63, 2**64 - 2, 2**64 - 1]),
    ),
    st.sampled_from([2**128 - 1]),
).map(ipaddress.IPv6Address)


@st.composite
def entries(draw):
    """(text of the entry, first, last)."""
    family = draw(st.sampled_from([FOUR, SIX]))
    first = draw(family)
    if draw(st.booleans()):
        last = draw(family)
        first, last = sorted((first, last))
        return f"{first}-{last}", first, last
    bits = draw(st.integers(0, first.max_prefixlen))
    network = ipaddress.ip_network((first, bits), strict=False)
    if network.version == 6 and int(network.network_address) < 2**64:
        network = ipaddress.ip_network((first, first.max_prefixlen))
    return str(network), network.network_address, network.broadcast_address


def neighbours(made):
    """Both ends of each entry, and the addresses beside them."""
    for _, first, last in made:
        for address in (first, last):
            for step in (-1, 0, 1):
                number = int(address) + step
                if (address.version == 4 and 0 <= number < 2**32) or (
                    address.version == 6 and 2**64 <= number < 2**128
                ):
                    yield type(address)(number)


@given(st.lists(entries(), max_size=60), st.lists(FOUR, max_size=10), st.lists(SIX, max_size=10))
def test_a_list_holds_exactly_what_it_says(made, four, six):
    text = "\n".join(entry for entry, _, _ in made)
    memory = os.memfd_create("list")
    os.write(memory, build(text.encode()))
    table = AddressList()
    table.replace(memory)
    os.close(memory)
    assert table.entries == len(made)
    for address in [*neighbours(made), *four, *six]:
        expected = any(first.version == address.version and first <= address <= last for _, first, last in made)
        assert probe.is_listed(table, str(address)) == expected, address


def test_many_entries_are_found_through_index_and_sample():
    # more than a sample's step of each kind, far apart
    four = [ipaddress.IPv4Address(number * 2) for number in range(0, 2**31, 2**31 // 5000)]
    six = [ipaddress.IPv6Address((0x2400 << 112) + (number << 80)) for number in range(5000)]
    fine = [ipaddress.IPv6Address((0x2A00 << 112) + (number << 48) + 7) for number in range(5000)]
    text = "\n".join([*map(str, four), *(f"{address}/64" for address in six), *map(str, fine)])
    memory = os.memfd_create("list")
    os.write(memory, build(text.encode()))
    table = AddressList()
    table.replace(memory)
    os.close(memory)
    assert len(table) == len(four) + len(six) + len(fine)
    for group in (four, six, fine):
        for address in group:
            assert probe.is_listed(table, str(address))
            other = type(address)(int(address) ^ (1 if group is not six else 1 << 64))
            assert not probe.is_listed(table, str(other))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_with_a_line(text):
    try:
        assert len(build(text)) % 8 == 0
    except ValueError as error:
        if not str(error).startswith("line "):
            raise
