"""Retries by condition, their budget and pauses, times of attempts and of whole exchanges, the age of connections."""

import collections
import itertools
import os
import signal
import socket
import threading
import time

import pytest

from tests.support import Close, Delay, Raw, RawOrigin, Reply, Reset, free_port, wait_until
from tests.support.health import wait_for_states
from tests.support.load import Load
from tests.support.programs import NginxOrigin, available

needs_nginx = pytest.mark.skipif(not available("nginx"), reason="nginx is not installed")


def label(origin) -> str:
    return origin.address


@pytest.mark.sanitize
def test_a_status_is_tried_elsewhere(start_gateway, start_origin):
    busy = start_origin(Reply(503, content=b"x" * 500, fields=[("Retry-After", "60")]))
    chunked = start_origin(Reply(502, content=b"y" * 20000, chunked=True))
    good = start_origin()
    gateway = start_gateway(
        busy, chunked, good, route={"retry": {"on": ["dial", 502, 503], "attempts": 2, "methods": "idempotent"}}
    )
    with gateway.connect() as client:
        for number in range(9):
            content = b"z" * number * 100000
            assert client.request("PUT", "/", content=content).status == 200
            assert good.requests[-1].content == content
    # each exchange met the others at most once, and what was left of their answers was read off
    assert len(good.requests) == 9
    assert 0 < len(busy.requests) <= 9
    assert 0 < len(chunked.requests) <= 9
    assert len(busy.connections) == 1
    assert len(chunked.connections) == 1
    assert gateway.total("limen_retries_total", cause="status") == len(busy.requests) + len(chunked.requests)
    assert gateway.total("limen_endpoint_retries_total") == len(busy.requests) + len(chunked.requests)
    assert {record["status"] for record in gateway.wait_for_records(9)} == {200}


def test_an_answer_is_passed_on_when_nobody_has_a_better_one(start_gateway, start_origin):
    busy = [start_origin(Reply(503, content=b"later", fields=[("Retry-After", "7")])) for _ in range(2)]
    gateway = start_gateway(*busy, route={"retry": {"on": [503], "attempts": 3, "backoff": "1ms"}})
    response = gateway.get()
    assert (response.status, response.content, response.get("retry-after")) == (503, b"later", "7")
    assert len(busy[0].requests) + len(busy[1].requests) == 4
    record = gateway.wait_for_records(1)[0]
    assert (record["attempts"], record["retry_blocked"]) == (4, "attempts")

    # a single endpoint that asks to wait is not asked again
    alone = start_origin(Reply(503, fields=[("retry-after", "1")]))
    gateway = start_gateway(alone, route={"retry": {"on": [503]}})
    assert gateway.get().status == 503
    assert len(alone.requests) == 1

    # and what may not be done twice is not
    both = [start_origin(Reply(503)) for _ in range(2)]
    gateway = start_gateway(*both, route={"retry": {"on": [503]}})
    with gateway.connect() as client:
        assert client.request("POST", "/", content=b"once").status == 503
    assert gateway.wait_for_records(1)[0]["retry_blocked"] == "method"


def test_conditions_that_are_not_listed(start_gateway, start_origin):
    resets = start_origin([[Reset()]])
    gateway = start_gateway(resets, resets_twin := start_origin([[Reset()]]), route={"retry": {"on": "dial"}})
    assert gateway.get().status == 502
    assert len(resets.requests) + len(resets_twin.requests) == 1
    assert gateway.wait_for_records(1)[0]["retry_blocked"] == "fault"


@pytest.mark.sanitize
def test_no_endpoint_twice_while_another_is_left(start_gateway, start_origin):
    """Three of five endpoints break off: with four more attempts each request finds one that does not."""
    bad = [start_origin(lambda *_: Reset()) for _ in range(3)]
    good = [start_origin() for _ in range(2)]
    for policy in ("round_robin", "random", "hash"):
        gateway = start_gateway(
            *bad,
            *good,
            route={"retry": {"attempts": 3, "backoff": {"base": "1ms", "most": "1ms"}}},
            upstream={"balance": policy},
        )
        with gateway.connect() as client:
            for number in range(20):
                assert client.request("GET", f"/{policy}{number}").status == 200
        for origin in bad:
            targets = [request.target for request in origin.requests]
            assert len(targets) == len(set(targets)), "the same request twice at one endpoint"
        assert max(record["attempts"] for record in gateway.wait_for_records(20)) <= 4


def test_the_budget_bounds_retries(start_gateway, start_origin):
    """Everything fails: what the budget does not allow waits a little and is then given up."""
    together, count = threading.Barrier(8), itertools.count()

    def answer(*_):
        # all fail at once, and who has the budget keeps it for longer than the others wait
        if next(count) < 8:
            together.wait(30)
            return Reset()
        return [Delay(0.5), Reset()]

    bad = [start_origin(answer) for _ in range(2)]
    gateway = start_gateway(
        *bad, route={"retry": {"attempts": 1, "budget": {"share": "0%", "least": 1, "wait": "50ms"}}}
    )
    clients = [gateway.connect().send_request("GET", "/") for _ in range(8)]
    assert [client.read_response().status for client in clients] == [502] * 8
    for client in clients:
        client.close()
    records = gateway.wait_for_records(8)
    assert {record["retry_blocked"] for record in records} <= {"attempts", "budget"}
    assert [record["retry_blocked"] for record in records].count("budget") >= 1
    assert gateway.total("limen_retry_budget_spent_total") >= 1
    retried = gateway.total("limen_retries_total", cause="reset")
    assert len(bad[0].requests) + len(bad[1].requests) == 8 + retried


def test_waiting_for_the_budget_is_no_failure(start_gateway, start_origin):
    """More fail at once than may be retried at once: they take turns."""
    bad, good = start_origin(lambda *_: [Delay(0.2), Reset()]), start_origin(lambda *_: [Delay(0.2), Reply()])
    gateway = start_gateway(
        bad, good, route={"retry": {"budget": {"share": "0%", "least": 1, "wait": "30s"}, "backoff": "1ms"}}
    )
    clients = [gateway.connect().send_request("GET", "/") for _ in range(16)]
    assert [client.read_response().status for client in clients] == [200] * 16
    for client in clients:
        client.close()
    assert gateway.total("limen_retry_budget_spent_total") >= 1


@pytest.mark.sanitize
@pytest.mark.parametrize("content", [b"", b"x" * 1000, b"y" * 200_000], ids=["none", "memory", "spool"])
def test_an_attempt_that_takes_too_long(start_gateway, start_origin, content):
    done = threading.Event()
    slow = start_origin(lambda *_: done.wait(60) and None)
    good = start_origin()
    gateway = start_gateway(slow, good, route={"retry": {"per_try": "1500ms", "methods": "any"}})
    try:
        with gateway.connect() as client:
            for _ in range(4):
                assert client.request("POST", "/", content=content).status == 200
                assert good.requests[-1].content == content
        assert slow.requests
        assert gateway.total("limen_retries_total", cause="timeout") == len(slow.requests)
    finally:
        done.set()


def test_the_last_attempt_is_bounded_as_well(start_gateway, start_origin):
    done = threading.Event()
    slow = [start_origin(lambda *_: done.wait(60) and None) for _ in range(2)]
    gateway = start_gateway(*slow, route={"retry": {"per_try": "500ms", "attempts": 1}})
    try:
        response = gateway.get()
        assert response.status == 504
        assert "error=http_response_timeout" in response.get("proxy-status")
        record = gateway.wait_for_records(1)[0]
        assert (record["attempts"], record["fault"], record["retry_blocked"]) == (2, "response_timeout", "attempts")
    finally:
        done.set()


def test_a_slow_client_is_no_slow_origin(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(origin, route={"retry": {"per_try": "2s"}})
    with gateway.connect() as client:
        client.send_request("PUT", "/", [("Content-Length", "4")])
        for byte in b"slow":
            time.sleep(0.7)
            client.send(bytes([byte]))
        assert client.read_response().status == 200
    assert origin.requests[-1].content == b"slow"
    assert len(origin.requests) == 1


@pytest.mark.sanitize
def test_the_total_time(start_gateway, start_origin):
    done = threading.Event()

    def script(request, _):
        if request.target == "/drips":
            return [Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), *[Delay(0.1)] * 50, Close()]
        if request.target == "/never":
            return done.wait(60) and None
        return Reply()

    origin = start_origin(script)
    gateway = start_gateway(origin, route={"timeouts": {"total": "2s"}})
    try:
        with gateway.connect() as client:
            assert client.request().status == 200
            response = client.request("GET", "/never")
            assert response.status == 504
            assert 'details="deadline"' in response.get("proxy-status")
        with gateway.connect() as client:
            client.send_request("GET", "/drips")
            client.read_to_end()
        # no more attempts than there is time for
        bad = [start_origin(lambda *_: Reset()) for _ in range(2)]
        patient = start_gateway(
            *bad,
            route={"timeouts": {"total": "2s"}, "retry": {"attempts": 10, "backoff": {"base": "1m", "most": "1m"}}},
        )
        assert patient.get().status == 502
        assert patient.wait_for_records(1)[0]["retry_blocked"] == "deadline"
        faults = [record.get("fault") for record in gateway.wait_for_records(3)]
        assert faults == [None, "deadline", "deadline"]
    finally:
        done.set()


@pytest.mark.parametrize(
    ("form", "sent", "bound"),
    [("milliseconds", None, 20000), ("milliseconds", "7000", 7000), ("milliseconds", "99999", 20000),
     ("milliseconds", "soon", 20000), ("grpc", "8S", 8000), ("grpc", "6000m", 6000), ("grpc", "1H", 20000)],
)  # fmt: skip
def test_the_origin_hears_of_the_deadline(start_gateway, start_origin, form, sent, bound):
    origin = start_origin()
    gateway = start_gateway(origin, route={"timeouts": {"total": "20s", "deadline": {"field": "X-Left", "form": form}}})
    with gateway.connect() as client:
        assert client.request("GET", "/", [("x-left", sent)] if sent else []).status == 200
    (found,) = origin.requests[-1].get_all("x-left")
    if form == "grpc":
        assert found.endswith("m")
        found = found[:-1]
    assert 1 <= int(found) <= bound


def test_a_client_s_deadline_counts(start_gateway, start_origin):
    done = threading.Event()
    gateway = start_gateway(
        start_origin(lambda *_: done.wait(60) and None), route={"timeouts": {"total": "10s", "deadline": "X-Left"}}
    )
    try:
        with gateway.connect() as client:
            assert client.request("GET", "/", [("X-Left", "60")]).status == 504
    finally:
        done.set()


@pytest.mark.sanitize
def test_connections_are_used_so_many_times(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(origin, upstream={"pool": {"max_requests": 10}})
    with gateway.connect() as client:
        for _ in range(60):
            assert client.request().status == 200
    assert 6 <= len(origin.connections) <= 7


def test_connections_get_so_old(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(origin, upstream={"pool": {"max_age": "1s"}})
    with gateway.connect() as client:
        assert client.request().status == 200
        # idle ones end by themselves, busy ones after their exchange
        wait_until(lambda: gateway.total("limen_endpoint_connections") == 0, what="the connection closed")
        assert client.request().status == 200
    assert len(origin.connections) == 2


# real origins -------------------------------------------------------------------------------------------------------


def nginx(name: str) -> NginxOrigin:
    return NginxOrigin(extra=f'location = /who {{ return 200 "{name}"; }}')


@needs_nginx
@pytest.mark.parametrize("workers", [1, 2])
def test_an_origin_is_killed_under_load(start_gateway, workers):
    """No request is lost: neither those that it was working on, nor those on kept connections, nor the next ones."""
    with nginx("one") as one, nginx("two") as two, nginx("three") as three:
        gateway = start_gateway(one, two, three, root={"workers": workers})
        with Load(gateway.port("PORT"), kept=12, fresh=4, target="/who") as load:
            load.wait(300)
            os.killpg(one.pid, signal.SIGKILL)
            load.wait(600)
        assert load.failures == []
        assert set(load.answers) == {"one", "two", "three"}


@needs_nginx
@pytest.mark.parametrize("workers", [1, 2])
def test_an_origin_hangs_under_load(start_gateway, workers):
    with nginx("one") as one, nginx("two") as two, nginx("three") as three:
        gateway = start_gateway(
            one, two, three, root={"workers": workers}, route={"retry": {"per_try": "1s", "attempts": 4}}
        )
        with Load(gateway.port("PORT"), kept=12, fresh=4, target="/who") as load:
            load.wait(300)
            os.killpg(one.pid, signal.SIGSTOP)
            try:
                load.wait(300)
            finally:
                os.killpg(one.pid, signal.SIGCONT)
        assert load.failures == []
        assert gateway.total("limen_retries_total", cause="timeout") > 0


@needs_nginx
def test_an_origin_that_was_killed_comes_back_without_a_burst(start_gateway):
    """Killed and started again under load: no request is lost, probes bring it back, and it begins with little."""
    probe = {"path": "/who", "interval": "100ms", "timeout": "1s", "rise": 2, "fall": 2}
    with nginx("one") as one, nginx("two") as two, nginx("three") as three:
        gateway = start_gateway(
            one, two, three, root={"workers": 2}, upstream={"probe": probe, "slow_start": "2m", "balance": "random"}
        )
        wait_for_states(gateway, "up", "up", "up")
        with Load(gateway.port("PORT"), kept=12, fresh=4, target="/who") as load:
            load.wait(300)
            one.kill()
            wait_for_states(gateway, "down", "up", "up")
            load.wait(100)
            one.start()
            rows = wait_for_states(gateway, "warming", "up", "up")
            began = len(load.answers)
            load.wait(1500)
            wait_until(lambda: "one" in load.answers[began:], what="its first request")
            since = load.answers[began:]
            assert load.failures == []
        # a tenth of its weight at first, where a third of the requests would be its share
        assert since.count("one") / len(since) < 0.2, rows


def test_resets_under_load(start_gateway, start_origin):
    """Every seventh request is reset, on any of the endpoints; no exchange as often as it may be tried."""
    count = collections.Counter()
    lock = threading.Lock()

    def script(request, _):
        with lock:
            count["all"] += 1
            again = count[request.get("x-request-id")]
            if count["all"] % 7 == 0 and again < 3:
                count[request.get("x-request-id")] += 1
                return Reset()
            return Reply()

    origins = [start_origin(script) for _ in range(3)]
    gateway = start_gateway(*origins, route={"retry": {"attempts": 5}})
    with Load(gateway.port("PORT"), kept=6, fresh=2) as load:
        load.wait(300)
    assert load.failures == []
    assert gateway.total("limen_retries_total", cause="reset") > 0


def test_a_dial_that_hangs_is_an_attempt(start_gateway, start_origin):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(full.getsockname())
            waiting.append(client)
        good = start_origin()
        gateway = start_gateway(f"127.0.0.1:{full.getsockname()[1]}", good, route={"retry": {"per_try": "1s"}})
        for _ in range(4):
            assert gateway.get().status == 200
        assert gateway.total("limen_retries_total", cause="dial") >= 1
        for client in waiting:
            client.close()


def test_silence_after_the_accept(start_gateway, start_origin):
    """An origin that accepts, reads nothing and says nothing, for a request with much content."""
    done = threading.Event()
    with RawOrigin(lambda _: done.wait(60) and None) as silent:
        good = start_origin()
        gateway = start_gateway(silent, good, route={"retry": {"per_try": "3s", "methods": "any", "max": "16MiB"}})
        content = bytes(range(250)) * 50000
        try:
            with gateway.connect() as client:
                for _ in range(2):
                    assert client.request("POST", "/", content=content).status == 200
                    assert good.requests[-1].content == content
        finally:
            done.set()


def test_nobody_answers(start_gateway):
    gateway = start_gateway(f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}", route={"retry": {"per_try": "1s"}})
    assert gateway.get().status == 502
