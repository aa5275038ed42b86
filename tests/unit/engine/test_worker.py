"""Connections per client address against a dictionary."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from limen.engine._engine_probe import client_enter, client_leave, clients
from limen.engine.engine import Engine


def address(number):
    return bytes(10) + b"\xff\xff" + number.to_bytes(4, "big")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.sampled_from([0, 1, 2, 5])), max_size=80))
def test_against_a_dictionary(todo):
    engine = Engine()
    model = Counter()
    for enter, number, limit in todo:
        ip = address(number)
        if enter:
            allowed = not limit or model[ip] < limit
            assert client_enter(engine, ip, limit) == allowed
            model[ip] += allowed
        else:
            client_leave(engine, ip)
            model[ip] = max(model[ip] - 1, 0)
    model = +model
    assert clients(engine) == (model, len(model))


def test_many_addresses_come_and_go():
    engine = Engine()
    most = 5000  # the table grows thrice
    for number in range(most):
        assert client_enter(engine, address(number), 1)
    found, count = clients(engine)
    assert count == len(found) == most
    for number in range(most):
        assert not client_enter(engine, address(number), 1)
    for number in range(0, most, 2):
        client_leave(engine, address(number))
    found, count = clients(engine)
    assert count == len(found) == most // 2
    for number in range(most):
        assert client_enter(engine, address(number), 1) == (number % 2 == 0)
    for number in range(most):
        client_leave(engine, address(number))
    assert clients(engine) == ({}, 0)
