"""Handover: another process takes over the same sockets, and no connection notices."""

import contextlib
import os
import re
import signal
import socket

import pytest

from tests.support import wait_until

from .conftest import SITE, Load, receive

ALIVE = r"handover: process (\d+) has taken over"


@pytest.fixture
def site(start_site):
    site = start_site()
    yield site
    # Successors are not the process that the fixture knows.
    for pid in re.findall(r"process (\d+) has taken over", site.log):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGTERM)


@pytest.mark.parametrize("workers", [2, 1, 4])
def test_no_connection_is_refused(site, workers):
    before = set(site.worker_pids())
    site.values["WORKERS"] = workers
    site.write(SITE)
    with Load(site.port(), kept=0, fresh=4) as load:
        load.wait(100)
        site.signal(signal.SIGUSR2)
        site.wait_for_log(ALIVE, timeout=60)
        assert site.wait_for_exit() == 0
        load.wait(200)
    assert load.failures == []
    pids = {pid for pid, _ in load.answers}
    assert len(pids - before) == workers
    assert site.admin("/healthz").text == "ok\n"
    status = site.command("status", str(site.path))
    assert status.returncode == 0, status.stderr
    assert f"pid {_successor(site)}" in status.stdout


def test_exchanges_in_flight_end_in_the_old_process(site):
    with socket.create_connection(("127.0.0.1", site.port()), timeout=60) as sock:
        before = set(site.worker_pids())
        sock.sendall(b"GET /hold?6 HTTP/1.1\r\n\r\n")
        wait_until(lambda: '"exchanges": 1' in site.admin("/status").text, what="the exchange in flight")
        site.signal(signal.SIGUSR2)
        site.wait_for_log(ALIVE, timeout=60)
        wait_until(lambda: site.answer()[0] not in before, what="answers of the new process")
        assert receive(sock)[0] in before
    assert site.wait_for_exit() == 0


def test_twice_in_a_row(site):
    with Load(site.port(), kept=0, fresh=2) as load:
        site.signal(signal.SIGUSR2)
        site.wait_for_log(ALIVE, timeout=60)
        assert site.wait_for_exit() == 0
        os.kill(_successor(site), signal.SIGUSR2)
        wait_until(lambda: len(re.findall(ALIVE, site.log)) == 2, 60, what="the second handover")
        load.wait(50)
    assert load.failures == []


@pytest.mark.parametrize("body", ["refuse prepare", "refuse prepare late"])
def test_a_successor_that_fails_changes_nothing(site, body):
    # With more workers than before: their sockets must not take a connection that nobody will answer.
    site.write(SITE.replace("@BODY@", body).replace("@WORKERS@", "6"))
    with Load(site.port(), kept=2, fresh=4) as load:
        load.wait(50)
        site.signal(signal.SIGUSR2)
        site.wait_for_log("handover failed, this process goes on", timeout=60)
        site.wait_for_log("this is refused")
        load.wait(50)
    assert load.failures == []
    assert site.answer()[1] == 1
    # Nothing of it is left: reload, status and a second try work.
    site.reload(SITE, expect="reloaded: revision 2")
    site.signal(signal.SIGUSR2)
    site.wait_for_log(ALIVE, timeout=60)
    assert site.wait_for_exit() == 0
    assert site.answer()[1] == 1


def test_a_removed_listener_ends_with_the_old_process(start_site):
    two = SITE + "  - bind: unix:@DIR@/front.sock\n    routes: [{respond: {status: 200, body: second}}]\n"
    site = start_site(two)
    site.write(two.replace("front", "other"))
    site.signal(signal.SIGUSR2)
    site.wait_for_log(ALIVE, timeout=60)
    assert site.wait_for_exit() == 0
    with socket.socket(socket.AF_UNIX) as sock, pytest.raises(OSError):
        sock.connect(str(site.directory / "front.sock"))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(site.directory / "other.sock"))
    os.kill(_successor(site), signal.SIGTERM)
    wait_until(lambda: not (site.directory / "other.sock").exists(), what="the end of the successor")


def _successor(site):
    return int(re.findall(ALIVE, site.log)[-1])
