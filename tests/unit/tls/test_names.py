from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from limen.tls.names import assign, is_name


def certificate(kind, *names):
    return SimpleNamespace(kind=kind, names=names)


def test_one_of_each_kind_and_the_first_wins():
    made = assign(
        [
            certificate("ECDSA", "a.example", "*.a.example"),
            certificate("RSA", "*.a.example", "a.example"),
            certificate("RSA", "a.example", "b.example"),
            certificate("ECDSA", "a.example"),
        ]
    )
    assert made.names == {"a.example": (0, 1), "*.a.example": (0, 1), "b.example": (2,)}
    assert made.default == (0, 1)
    assert made.useless == {3: 0}


def test_the_twin_of_the_default_has_the_same_names():
    assert assign([certificate("RSA", "a"), certificate("ECDSA", "a", "b")]).default == (0,)
    assert assign([certificate("RSA", "a"), certificate("RSA", "a"), certificate("ECDSA", "a")]).default == (0, 2)


kinds = st.sampled_from(["RSA", "ECDSA"])
names = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True)


@given(st.lists(st.tuples(kinds, names), min_size=1, max_size=8))
def test_whoever_serves_a_name_has_it(described):
    certificates = [certificate(kind, *names) for kind, names in described]
    made = assign(certificates)
    assert set(made.names) == {name for one in certificates for name in one.names}
    for name, numbers in made.names.items():
        assert all(name in certificates[number].names for number in numbers)
        assert len({certificates[number].kind for number in numbers}) == len(numbers)
        for number, one in enumerate(certificates):
            if name in one.names:
                assert any(holder <= number and certificates[holder].kind == one.kind for holder in numbers)
    used = {number for numbers in made.names.values() for number in numbers}
    assert used.isdisjoint(made.useless)


def test_names():
    assert all(map(is_name, ["a", "a.b", "*.a.b", "_x.a", "xn--a.b", "a" * 63 + ".b"]))
    assert not any(
        map(is_name, ["", "*", "*.", "a.", ".a", "a*.b", "a.*.b", "a b", "ü.de", "a" * 64, "a." * 127 + "a"])
    )
