import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.tls.tickets import KEY_SIZE, MOST, Rings, RingSetting, parse_keys

LIFETIME = 3600.0
SETTINGS = {"made 3600": RingSetting(LIFETIME)}


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def ring(rings):
    return rings.keys()["made 3600"]


def test_keys_of_a_file():
    keys = [os.urandom(KEY_SIZE) for _ in range(MOST)]
    assert parse_keys(b"".join(keys)) == tuple(keys)
    assert parse_keys(keys[0]) == (keys[0],)
    lines = b"\n".join(base64.b64encode(key) for key in keys[:2])
    assert parse_keys(lines) == parse_keys(lines + b"\r\n") == tuple(keys[:2])
    for bad, word in [
        (b"", "holds 0 bytes"),
        (keys[0][:-1], "79 bytes"),
        (b"".join([*keys, bytes(80)]), "9 keys"),
        (keys[0] * 2, "one name"),
    ]:
        with pytest.raises(ValueError, match=word):
            parse_keys(bad)


@given(st.binary(max_size=700))
def test_any_content_is_keys_or_refused(content):
    try:
        keys = parse_keys(content)
    except ValueError:
        return
    assert 1 <= len(keys) <= MOST
    assert all(len(key) == KEY_SIZE for key in keys)


@given(st.lists(st.floats(1, LIFETIME / 3), max_size=60))
def test_a_ticket_is_redeemed_until_it_ends_by_workers_that_are_late(steps):
    clock = Clock()
    rings = Rings(clock)
    rings.want(SETTINGS)
    issued = []  # (time, key)
    late = ring(rings)
    for step in steps:
        keys = ring(rings)
        issued.append((clock.now, keys[0]))
        # a worker that has not heard of the last turn yet redeems what one that has encrypts, and the other way round
        assert keys[0] in late
        assert late[0] in keys
        late = keys
        clock.now += step
        rings.turn()
        assert len(ring(rings)) <= MOST
        for at, key in issued:
            if clock.now - at <= LIFETIME:
                assert key in ring(rings)


def test_keys_turn_when_due_and_old_ones_are_forgotten(clock):
    rings = Rings(clock)
    assert rings.until_due() is None
    rings.want(SETTINGS)
    first, following = ring(rings)
    assert rings.until_due() == LIFETIME / 3
    rings.turn()
    assert ring(rings) == (first, following)
    clock.now += LIFETIME / 3
    assert rings.until_due() == 0
    rings.turn()
    assert ring(rings)[0] == following
    assert ring(rings)[2] == first
    clock.now += 100 * LIFETIME
    rings.turn()
    assert not {first, following} & set(ring(rings))
    assert rings.until_due() == LIFETIME / 3


def test_given_keys_do_not_turn(clock):
    rings = Rings(clock)
    keys = (os.urandom(KEY_SIZE),)
    rings.keep({"file /x": RingSetting(LIFETIME, keys)})
    assert rings.until_due() is None
    clock.now += 10 * LIFETIME
    rings.turn()
    assert rings.keys() == {"file /x": keys}
    other = (os.urandom(KEY_SIZE), *keys)
    rings.keep({"file /x": RingSetting(LIFETIME, other)})
    assert rings.keys() == {"file /x": other}


def test_rings_outlive_a_revision_and_a_process(clock):
    rings = Rings(clock)
    rings.keep(SETTINGS)
    keys = ring(rings)
    rings.want({"made 60": RingSetting(60)})
    rings.keep(SETTINGS)
    assert rings.keys() == {"made 3600": keys}
    successor = Rings(clock)
    successor.load(rings.dump())
    successor.keep(SETTINGS)
    assert successor.keys() == rings.keys()
    assert successor.until_due() == rings.until_due()
    assert not any(key.hex() in repr(successor) for key in keys)
    rings.keep({})
    assert not rings.keys()
