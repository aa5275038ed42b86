"""What goes on for somebody is asked again by what let it in: the evidence, its time, and who is still asked."""

import asyncio
from dataclasses import replace

import bcrypt
import jwt
import pytest

from limen.engine.demand import Demand
from limen.engine.identity import identity_of
from limen.exchange.identity import Credentials
from limen.policy.identity.parameters import Wishes
from limen.runtime.identity.basic import PasswordProvider
from limen.runtime.identity.bearer import thumbprint
from limen.runtime.identity.desk import Desk, _taken, standing
from limen.runtime.identity.provider import Chain, Found, Member, Proof

FIRST, SECOND = (bcrypt.hashpw(b"word", b"$2b$04$abcdefghijklmnopqrst" + end).decode() for end in (b"uu", b"ue"))


class Told:
    """A provider that says what it is told to."""

    def __init__(self, groups):
        self.groups = groups

    def again(self, proof):
        if isinstance(self.groups, Exception):
            raise self.groups
        return self.groups


def chain(*members):
    return Chain(members, 1.0, "front")


def member(groups=(), name="staff", more=None, holds=None):
    return Member(name, Told(groups), 300.0, more or {}, holds)


def taken(found, holds=None, wishes=Wishes()):  # noqa: B008 a frozen one
    return _taken(member(holds=holds), found, wishes, 1000.0)


def test_nothing_new_is_the_same_identity():
    wishes = Wishes((("country", "FR"),), "a1")
    alice = taken(Found("alice", ("a",), evidence=b"1"), wishes=wishes).identity
    assert standing(chain(member(("a",))), alice, 9e9) is alice


def test_groups_of_now():
    alice = taken(Found("alice", ("a",))).identity
    now = standing(chain(member(("b",), more={"alice": ("admins",), "bob": ("c",)})), alice, 1.0)
    assert (now.name, now.groups, now.provider) == ("alice", ("admins", "b"), "staff")
    # and again, by what was found last
    assert standing(chain(member(("b",))), now, 1.0).groups == ("b",)


@pytest.mark.parametrize(
    ("lifetime", "holds", "ends"),
    [(10.0, None, 1010.0), (None, 20.0, 1020.0), (10.0, 5.0, 1005.0), (30.0, 5.0, 1005.0)],
)
def test_time_ends_it(lifetime, holds, ends):
    outcome = taken(Found("alice", lifetime=lifetime), holds)
    assert outcome.lifetime == ends - 1000.0
    assert standing(chain(member()), outcome.identity, ends - 0.1) is outcome.identity
    assert standing(chain(member()), outcome.identity, ends) is None


def test_who_may_no_longer_say_so_has_said_nothing():
    alice = taken(Found("alice")).identity
    assert standing(chain(member(name="other")), alice, 1.0) is None
    assert standing(chain(), alice, 1.0) is None
    assert standing(chain(member(None)), alice, 1.0) is None
    assert standing(chain(member()), identity_of("alice", provider="staff"), 1.0) is None


def test_a_defect_lets_nothing_go_on(caplog):
    desk = Desk(lambda _: None, lambda *_: None)
    demand = Demand(chain(member(RuntimeError("defect"))), proxy=True, challenges=["Basic"])
    assert desk.again(demand, taken(Found("alice")).identity) is None
    assert "defect" in caplog.text


def test_for_a_connection():
    outcome = taken(Found("alice", lifetime=600.0, for_connection=True, told_back="Negotiate YQ=="))
    assert (outcome.lifetime, outcome.told_back) == (600.0, b"Negotiate YQ==")
    assert outcome.binder.name == "staff"
    assert taken(Found("alice")).binder is None
    # (not as short as what is known by what was shown)
    assert taken(Found("alice", for_connection=True)).lifetime > 300.0


def test_lines_of_passwords():
    provider = PasswordProvider.of(f"alice:{FIRST}\n".encode())
    found = asyncio.run(provider.identify(Credentials("basic", "alice", "word")))
    proof = Proof(found.name, found.groups, found.evidence, None)
    assert provider.again(proof) == ()
    assert FIRST not in repr(proof)
    for content in ("", f"bob:{FIRST}\n", f"alice:{SECOND}\n"):
        assert PasswordProvider.of(content.encode()).again(proof) is None
    assert provider.again(replace(proof, evidence=None)) is None


def test_thumbprints():
    one, same, other = (
        jwt.PyJWK({"kty": "oct", "k": key, "kid": kid, "alg": "HS256"})
        for key, kid in (("YWFhYWFhYWE", "a"), ("YWFhYWFhYWE", "b"), ("YWFhYWFhYWI", "a"))
    )
    assert thumbprint(one) == thumbprint(same) != thumbprint(other)
