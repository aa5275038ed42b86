"""A second attempt beside a slow one: who answers first, and what becomes of the other."""

import threading
import time

import pytest

from tests.support import Delay, Reply, Reset, Wait, wait_until


@pytest.fixture
def slow(start_origin):
    """An origin that answers /fast at once and anything else when the test is over."""
    done = threading.Event()

    def script(request, _):
        return Reply(content=b"slow") if request.target == "/fast" else done.wait(60) and None

    yield start_origin(script)
    done.set()


@pytest.mark.sanitize
def test_the_faster_one_answers(start_gateway, start_origin, slow):
    fast = start_origin(Reply(content=b"fast"))
    # the one that never answers is always asked first: however slow the other is, it has won
    gateway = start_gateway(slow, fast, route={"hedge": "50ms"}, upstream={"balance": "first"})
    with gateway.connect() as client:
        for _ in range(6):
            assert client.request("GET", "/").content == b"fast"
    assert gateway.total("limen_hedges_total") == gateway.total("limen_hedges_won_total") == len(slow.requests) == 6
    assert {record["endpoint"] for record in gateway.wait_for_records(6)} == {fast.address}
    assert [record["attempts"] for record in gateway.records] == [2] * 6
    # the attempt that lost was ended
    wait_until(lambda: gateway.total("limen_endpoint_active") == 0, what="nothing under way")


@pytest.mark.sanitize
def test_the_first_attempt_may_still_win(start_gateway, start_origin, slow):
    def answer(*_):
        slow.wait_for_requests(len(late.requests))
        return Reply(content=b"late")

    late = start_origin(answer)
    gateway = start_gateway(late, slow, route={"hedge": {"after": "50ms"}}, upstream={"balance": "first"})
    with gateway.connect() as client:
        for _ in range(3):
            assert client.request("GET", "/").content == b"late"
    assert gateway.total("limen_hedges_total") == 3
    assert gateway.total("limen_hedges_won_total") == 0
    assert {record["endpoint"] for record in gateway.wait_for_records(3)} == {late.address}


def test_what_is_fast_is_not_hedged(start_gateway, start_origin, slow):
    gateway = start_gateway(slow, start_origin(), route={"hedge": "5s"})
    with gateway.connect() as client:
        for _ in range(10):
            assert client.request("GET", "/fast").status == 200
    assert gateway.total("limen_hedges_total") == 0


def test_only_safe_requests_without_content(start_gateway, start_origin):
    late = [start_origin(lambda *_: [Delay(0.2), Reply()]) for _ in range(2)]
    gateway = start_gateway(*late, route={"hedge": "20ms", "retry": {"methods": "any"}})
    with gateway.connect() as client:
        assert client.request("POST", "/", content=b"x").status == 200
        assert client.request("DELETE", "/").status == 200
        assert client.request("GET", "/", content=b"x").status == 200
    assert gateway.total("limen_hedges_total") == 0
    assert len(late[0].requests) + len(late[1].requests) == 3


@pytest.mark.sanitize
def test_both_fail(start_gateway, start_origin):
    """One breaks off while the hedge is under way, then the hedge: a retry is still there."""
    one = start_origin(lambda *_: [Delay(0.15), Reset()])
    two = start_origin(lambda *_: [Delay(0.25), Reset()])
    three = start_origin(Reply(content=b"three"))
    gateway = start_gateway(
        one, two, three, route={"hedge": "50ms", "retry": {"backoff": "1ms"}}, upstream={"balance": "first"}
    )
    with gateway.connect() as client:
        assert client.request("GET", "/").content == b"three"
    gateway = start_gateway(one, two, route={"hedge": "50ms", "retry": {"attempts": 0}}, upstream={"balance": "first"})
    assert gateway.get().status == 502


def test_hedges_keep_within_the_budget(start_gateway, start_origin):
    go = threading.Event()
    late = [start_origin(lambda *_: [Wait(go), Reply()]) for _ in range(2)]
    gateway = start_gateway(
        *late, route={"hedge": "20ms", "retry": {"budget": {"share": "0%", "least": 2, "wait": "0s"}}}
    )
    clients = [gateway.connect().send_request("GET", "/") for _ in range(6)]
    wait_until(lambda: len(late[0].requests) + len(late[1].requests) == 8, what="six requests, and two hedges")
    # time enough for those that the budget has no room for
    time.sleep(0.2)
    assert gateway.total("limen_hedges_total") == 2
    assert len(late[0].requests) + len(late[1].requests) == 8
    go.set()
    assert [client.read_response().status for client in clients] == [200] * 6
    for client in clients:
        client.close()


def test_a_client_that_goes_away_ends_both(start_gateway, slow, start_origin):
    other = start_origin(lambda _, connection: connection.read_to_end() and None)
    gateway = start_gateway(slow, other, route={"hedge": "20ms"}, upstream={"balance": "first"})
    client = gateway.connect().send_request("GET", "/")
    wait_until(lambda: gateway.total("limen_hedges_total") == 1, what="the hedge")
    client.reset()
    wait_until(lambda: gateway.total("limen_endpoint_active") == 0, what="nothing under way")
    assert gateway.wait_for_records(1)[0]["status"] == 499
