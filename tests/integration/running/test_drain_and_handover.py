"""The end of an instance, and a new one taking its place, on the real engine."""

import contextlib
import os
import re
import select
import signal
import threading

import pytest

from tests.support import RawOrigin, Reply, Wait, echo, port_is_closed, wait_until
from tests.support.load import Load

SITE = """
workers: 2
admin: {bind: "127.0.0.1:@ADMIN@"}
drain: {timeout: @TIMEOUT@}
listeners:
  - bind: 127.0.0.1:@PORT@
    routes: [{upstream: web}]
  - bind: 127.0.0.1:@RAW@
    stream: {upstream: echo}
upstreams:
  web: {endpoints: ["@ORIGIN@"]}
  echo: {endpoints: ["@ECHO@"]}
"""


@pytest.fixture
def start(start_limen, start_origin):
    with RawOrigin(echo) as opaque:

        def start(script=None, timeout="30s", **options):
            origin = start_origin(script)
            values = {"ORIGIN": origin, "ECHO": opaque, "TIMEOUT": timeout}
            site = start_limen(SITE, values=values, **options)
            site.origin = origin
            return site

        yield start


def test_what_is_under_way_is_finished(start):
    go = threading.Event()
    quick, slow = Reply(), [Wait(go), Reply(content=b"x" * 300_000)]
    site = start(lambda request, _: quick if request.target == "/quick" else slow)
    with site.connect() as busy, site.connect() as idle, site.connect() as fresh:
        assert idle.request("GET", "/quick").status == 200
        busy.send_request("GET", "/slow")
        site.origin.wait_for_requests(2)
        # connected in time, asked late: answered still, as long as it is not later than a quarter of a second
        with stopped(site.worker_pids()):
            site.signal(signal.SIGTERM)
            site.wait_for_log("draining")
            fresh.send_request("GET", "/late")
        wait_until(lambda: port_is_closed(site.port()), what="refused connections")
        site.origin.wait_for_requests(3)
        idle.expect_end()
        go.set()
        for client in (busy, fresh):
            response = client.read_response()
            assert (response.status, len(response.content)) == (200, 300_000)
            assert response.get("connection") == "close"
            client.expect_end()
        assert site.wait_for_exit() == 0
    site.check_log()


def test_a_slow_reader_gets_all_of_its_answer(start):
    site = start(Reply(content=b"y" * 4_000_000))
    with site.connect() as client:
        client.send_request("GET", "/large")
        site.origin.wait_for_requests(1)
        client.read_exactly(1000)
        site.signal(signal.SIGTERM)
        wait_until(lambda: port_is_closed(site.port()), what="refused connections")
        rest = client.read_to_end()
        assert rest.endswith(b"y" * 3_900_000)
        assert site.wait_for_exit() == 0


def test_tunnels_last_until_the_deadline(start):
    site = start(timeout="6s")
    with site.connect("RAW") as stream:
        stream.send(b"one")
        assert stream.read_exactly(3) == b"one"
        site.signal(signal.SIGTERM)
        wait_until(lambda: port_is_closed(site.port("RAW")), what="refused connections")
        stream.send(b"two")
        assert stream.read_exactly(3) == b"two"
        assert stream.fill() is False
        assert site.wait_for_exit() == 0
    site.wait_for_log("drain timed out, cutting off 1 connections, 1 exchanges, 1 tunnels|cutting off .*1 tunnels")


def test_a_drain_under_load_fails_no_request_that_was_let_in(start):
    site = start()
    with Load(site.port()) as load:
        load.wait(200)
        load.refused = True
        site.signal(signal.SIGTERM)
        wait_until(lambda: load.refusals > 0 or bool(load.failures), what="a refused connection")
        assert site.wait_for_exit() == 0
    assert load.failures == []
    site.check_log()


def test_handovers_under_load_fail_no_request(start):
    site = start()
    pids = [site.pid]
    with ending(pids), Load(site.port(), kept=4, fresh=6) as load:
        for _ in range(2):
            load.wait(100)
            os.kill(pids[-1], signal.SIGUSR2)
            done = f" {pids[-1]} limen.supervisor: handover: process ([0-9]+) has taken over"
            wait_until(lambda wanted=done: re.search(wanted, site.log), 60, what=done)
            pids.append(int(re.search(done, site.log)[1]))
            load.wait(100)
        load.stop()
        assert load.failures == []
        assert site.get("/").status == 200
        assert site.metrics()["limen_workers"] == 2
        assert site.wait_for_exit() == 0
    site.check_log()


@contextlib.contextmanager
def stopped(pids):
    """Processes to which nothing happens meanwhile."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def ending(pids):
    """Ends the instances that came after the first, which is not our child."""
    try:
        yield
    finally:
        for pid in pids[1:]:
            end(pid)


def end(pid):
    """Ends an instance that we did not start ourselves, and waits for it."""
    try:
        watched = os.pidfd_open(pid)
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    select.select([watched], [], [], 30)
    os.close(watched)
