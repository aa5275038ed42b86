"""Routes by client hello: what covers what, against hellos put together from the same names."""

from hypothesis import given
from hypothesis import strategies as st

from limen.config.hello_names import covers_names, names_above
from limen.config.models.hello import HelloMatch
from limen.policy.hellos import compile_hello_match, covers_hello, find_unreachable_hellos
from limen.policy.specs import HelloSpec

NAMES = ["a.example", "b.example", "x.a.example", "y.x.a.example", "example", "other"]
PATTERNS = [*NAMES, "*.a.example", "*.example", ".a.example", ".x.a.example", ".example", ".other", "*.x.a.example"]


def fits(pattern, name):
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return (name == pattern[1:] or name.endswith(pattern)) if pattern.startswith(".") else name == pattern


def takes(spec, name, protocols):
    return (spec.names is None or any(fits(one, name) for one in spec.names)) and (
        spec.protocols is None or bool(set(spec.protocols) & set(protocols))
    )


SPECS = st.builds(
    HelloSpec,
    st.none() | st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3).map(tuple),
    st.none() | st.lists(st.sampled_from(["h2", "imap"]), min_size=1, max_size=2).map(tuple),
)


@given(st.sampled_from(PATTERNS), st.sampled_from(PATTERNS))
def test_patterns_above_take_all_that_the_narrow_one_takes(wide, narrow):
    known = set(names_above(narrow))
    if wide in known:
        assert all(fits(wide, name) for name in NAMES if fits(narrow, name))
    if narrow[0] not in "*." and fits(wide, narrow):
        assert wide in known


@given(st.lists(SPECS, max_size=8), st.sampled_from(NAMES), st.sets(st.sampled_from(["h2", "imap"])))
def test_what_is_said_to_be_unreachable_is(specs, name, protocols):
    found = find_unreachable_hellos(specs)
    for number, by in found:
        assert by < number and covers_hello(specs[by], specs[number])
        assert not takes(specs[number], name, protocols) or takes(specs[by], name, protocols)
    first = next((number for number, spec in enumerate(specs) if takes(spec, name, protocols)), None)
    assert first not in {number for number, _ in found}


def test_compiled_from_the_configuration():
    assert compile_hello_match(None) == HelloSpec()
    match = HelloMatch(sni="A.example", alpn=["h2"], ja4="t13*")
    assert compile_hello_match(match) == HelloSpec(("a.example",), ("h2",), ("t13*",))
    assert covers_names(None, None) and covers_names(None, ("a",)) and not covers_names(("a",), None)


def test_thousands_of_names_are_compared_quickly():
    specs = [HelloSpec((f"n{number}.example",)) for number in range(5000)]
    assert find_unreachable_hellos([*specs, HelloSpec((".example",)), specs[7]]) == [(5001, 7)]
