"""Starting: who accepts where, what is printed, and how a start fails."""

import os
import signal
import socket
import stat

import pytest

from tests.support import LimenFailure, wait_until

from .conftest import SITE, Site, ask

UNIX = """
workers: 2
listeners:
  - bind: unix:@DIR@/front.sock
    routes: [{respond: {status: 200, body: hello}}]
  - bind: 127.0.0.1:0
    routes: [{respond: {status: 200, body: hello}}]
"""


def test_every_worker_serves_and_has_its_own_socket(start_site):
    site = start_site()
    assert site.listening == [f"127.0.0.1:{site.port()}"]
    pids = set()
    wait_until(lambda: pids.add(site.answer()[0]) or len(pids) == 2, what="answers of both workers")
    assert pids == set(site.worker_pids())


def test_unix_sockets_are_shared_and_removed(start_site):
    site = start_site(UNIX)
    path = site.directory / "front.sock"
    assert site.listening[0] == f"unix:{path}"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)
        sock.connect(str(path))
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert b"200 OK" in sock.recv(4096)
    assert ask(int(site.listening[1].rpartition(":")[2]))[1] == 1
    site.stop()
    assert not path.exists()


def test_a_stale_unix_socket_is_replaced(start_site, tmp_path):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "front.sock"))
    start_site(UNIX, directory=tmp_path)


def test_the_control_socket_is_ours_alone(start_site):
    site = start_site()
    (path,) = (site.directory / "limen").glob("*.sock")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    site.stop()
    assert not path.exists()


def test_a_port_in_use_is_named(start_site):
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        port = taken.getsockname()[1]
        site = Site(values={"PORT": port}, status=1)
        with pytest.raises(LimenFailure) as failure, site:
            pass
    assert f"cannot listen on 127.0.0.1:{port}: address already in use" in str(failure.value)
    assert "ended with status 1" in str(failure.value)


def test_a_second_instance_is_refused(start_site):
    site = start_site()
    second = site.command("run", str(site.path))
    assert second.returncode == 1
    assert f"already running (pid {site.pid}" in second.stderr
    assert site.answer()[1] == 1


def test_what_a_killed_instance_leaves_does_not_hinder_the_next(start_site, tmp_path):
    site = start_site(directory=tmp_path)
    os.kill(site.pid, signal.SIGKILL)
    site.wait_for_exit()
    site.kill()
    again = start_site(directory=tmp_path)
    assert again.answer()[1] == 1


def test_workers_end_when_their_supervisor_was_killed(start_site):
    site = start_site(status=-signal.SIGKILL)
    pids = site.worker_pids()
    os.kill(site.pid, signal.SIGKILL)
    site.wait_for_exit()
    wait_until(lambda: not any(_is_alive(pid) for pid in pids), what="the workers' end")


@pytest.mark.parametrize(
    ("body", "words"), [("refuse prepare", "this is refused"), ("break prepare", "no module named 'absent'")]
)
def test_what_the_workers_refuse_ends_the_start(body, words):
    site = Site(values={"BODY": body})
    with pytest.raises(LimenFailure) as failure, site:
        pass
    assert words in str(failure.value)
    assert "ended with status 2" in str(failure.value)


def test_workers_that_cannot_live_end_the_start():
    site = Site(values={"BODY": "crash prepare"})
    with pytest.raises(LimenFailure) as failure, site:
        pass
    assert "ended before it could serve: status 3" in str(failure.value)
    assert "ended with status 1" in str(failure.value)


def test_a_bad_configuration_ends_with_status_2():
    site = Site(SITE.replace("routes", "rotues"))
    with pytest.raises(LimenFailure) as failure, site:
        pass
    assert "ended with status 2" in str(failure.value)
    assert "rotues" in str(failure.value)


def test_a_signal_during_the_start_ends_it(start_site):
    site = Site(fresh=True)
    site._wait = lambda *_: None  # not until it serves
    with site:
        wait_until(lambda: bool(site.worker_pids()), what="the first worker")
        pids = site.worker_pids()
        site.signal(signal.SIGTERM)
        assert site.wait_for_exit() == 0
        assert not any(_is_alive(pid) for pid in pids)


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
