"""Addresses: canonical hosts against `ipaddress` and `inet_aton`, special addresses, sets of prefixes."""

from __future__ import annotations

import random
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import pytest

from limen.engine._tables_probe import authority, contains, private_client, read_ip, special, write_ip
from limen.engine.addresses import AddressSet, canonical_host

NAME, IPV4, IPV6 = 0, 4, 6
NAT64 = IPv6Network("64:ff9b::/96")
MAPPED = b"\0" * 10 + b"\xff\xff"


def packed(text: str) -> bytes:
    ip = ip_address(text)
    return MAPPED + ip.packed if isinstance(ip, IPv4Address) else ip.packed


@pytest.mark.parametrize(
    ("text", "name", "kind", "port", "has_port"),
    [
        ("www.example.com", "www.example.com", NAME, 80, False),
        ("WWW.Example.COM:8080", "www.example.com", NAME, 8080, True),
        ("example.com.", "example.com", NAME, 80, False),
        ("example.com.:81", "example.com", NAME, 81, True),
        ("example.com:", "example.com", NAME, 80, False),
        ("localhost", "localhost", NAME, 80, False),
        ("a_b-c.d", "a_b-c.d", NAME, 80, False),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", NAME, 80, False),
        ("3com.4u", "3com.4u", NAME, 80, False),
        ("1.2.3.4.example", "1.2.3.4.example", NAME, 80, False),
        ("0x7g", "0x7g", NAME, 80, False),
        ("a" * 63 + ".b", "a" * 63 + ".b", NAME, 80, False),
        ("127.0.0.1:8080", "127.0.0.1", IPV4, 8080, True),
        ("127.0.0.1.", "127.0.0.1", IPV4, 80, False),
        ("2130706433", "127.0.0.1", IPV4, 80, False),
        ("0x7f000001", "127.0.0.1", IPV4, 80, False),
        ("0X7F.1", "127.0.0.1", IPV4, 80, False),
        ("017700000001", "127.0.0.1", IPV4, 80, False),
        ("127.1", "127.0.0.1", IPV4, 80, False),
        ("192.168.257", "192.168.1.1", IPV4, 80, False),
        ("0300.0250.1.1", "192.168.1.1", IPV4, 80, False),
        ("0", "0.0.0.0", IPV4, 80, False),
        ("[::1]", "::1", IPV6, 80, False),
        ("[::1]:443", "::1", IPV6, 443, True),
        ("[::1]:", "::1", IPV6, 80, False),
        ("[2001:DB8:0:0:1:0:0:1]", "2001:db8::1:0:0:1", IPV6, 80, False),
        ("[::ffff:127.0.0.1]:1", "127.0.0.1", IPV4, 1, True),
        ("[::FFFF:7f00:1]", "127.0.0.1", IPV4, 80, False),
        ("[64:ff9b::1.2.3.4]", "64:ff9b::102:304", IPV6, 80, False),
        ("h:65535", "h", NAME, 65535, True),
        ("h:00080", "h", NAME, 80, True),
    ],
)
def test_authority_has_one_form(text: str, name: str, kind: int, port: int, has_port: bool) -> None:
    parsed = authority(text.encode(), 80)
    assert parsed is not None
    assert parsed == (name.encode(), kind, packed(name) if kind else None, port, has_port)


@pytest.mark.parametrize(
    "text",
    [
        "", ":", ":80", ".", "..", "a..b", ".a", "a..", "a b", "a/b", "a\\b", "a%2eb", "user@host", "user:pw@host", "host:80:80",
        "::1", "fe80::1", "[::1%eth0]", "[fe80::1%25eth0]", "[::1", "::1]", "[]", "[example.com]", "[127.0.0.1]", "[v1.x]",
        "[::1]x", "[::1]80", "h:0", "h:65536", "h:99999", "h:123456", "h:+80", "h: 80", "h:8a", "h:-1", "h:0x50", "caf\xe9", "a,b",
        "a\0b", "a\n", "*", "*.example.com", "(a)", "a;b",
        "256.1.1.1", "1.2.3.4.5", "1.2.3.256", "1.2.65536", "1.16777216", "4294967296", "99999999999999999999", "0x100000000",
        "08", "1.2.3.08", "0x", "1.0x", "foo.0x1f", "foo.1", "example.123", "1..2", "a" * 64, "b." + "a" * 64 + ".c",
    ],
)  # fmt: skip
def test_authority_refused(text: str) -> None:
    assert authority(text.encode("latin-1"), 80) is None


def test_authority_length() -> None:
    longest = ".".join(["a" * 63] * 3) + "." + "b" * 61
    assert len(longest) == 253
    for text in (longest, longest + ".", longest + ".:65535"):
        parsed = authority(text.encode(), 80)
        assert parsed is not None
        assert parsed[0] == longest.encode()
    assert authority((longest + "b").encode()) is None
    assert authority((longest + "b.").encode()) is None
    assert authority((longest + ".b").encode()) is None
    assert authority(b"a." * 400) is None


def test_default_port_may_be_missing() -> None:
    assert authority(b"example.com") == (b"example.com", NAME, None, 0, False)


def test_inet_aton_forms() -> None:
    source = random.Random(1)
    for _ in range(3000):
        count = source.randint(1, 4)
        parts = []
        for _ in range(count):
            value = source.choice(
                [source.getrandbits(3), source.getrandbits(8), source.getrandbits(16), source.getrandbits(33)]
            )
            parts.append(source.choice(["{}", "0{:o}", "0x{:x}", "0X{:X}", "{}"]).format(value))
        text = ".".join(parts)
        try:
            expected = socket.inet_aton(text)
        except OSError:
            assert authority(text.encode()) is None, text
        else:
            dotted = socket.inet_ntoa(expected).encode()
            assert authority(text.encode()) == (dotted, IPV4, MAPPED + expected, 0, False), text


def random_ipv6(source: random.Random) -> IPv6Address:
    groups = [source.choice([0, 0, source.getrandbits(4), source.getrandbits(16)]) for _ in range(8)]
    return IPv6Address(b"".join(group.to_bytes(2, "big") for group in groups))


def test_ipv6_text_agrees_with_ipaddress() -> None:
    source = random.Random(2)
    for _ in range(3000):
        ip = random_ipv6(source)
        if ip.ipv4_mapped:
            continue
        assert write_ip(ip.packed, 6) == str(ip)
        for text in (str(ip), ip.exploded, str(ip).upper()):
            assert read_ip(text.encode()) == (ip.packed, 6)
            assert authority(f"[{text}]:1".encode()) == (str(ip).encode(), IPV6, ip.packed, 1, True)


def test_mutated_addresses_agree_with_ipaddress() -> None:
    source = random.Random(3)
    alphabet = "0123456789abcdef::..%/ "
    for _ in range(20000):
        seed = str(random_ipv6(source)) if source.random() < 0.6 else str(IPv4Address(source.getrandbits(32)))
        if source.random() < 0.3:
            seed = "::ffff:" + seed
        text = list(seed)
        for _ in range(source.randint(0, 3)):
            at = source.randrange(len(text) + 1)
            text[at : at + source.randint(0, 1)] = source.choice(alphabet)
        joined = "".join(text)
        try:
            expected = ip_address(joined)
        except ValueError:
            expected = None
        if "%" in joined:
            expected = None  # zones are not for us
        parsed = read_ip(joined.encode())
        if expected is None:
            assert parsed is None, joined
        else:
            ip = packed(str(expected))
            assert parsed == (ip, 4 if ip.startswith(MAPPED) else 6), joined


def test_format_of_other_families() -> None:
    assert write_ip(bytes(16), 1) == ""
    assert write_ip(packed("192.0.2.1"), 4) == "192.0.2.1"
    assert write_ip(bytes(16), 6) == "::"


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0", "0.255.0.1", "10.0.0.1", "100.64.0.1", "100.100.100.200", "100.127.255.255", "127.0.0.1", "127.255.255.255",
        "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1",
        "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1",
        "255.255.255.255", "::", "::1", "::2", "::7f00:1", "::808:808", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "::1:0:0:1",
        "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "64:ff9b:1:a00:0:1::", "64:ff9b:0:1::808:808", "100::1",
        "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:10::1", "2001:20::1", "2001:1ff::1", "2001:db8::1",
        "2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:101::", "3fff::1", "3fff:fff::1", "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254",
        "fe80::1", "febf::1", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_special(text: str) -> None:
    assert special(text)


@pytest.mark.parametrize(
    "text",
    [
        "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.0", "126.1.1.1", "128.0.0.1", "168.63.129.17",
        "169.253.1.1", "169.255.1.1", "172.15.255.255", "172.32.0.0", "192.0.1.1", "192.0.3.1", "192.88.98.1", "192.88.100.1",
        "192.167.1.1", "192.169.1.1", "198.17.255.255", "198.20.0.0", "198.51.99.1", "198.51.101.1", "203.0.112.1", "203.0.114.1",
        "223.255.255.255", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2001:200::1", "2001:4860:4860::8888", "2001:db7::1", "2001:db9::1",
        "2002:808:808::1", "2606:4700::1111", "2a00:1450::1", "3ffe::1",
    ],
)  # fmt: skip
def test_not_special(text: str) -> None:
    assert not special(text)


def test_special_takes_all_that_ipaddress_calls_not_global() -> None:
    source = random.Random(4)
    for _ in range(20000):
        ip = IPv4Address(source.getrandbits(32)) if source.random() < 0.5 else random_ipv6(source)
        if not ip.is_global or ip.is_multicast:
            # NAT64 and 6to4 are judged by what they embed, and ipaddress knows of no inner address.
            inner = isinstance(ip, IPv6Address) and (ip.sixtofour or ip in NAT64)
            assert inner or special(str(ip)), ip


@pytest.mark.parametrize("text", ["127.0.0.1", "127.9.9.9", "10.1.1.1", "172.16.0.1", "172.31.0.1", "192.168.9.9", "169.254.1.1", "::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1"])  # fmt: skip
def test_private_client(text: str) -> None:
    assert private_client(text)


@pytest.mark.parametrize("text", ["0.0.0.0", "8.8.8.8", "100.64.0.1", "172.32.0.1", "192.169.0.1", "::", "::2", "2001:db8::1", "fec0::1", "ff02::1", "64:ff9b::10.0.0.1"])  # fmt: skip
def test_not_private_client(text: str) -> None:
    assert not private_client(text)


def test_default_clients_are_the_private_ones() -> None:
    from limen.policy.access import PRIVATE_CLIENTS

    clients = AddressSet(PRIVATE_CLIENTS)
    source = random.Random(5)
    edges = [ip_address(base.split("/")[0]) + step for base in PRIVATE_CLIENTS for step in (-1, 0, 1) if base != "::"]
    for ip in [*edges, *(IPv4Address(source.getrandbits(32)) for _ in range(2000))]:
        assert clients.matches(str(ip)) == private_client(str(ip)), ip


def test_address_set_edges() -> None:
    prefixes = AddressSet(["10.0.0.0/8", "192.0.2.7", "::1", "2001:db8::/32", "0.0.0.0/32", "255.255.255.255"])
    assert len(prefixes) == 6
    for inside in ("10.0.0.0", "10.255.255.255", "192.0.2.7", "::1", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "0.0.0.0",
                   "255.255.255.255", "::ffff:10.0.0.1"):  # fmt: skip
        assert prefixes.matches(inside), inside
    for outside in (
        "9.255.255.255",
        "11.0.0.0",
        "192.0.2.6",
        "192.0.2.8",
        "::",
        "::2",
        "2001:db7::",
        "2001:db9::",
        "255.255.255.254",
    ):
        assert not prefixes.matches(outside), outside


def test_address_set_joins_ranges() -> None:
    assert len(AddressSet(["10.0.0.0/9", "10.128.0.0/9", "10.1.0.0/16"])) == 1
    assert len(AddressSet(["2001:db8::/33", "2001:db8::/32", "2001:db8:1::/48"])) == 1


def test_address_set_families_are_apart() -> None:
    everything6, everything4 = AddressSet(["::/0"]), AddressSet(["0.0.0.0/0"])
    assert everything6.matches("2001:db8::1")
    assert not everything6.matches("1.2.3.4")
    assert everything4.matches("1.2.3.4")
    assert not everything4.matches("2001:db8::1")
    mapped = AddressSet(["::ffff:10.0.0.0/104", "::ffff:c000:200/120"])
    assert mapped.matches("10.1.2.3")
    assert mapped.matches("192.0.2.200")
    assert not mapped.matches("11.0.0.0")


def test_empty_address_set() -> None:
    assert len(AddressSet()) == 0
    assert not AddressSet([]).matches("1.2.3.4")
    assert not AddressSet([]).matches("::1")


@pytest.mark.parametrize("text", ["", "x", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0/8", "::/129", "::1%lo", "[::1]", "10.0.0.0/8/8", "1.2.3.4 ", "::ffff:1.2.3.4/95", "0x7f.0.0.1", "10.0.0.0/1e1"])  # fmt: skip
def test_malformed_prefix(text: str) -> None:
    with pytest.raises(ValueError, match="not an IP address or prefix"):
        AddressSet([text])


def test_address_set_against_ranges() -> None:
    source = random.Random(6)
    for _ in range(60):
        networks = []
        for _ in range(source.randint(1, 40)):
            bits = source.randint(8, 32)
            networks.append((source.getrandbits(32) & (0xFFFFFFFF << (32 - bits)) & 0xFFFFFFFF, bits))
        prefixes = AddressSet([f"{IPv4Address(first)}/{bits}" for first, bits in networks])
        asked = [first + step for first, bits in networks for step in (-1, 0, (1 << (32 - bits)) - 1, 1 << (32 - bits))]
        for value in [*asked, *(source.getrandbits(32) for _ in range(50))]:
            if 0 <= value < 1 << 32:
                expected = any(first <= value < first + (1 << (32 - bits)) for first, bits in networks)
                assert contains(prefixes, MAPPED + value.to_bytes(4, "big")) == expected


def test_large_address_set() -> None:
    prefixes = AddressSet([f"{IPv4Address(i << 12)}/31" for i in range(0, 1 << 20, 4)])
    assert len(prefixes) == 1 << 18
    assert prefixes.matches(str(IPv4Address((4 << 12) + 1)))
    assert not prefixes.matches(str(IPv4Address((4 << 12) + 2)))


def test_canonical_host() -> None:
    assert canonical_host("Example.COM.") == ("example.com", 0)
    assert canonical_host("::1") == canonical_host("[::1]") == ("::1", 6)
    assert canonical_host("::ffff:1.2.3.4") == ("1.2.3.4", 4)
    for text in ("", "a:80", "a:", "[::1]:80", "[::1]:", "*.a", "a b", "user@a"):
        with pytest.raises(ValueError, match="not a host name"):
            canonical_host(text)
