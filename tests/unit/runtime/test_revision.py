from dataclasses import replace

import pytest

from limen.config import loads
from limen.runtime.pacing import at_once
from limen.runtime.revision import Parts, PartsMissing, Revision, decode, encode, unpack
from limen.tls.material import Expiry, ListenerMaterial, Material, Pair

TEXT = """
listeners:
  - {bind: "127.0.0.1:0", routes: [{respond: {status: 204}}]}
"""


def revision(*pairs):
    digests = tuple(pair.digest for pair in pairs)
    listener = ListenerMaterial(digests, {"a": (0,)}, (0,), expiries=(Expiry("/a.pem", 1),))
    material = Material({pair.digest: pair for pair in pairs}, {0: listener})
    return Revision(1, loads(TEXT), (), {}, (), "/", material, "digest")


@pytest.fixture
def pairs():
    return [Pair.of(b"chain %d" % number, b"key %d" % number) for number in range(600)]


def test_pairs_that_a_worker_has_are_not_sent_again(pairs):
    first, second = revision(*pairs[:599]), revision(*pairs[1:])
    kept, parts = Parts(), Parts()
    assert at_once(unpack(encode(first), Parts(), kept)) == first
    payload = encode(second, known=first.material.pairs)
    assert pairs[599].key in payload
    assert pairs[1].key not in payload
    made = at_once(unpack(payload, kept, parts))
    assert made == second
    assert made.material.pairs[pairs[5].digest] is kept.pairs[pairs[5].digest]
    assert set(parts.pairs) == set(second.material.pairs)
    # what only the supervisor asks for stays there
    assert made.material.listeners[0].expiries == ()


def test_what_was_left_out_and_is_not_there_is_an_error(pairs):
    made = revision(*pairs[:3])
    with pytest.raises(PartsMissing):
        decode(encode(made, known={pairs[1].digest}))


def test_staples_go_along(pairs):
    made = revision(pairs[0])
    made = replace(made, material=replace(made.material, staples={pairs[0].digest: b"response"}))
    assert decode(encode(made)) == made


def test_keys_are_not_shown(pairs):
    made = revision(*pairs[:3])
    assert "key 1" not in repr(made)
    assert "key 1" not in repr(made.material)
