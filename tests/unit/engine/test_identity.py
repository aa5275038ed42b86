"""Identities in the engine: the seal, what is known by it, conditions in both tables, the log and limits."""

import gc
import os

import pytest

from limen.engine._identity_probe import find, keep
from limen.engine._tables_probe import decide, match
from limen.engine.access import AccessTable
from limen.engine.demand import Demand
from limen.engine.guard import Guard, Limit
from limen.engine.identity import Identity, IdentityCache, IdentityMatch, identity_of, seal_of
from limen.engine.tables import RouteTable
from limen.policy.specs import AccessSpec, RouteSpec

# From the reference implementation of SipHash-2-4 with 128 bits: key 00..0f, messages 00, 0001, ….
VECTORS = {
    0: "a3817f04ba25a8e66df67214c7550293",
    1: "da87c1d86b99af44347659119b22fc45",
    2: "8177228da4a45dc7fca38bdef60affe4",
    7: "a1f1ebbed8dbc153c0b84aa61ff08239",
    8: "3b62a9ba6258f5610f83e264f31497b4",
    15: "5493e99933b0a8117e08ec0f97cfc3d9",
}


@pytest.mark.parametrize(("length", "digest"), VECTORS.items())
def test_the_seal_is_siphash(length, digest):
    assert seal_of(bytes(range(16)), bytes(range(length))).hex() == digest


def test_equal_identities_are_one():
    alice = identity_of("alice", ["b", "a", "b"], "staff")
    assert alice is identity_of("alice", ("a", "b"), "staff")
    assert alice.groups == ("a", "b")
    assert alice is not identity_of("alice", ("a",), "staff")
    assert alice.number == identity_of("alice", ("a",), "other").number
    assert alice.number != identity_of("bob").number
    number = alice.number
    del alice
    gc.collect()
    assert identity_of("alice").number == number
    with pytest.raises(ValueError, match="name"):
        Identity("")


def test_what_is_known_expires_and_can_be_forgotten():
    cache = IdentityCache(16)
    alice = identity_of("alice")
    keep(cache, b"Basic a", alice, 1000)
    assert find(cache, b"Basic a", 999) is alice
    assert find(cache, b"Basic a", 1000) is None
    assert find(cache, b"Basic b", 0) is None
    keep(cache, b"Basic a", identity_of("bob"), 2000)
    assert find(cache, b"Basic a", 1500) is identity_of("bob")
    assert len(cache) == 1
    cache.clear()
    assert find(cache, b"Basic a", 0) is None
    assert len(cache) == 0


def test_the_cache_is_bounded_and_lets_go():
    cache = IdentityCache(16)
    for number in range(1000):
        keep(cache, os.urandom(16), identity_of(f"somebody {number}"), 1000 + number)
    assert len(cache) <= 16
    keep(cache, b"last", identity_of("last"), 10**9)
    assert find(cache, b"last", 0) is identity_of("last")
    with pytest.raises(ValueError, match="power of two"):
        IdentityCache(12)


ALICE, BOB = identity_of("alice", ["staff", "admins"]), identity_of("bob", ["staff"])


@pytest.mark.parametrize(
    ("users", "groups", "met"),
    [
        ((), (), {"alice", "bob"}),
        (("alice",), (), {"alice"}),
        (("*",), (), {"alice", "bob"}),
        ((), ("admins",), {"alice"}),
        ((), ("admins", "staff"), {"alice", "bob"}),
        (("bob", "alice"), ("admins",), {"alice"}),
        (("Alice",), (), set()),
        (("*",), ("nobody",), set()),
    ],
)
def test_conditions(users, groups, met):
    condition = IdentityMatch(users, groups)
    assert {one.name for one in (ALICE, BOB) if condition.fits(one)} == met
    assert not condition.fits(None)


def test_rules_on_identity():
    table = AccessTable(
        [
            AccessSpec(allow=False, users=("bob",), hosts=("bank.example",)),
            AccessSpec(allow=True, groups=("admins",)),
            AccessSpec(allow=True, users=("*",), ports=((443, 443),)),
        ]
    )
    assert table.asks_identity
    assert not AccessTable([AccessSpec(allow=True)]).asks_identity
    assert decide(table, host=b"bank.example", identity=BOB) == (0, 0)
    assert decide(table, host=b"bank.example", port=25, identity=ALICE) == (1, 1)
    assert decide(table, host=b"a.example", identity=BOB) == (1, 2)
    assert decide(table, host=b"a.example", port=25, identity=BOB) == (0, -1)
    assert decide(table, host=b"a.example") == (0, -1)


def test_routes_on_identity():
    table = RouteTable([RouteSpec(hosts=("a.example",), users=("alice",)), RouteSpec(groups=("staff",)), RouteSpec()])
    assert table.asks_identity
    assert match(table, host=b"a.example", identity=ALICE) == 0
    assert match(table, host=b"a.example", identity=BOB) == 1
    assert match(table, host=b"a.example") == 2


def test_a_guard_knows_that_it_waits_for_an_identity():
    assert Guard(limits=[Limit("a", identity=1, by=5, most=1)]).asks_identity
    assert not Guard(limits=[Limit("a", identity=1, by=1, most=1)]).asks_identity


def test_demands():
    demand = Demand("chain", proxy=True, challenges=['Basic realm="a"'])
    assert (demand.chain, demand.required) == ("chain", True)
    with pytest.raises(ValueError, match="8"):
        Demand("chain", proxy=False, challenges=["Basic"] * 9)
