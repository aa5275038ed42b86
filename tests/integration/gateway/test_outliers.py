"""Outliers among real origins: failing, hanging and slow ones are ejected, for all workers, and come back."""

import os
import signal
import threading
import time

import pytest

from tests.support import Close, Delay, NginxOrigin, Reply, Reset, available, wait_until
from tests.support.health import endpoints, states, wait_for_states

WORKERS = {"workers": 2}
LONG = {"base": "1m"}


class Moody:
    """An origin whose answers can be changed while it runs."""

    def __init__(self, answer=None):
        self.answer = answer or Reply()

    def __call__(self, _request, _connection):
        return self.answer


def get_until(gateway, done, what):
    """Requests, one after the other on connections of their own, until something is true."""
    statuses = []

    def asked():
        statuses.append(gateway.get("/").status)
        return done()

    wait_until(asked, what=what)
    return statuses


def ask_quietly(gateway, count=20):
    return {gateway.get("/").status for _ in range(count)}


@pytest.mark.parametrize("answer", [Reply(503), Reset(), Close()], ids=["503", "reset", "close"])
def test_failures_in_a_row_over_all_workers(start_gateway, start_origin, answer):
    sick = Moody(answer)
    origins = [start_origin(sick), start_origin(), start_origin()]
    outlier = {"consecutive": 4, "ejection": LONG}
    gateway = start_gateway(*origins, upstream={"outlier": outlier}, root=WORKERS)
    get_until(gateway, lambda: "ejected" in states(gateway), "an ejection")
    rows = wait_for_states(gateway, "ejected", "up", "up")
    assert rows[0]["reason"].endswith("failures in a row")
    assert rows[0]["ejections"] == 1
    assert rows[0]["failures"] >= 4
    assert rows[0]["ejected_until"] > rows[0]["since"]
    before = len(origins[0].requests)
    assert ask_quietly(gateway) == {200}
    assert len(origins[0].requests) == before
    gateway.wait_for_log(r"endpoint web/\S+ is ejected for 60 s: \d failures in a row")
    assert gateway.total("limen_ejections_total") == 1


def test_a_success_ends_a_row(start_gateway, start_origin):
    answers = [Reply(503), Reply(503), Reply(200)] * 20
    origins = [start_origin(answers), start_origin()]
    outlier = {"consecutive": 3, "ejection": {**LONG, "share": 1.0}}
    gateway = start_gateway(*origins, upstream={"outlier": outlier}, root=WORKERS)
    for _ in range(40):
        with gateway.connect() as client:
            client.request()
    assert len(origins[0].requests) >= 12
    assert states(gateway) == ["up", "up"]


def test_never_more_than_the_share(start_gateway, start_origin):
    origins = [start_origin(Reply(502)) for _ in range(4)]
    outlier = {"consecutive": 2, "ejection": {**LONG, "share": 0.5}}
    gateway = start_gateway(*origins, upstream={"outlier": outlier}, root=WORKERS)
    get_until(gateway, lambda: states(gateway).count("ejected") == 2, "two ejections")
    ask_quietly(gateway, 30)
    time.sleep(0.2)
    assert states(gateway).count("ejected") == 2


def test_it_comes_back_and_is_ejected_longer(start_gateway, start_origin):
    sick = Moody(Reply(503))
    origins = [start_origin(sick), start_origin()]
    outlier = {"consecutive": 2, "ejection": {"base": "1s", "most": "1h"}}
    gateway = start_gateway(*origins, upstream={"outlier": outlier}, root=WORKERS)
    get_until(gateway, lambda: "is ejected for 1 s" in gateway.log, "an ejection")
    # in a row, as soon as it fails again within a second of its return
    get_until(gateway, lambda: "is ejected for 2 s" in gateway.log, "a longer one")
    sick.answer = Reply()
    rows = wait_for_states(gateway, "up", "up")
    assert rows[0]["ejections"] >= 2
    assert ask_quietly(gateway, 40) == {200}


def test_an_error_rate(start_gateway, start_origin):
    origins = [start_origin([Reply(500), Reply(500), Reply(200)] * 500), start_origin(), start_origin()]
    outlier = {
        "consecutive": 0,
        "failures": [500],
        "error_rate": {"above": 0.4, "requests": 3},
        "interval": "2s",
        "ejection": LONG,
    }
    gateway = start_gateway(*origins, upstream={"outlier": outlier}, root=WORKERS)
    get_until(gateway, lambda: "ejected" in states(gateway), "an ejection")
    rows = wait_for_states(gateway, "ejected", "up", "up")
    assert "attempts failed" in rows[0]["reason"]
    assert ask_quietly(gateway) == {200}


def test_a_slow_one_beside_the_others(start_gateway, start_origin):
    origins = [start_origin(lambda _request, _: [Delay(0.5), Reply()]), start_origin(), start_origin()]
    outlier = {
        "consecutive": 0,
        "slow": {"times": 4, "least": "300ms", "requests": 2},
        "interval": "2s",
        "ejection": LONG,
    }
    gateway = start_gateway(*origins, upstream={"outlier": outlier}, root=WORKERS)
    get_until(gateway, lambda: "ejected" in states(gateway), "an ejection")
    rows = wait_for_states(gateway, "ejected", "up", "up")
    assert "ms to a response, the others" in rows[0]["reason"]


@pytest.mark.skipif(not available("nginx"), reason="nginx is not installed")
def test_a_hanging_nginx_is_ejected_and_found_well_by_its_probe(start_gateway):
    # exchanges find it long before its probe does
    probe = {"path": "/hello", "interval": "100ms", "timeout": "1s", "rise": 2, "fall": 6}
    outlier = {"consecutive": 2, "ejection": {"base": "1h", "most": "1h"}}
    with NginxOrigin() as first, NginxOrigin() as second:
        gateway = start_gateway(
            first,
            second,
            route={"timeouts": {"response": "1s"}},
            upstream={"outlier": outlier, "probe": probe},
            root=WORKERS,
        )
        wait_for_states(gateway, "up", "up")
        assert {gateway.get("/hello").status for _ in range(8)} == {200}
        os.kill(first.pid, signal.SIGSTOP)
        try:
            wait_until(
                lambda: gateway.get("/hello").status and endpoints(gateway)[0]["ejections"] == 1, what="an ejection"
            )
            wait_for_states(gateway, "down", "up")
            assert {gateway.get("/hello").status for _ in range(8)} == {200}
        finally:
            os.kill(first.pid, signal.SIGCONT)
        # not after an hour: its probe has seen it fall, and come back
        wait_for_states(gateway, "up", "up")
        gateway.wait_for_log("no longer ejected: its probe found it down, and up again")
        assert {gateway.get("/hello").status for _ in range(8)} == {200}


def test_killed_under_load_nobody_notices(start_gateway, start_origin):
    origins = [start_origin() for _ in range(4)]
    probe = {"interval": "100ms", "rise": 2, "fall": 2, "timeout": "1s"}
    gateway = start_gateway(*origins, upstream={"outlier": True, "probe": probe}, root=WORKERS)
    wait_for_states(gateway, "up", "up", "up", "up")
    stop, statuses = threading.Event(), []

    def client():
        while not stop.is_set():
            with gateway.connect() as connection:
                statuses.extend(connection.request().status for _ in range(5))

    clients = [threading.Thread(target=client) for _ in range(4)]
    for one in clients:
        one.start()
    try:
        wait_until(lambda: len(statuses) > 100, what="some load")
        origins[0].refuse()
        wait_for_states(gateway, "down", "up", "up", "up")
        before = len(statuses)
        origins[0].start()
        wait_for_states(gateway, "up", "up", "up", "up")
        had = len(origins[0].requests)
        wait_until(lambda: len(origins[0].requests) > had + 50, what="exchanges for it")
        assert len(statuses) > before
    finally:
        stop.set()
        for one in clients:
            one.join()
    assert set(statuses) == {200}
