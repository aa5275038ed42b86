import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limen.config.fields import parse_target_host
from limen.config.hosts import HostSet, canonical, glob, is_glob, is_literal, key_of, keys_of
from limen.config.refusal import Refused
from limen.engine._tables_probe import decide
from limen.engine.access import AccessTable
from limen.engine.addresses import canonical_host
from limen.policy.specs import AccessSpec


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("WWW.Example.ORG", "www.example.org"),
        ("www.example.org.", "www.example.org"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("2001:db8:0:0::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("host9", "host9"),
        ("", ""),
    ],
)
def test_one_form(host, expected):
    assert canonical(host) == expected
    assert is_literal(canonical(host)) == (expected[:1].isdigit())


@pytest.mark.parametrize(
    "host", ["www.example.org", "EXAMPLE.org.", "[::1]", "192.0.2.7", "::ffff:192.0.2.1", "xn--bcher-kva.example"]
)
def test_it_is_the_form_of_the_engine(host):
    assert canonical(host) == canonical_host(host)[0]


def test_keys_of_names_and_addresses():
    assert set(keys_of("a.b.c")) == {"a.b.c", ".a.b.c", ".b.c", "*.b.c", ".c", "*.c"}
    assert list(keys_of("192.0.2.1")) == ["192.0.2.1"]
    assert key_of("*.Example.org.") == "*.example.org"
    assert [is_glob(pattern) for pattern in ("*.a", ".a", "a*", "*", "*.a*", "a?")] == [False, False, *[True] * 4]
    assert glob([]) is None


def test_emptiness():
    assert not HostSet()
    assert HostSet(["*"])
    assert "" not in HostSet(["*", "**"])
    assert 5 not in HostSet(["*"])
    assert "a.b" in HostSet(["*"])


def test_a_large_set_is_looked_up():
    hosts = HostSet([f"h{number}.example" for number in range(100_000)])
    assert "h99999.example" in hosts
    assert "h100000.example" not in hosts


def is_pattern(text):
    """What a configuration takes, and is a glob or `*.name`."""
    try:
        return ("*" in text or "?" in text) and bool(parse_target_host(text))
    except Refused:
        return False


labels = st.sampled_from(["a", "b", "ab", "cdn1", "x-y"])
names = st.lists(labels, min_size=1, max_size=4).map(".".join)
patterns = st.one_of(
    names,
    names.map(".{}".format),
    names.map("*.{}".format),
    st.lists(st.sampled_from(["a", "b", "*", "**", "?", ".", "cdn"]), min_size=1, max_size=6)
    .map("".join)
    .filter(is_pattern),
    st.sampled_from(["192.0.2.1", "192.0.2.*"]),
)


@settings(
    max_examples=500, suppress_health_check=[*settings.default.suppress_health_check, HealthCheck.filter_too_much]
)
@given(st.lists(patterns, min_size=1, max_size=4), st.one_of(names, st.sampled_from(["192.0.2.1", "192.0.2.2"])))
def test_it_agrees_with_the_access_table(listed, host):
    """Bridging and access rules must not read one pattern in two ways."""
    table = AccessTable([AccessSpec(allow=True, hosts=tuple(listed))])
    allowed, _ = decide(table, host=host.encode())
    assert (host in HostSet(listed)) == bool(allowed)
