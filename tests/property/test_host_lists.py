"""Lists of names against plain sets: any text of entries, and every name around them."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.config.names import to_ascii
from limen.engine.host_listing import build
from limen.engine.host_lists import HostList

KEY = bytes(range(16))
# few labels, so that names lie below each other
LABEL = st.sampled_from(["a", "b", "ads", "x-1", "co", "uk", "0"])
NAME = st.lists(LABEL, min_size=1, max_size=5).map(".".join).filter(lambda name: not name.rpartition(".")[2].isdigit())


def table(text, kind, **options):
    """(HostList, what was ignored)."""
    built, ignored = build(text.encode("utf-8", "surrogateescape"), kind, KEY, to_ascii, **options)
    memory = os.memfd_create("list")
    try:
        os.write(memory, built)
        made = HostList()
        made.replace(memory)
    finally:
        os.close(memory)
    return made, ignored


def around(names):
    """Each name, what lies above it, and what lies below."""
    for name in names:
        labels = name.split(".")
        for start in range(len(labels)):
            yield ".".join(labels[start:])
        yield f"b.{name}"
        yield f"x-1.a.{name}"
        yield f"x{name}"


def takes(name, host, own, below):
    return (own and host == name) or (below and host.endswith(f".{name}"))


@given(st.lists(st.tuples(NAME, st.sampled_from(["", ".", "*."])), max_size=30), st.booleans(), st.lists(NAME))
def test_domains(entries, below, others):
    made, ignored = table("\n".join(mark + name for name, mark in entries), "domains", below=below)
    assert not ignored
    for host in [*around(name for name, _ in entries), *others]:
        expected = any(takes(name, host, mark != "*.", mark != "" or below) for name, mark in entries)
        assert made.holds(host.encode()) == expected, host


@given(st.lists(st.lists(NAME, min_size=1, max_size=4), max_size=20))
def test_hosts(lines):
    made, ignored = table("\n".join(f"0.0.0.0\t{' '.join(names)} # said" for names in lines), "hosts", below=False)
    names = {name for line in lines for name in line}
    assert not ignored
    assert len(made) == len(names)
    for host in around(names):
        assert made.holds(host.encode()) == (host in names), host


@given(st.lists(st.tuples(NAME, st.booleans(), st.booleans()), max_size=30))
def test_adblock_exceptions_win(rules):
    text = "\n".join(f"{'@@' if spared else ''}||{'*.' if wild else ''}{name}^" for name, spared, wild in rules)
    made, ignored = table(text, "adblock")
    assert not ignored
    for host in around(name for name, _, _ in rules):
        hits = {spared for name, spared, wild in rules if takes(name, host, not wild, True)}
        assert made.holds(host.encode()) == (hits == {False}), host


@given(st.lists(st.tuples(NAME, st.booleans(), st.booleans()), max_size=30))
def test_rpz_the_closest_name_decides(records):
    text = "$TTL 1h\n@ IN SOA a.b. c.d. ( 1 2\n 3 4 5 )\n  NS a.b.\n" + "\n".join(
        f"{'*.' if wild else ''}{name} 300 IN CNAME {'rpz-passthru.' if spared else '.'}"
        for name, spared, wild in records
    )
    made, ignored = table(text, "rpz")
    assert not ignored
    for host in around(name for name, _, _ in records):
        hits = {(len(name), not spared) for name, spared, wild in records if takes(name, host, not wild, wild)}
        longest = max((size for size, _ in hits), default=0)
        # where both stand for the same name, the one that spares
        expected = bool(hits) and all(blocks for size, blocks in hits if size == longest)
        assert made.holds(host.encode()) == expected, host


@given(st.binary(max_size=400), st.sampled_from(["hosts", "domains", "adblock", "rpz", "suffixes"]))
def test_any_bytes_are_read(text, kind):
    built, ignored = build(text, kind, KEY, to_ascii)
    assert len(built) % 8 == 0
    assert all(1 <= first <= text.count(b"\n") + 1 and count for count, first in ignored.values())


@pytest.mark.parametrize(
    ("kind", "text", "held", "not_held", "ignored"),
    [
        (
            "domains",
            "\ufeffExample.COM.\r\n# x\n\nstraße.de ; y\n1.2.3.4\n",
            ["a.example.com", "xn--strae-oqa.de", "1.2.3.4"],
            ["strasse.de"],
            {},
        ),
        (
            "domains",
            "a b\nhttp://x/\na..b\nx.example:80\nx.example:",
            [],
            ["a", "b", "x", "x.example"],
            {"no host name": (5, 1)},
        ),
        (
            "hosts",
            "127.0.0.1 localhost\nfe80::1%lo0 localhost\n::1 ip6-localhost\n0.0.0.0 bad.example\n",
            ["bad.example"],
            ["localhost", "a.bad.example"],
            {},
        ),
        ("hosts", "bad.example\n0.0.0.0\n", [], ["bad.example"], {"no address before the names": (2, 1)}),
        (
            "adblock",
            "[Adblock Plus 2.0]\n! c\n||ads.example^|\n||a.example^$third-party\n##.banner\nx.example#@#.ad\n/x/\n||p.example/path^\n||q.example\n|http://r.example\n||*.s.example^\n@@||t^$document\n||u.example^$all\n",
            ["ads.example", "x.ads.example", "y.s.example", "a.u.example"],
            ["a.example", "p.example", "q.example", "r.example", "s.example"],
            {
                "a rule with options": (2, 4),
                "a rule on elements of pages": (2, 5),
                "a pattern on more than a name": (4, 7),
            },
        ),
        (
            "rpz",
            "$ORIGIN rpz.example.\nbad.example CNAME .\n*.bad.example CNAME *.\nabs.example.rpz.example. IN 60 CNAME rpz-drop.\nother.zone. CNAME .\nwall.example CNAME wall.internal.\nip.example A 1.2.3.4\n32.1.2.3.4.rpz-ip CNAME .\ntcp.example CNAME rpz-tcp-only.\n ; nothing\nlast.example 1h30m CNAME . ; said\n",
            ["bad.example", "a.bad.example", "abs.example", "last.example"],
            ["wall.example", "ip.example", "tcp.example", "a.last.example", "other.zone"],
            {
                "no host name": (1, 5),
                "a policy that is neither refusal nor passthru": (2, 6),
                "a record of another kind": (1, 7),
                "a trigger on addresses or name servers": (1, 8),
            },
        ),
    ],
)
def test_what_is_taken_and_what_is_counted(kind, text, held, not_held, ignored):
    made, found = table(text, kind, below=kind == "domains")
    assert found == ignored
    assert [name for name in held if not made.holds(name.encode())] == []
    assert [name for name in not_held if made.holds(name.encode())] == []


SUFFIX_LIST = """
// ===BEGIN ICANN DOMAINS===
com
uk  what follows a blank is not read
co.uk
*.ck
!www.ck
公司.cn
cn
// ===END ICANN DOMAINS===
// ===BEGIN PRIVATE DOMAINS===
blogspot.com
"""


@pytest.mark.parametrize(
    ("host", "suffix"),
    [
        ("www.example.com", "com"),
        ("example.com", "com"),
        ("com", ""),
        ("a.b.co.uk", "co.uk"),
        ("co.uk", ""),
        ("b.uk", "uk"),
        ("a.b.c.ck", "c.ck"),
        ("b.ck", ""),
        ("a.www.ck", "ck"),
        ("www.ck", "ck"),
        ("a.xn--55qx5d.cn", "xn--55qx5d.cn"),
        ("google.blogspot.com", "com"),
        ("a.unknown", "unknown"),
        ("localhost", ""),
        ("10.0.0.1", ""),
        ("2001:db8::1", ""),
    ],
)
def test_public_suffixes(host, suffix):
    made, ignored = table(SUFFIX_LIST, "suffixes")
    assert not ignored
    assert len(made) == 7
    assert made.suffix_of(host.encode()).decode() == suffix


def test_a_table_of_many_names_is_whole_and_bounded():
    names = [f"{number * 2654435761 % 2**32:x}.example{number % 7}.com" for number in range(60_000)]
    made, _ = table("\n".join([*names, *names]), "domains", below=False)
    assert len(made) == len(set(names))
    assert all(made.holds(name.encode()) for name in names)
    assert not any(made.holds(f"x{name}".encode()) for name in names)
    with pytest.raises(ValueError, match="over 10 names"):
        build("\n".join(names).encode(), "domains", KEY, to_ascii, most=10)


def test_a_table_that_is_not_whole_is_refused():
    made = HostList()
    built, _ = build(b"a.example", "domains", KEY, to_ascii)
    for content in (b"", built[:-8], built + bytes(8), bytes(8) + built[8:]):
        memory = os.memfd_create("list")
        os.write(memory, content)
        with pytest.raises(ValueError, match="this"):
            made.replace(memory)
        os.close(memory)
    assert len(made) == 0
    assert not made.holds(b"a.example")
