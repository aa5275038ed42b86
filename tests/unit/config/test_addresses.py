"""addresses.py: addresses, networks, port ranges."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.config.addresses import Address, Ports, parse_address, parse_host, parse_network, parse_ports
from limen.config.refusal import Refused


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("Example.COM.:80", Address("example.com", 80)),
        ("[::1]:8080", Address("::1", 8080)),
        ("[2001:DB8:0:0::1]:80", Address("2001:db8::1", 80)),
        ("unix:/run/limen.sock", Address(path="/run/limen.sock")),
        ("bücher.example:80", Address("xn--bcher-kva.example", 80)),
        ("my_host:80", Address("my_host", 80)),
    ],
)
def test_addresses(text, address):
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        ":80",
        "*:80",
        "80",
        "host",
        "host:",
        "host:0",
        "host:65536",
        "host:8o",
        "::1:80",
        "[::1]",
        "[::1:80",
        "[host]:80",
        "[127.0.0.1]:80",
        "127.0.0.01:80",
        "1.2.3:80",
        "-a.example:80",
        "a..example:80",
        "a b:80",
        "a/b:80",
        "a@b:80",
        "http://a:80",
        "unix:relative",
        "unix:/" + "a" * 108,
        "a\0b:80",
        "x" * 300 + ":80",
    ],
)
def test_no_addresses(text):
    with pytest.raises(Refused):
        parse_address(text)


def test_ports_may_be_implied_or_chosen():
    assert parse_address("10.0.0.1", default_port=53) == Address("10.0.0.1", 53)
    assert parse_address("[::1]", default_port=53) == Address("::1", 53)
    assert parse_address("127.0.0.1:0", any_port=True) == Address("127.0.0.1", 0)


@pytest.mark.parametrize(
    ("text", "is_loopback", "is_wildcard"),
    [
        ("127.0.0.9:80", True, False),
        ("[::1]:80", True, False),
        ("localhost:80", True, False),
        ("unix:/run/x", True, False),
        ("0.0.0.0:80", False, True),
        ("[::]:80", False, True),
        ("10.0.0.1:80", False, False),
        ("www.example.com:80", False, False),
    ],
)
def test_reach(text, is_loopback, is_wildcard):
    address = parse_address(text)
    assert (address.is_loopback, address.is_wildcard) == (is_loopback, is_wildcard)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("192.0.2.1", "192.0.2.1/32"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_networks(text, network):
    assert parse_network(text) == network


def test_host_bits_are_refused_with_the_mend():
    with pytest.raises(Refused) as caught:
        parse_network("10.0.0.1/8")
    assert caught.value.hint == "did you mean 10.0.0.0/8?"


@pytest.mark.parametrize("text", ["", "10.0.0.0/33", "10.0.0/8", "office", "10.0.0.0/x", "::/129", "10.0.0.0-10.0.0.9"])
def test_no_networks(text):
    with pytest.raises(Refused):
        parse_network(text)


@given(st.ip_addresses(), st.data())
def test_every_network_comes_back(ip, data):
    length = data.draw(st.integers(min_value=0, max_value=ip.max_prefixlen))
    network = ipaddress.ip_network((ip, length), strict=False)
    assert parse_network(str(network)) == str(network)


def test_ports():
    assert parse_ports("80") == Ports(80, 80)
    assert parse_ports("1025-65535") == Ports(1025, 65535)
    assert str(Ports(80, 80)) == "80"
    assert str(Ports(1, 2)) == "1-2"
    assert 5000 in Ports(1025, 65535)
    assert 80 not in Ports(1025, 65535)


@pytest.mark.parametrize("text", ["", "0", "65536", "80-", "-80", "90-80", "80:90", "http", "٨٠"])
def test_no_ports(text):
    with pytest.raises(Refused):
        parse_ports(text)


@given(st.text(max_size=40))
def test_nothing_but_refusals(text):
    for parse in (parse_address, parse_host, parse_network, parse_ports):
        try:
            parse(text)
        except Refused:
            continue
