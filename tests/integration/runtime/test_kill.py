"""Workers that die or hang: replaced, while the others serve and no waiting connection is lost."""

import os
import signal

import pytest

from tests.support import wait_until

from .conftest import Load


def test_a_killed_worker_is_replaced_and_the_others_serve(start_site):
    site = start_site(values={"WORKERS": 3}, allow=["worker . died"])
    before = site.worker_pids()
    # Connections of the victim itself may break; those that wait in its backlog and those of others may not.
    with Load(site.port(), kept=0, fresh=3) as load:
        load.wait(30)
        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: len(set(site.worker_pids()) - set(before)) == 1, what="a new worker")
        new = (set(site.worker_pids()) - set(before)).pop()
        wait_until(lambda: new in {pid for pid, _ in load.answers}, what="answers of the new worker")
    assert set(before[1:]) < set(site.worker_pids())
    assert len(load.failures) <= 3, load.failures
    assert all("refused" not in failure for failure in load.failures)
    assert {revision for _, revision in load.answers} == {1}


def test_a_new_worker_gets_the_revision_in_force(start_site):
    site = start_site(values={"WORKERS": 1}, allow=["worker . died"])
    site.reload(site.text, expect="revision 2")
    with pytest.raises(EOFError):
        site.answer("/crash")
    # The socket is the supervisor's: this waits in its backlog until the new worker is there.
    assert site.answer()[1] == 2
    site.wait_for_log(r"worker 0 died \(pid \d+, status 7\)")


def test_a_crash_loop_is_reported_and_survived(start_site):
    site = start_site(values={"WORKERS": 1}, allow=["worker . died", "worker . is in a crash loop"])
    for _ in range(5):
        with pytest.raises((EOFError, ConnectionError)):
            site.answer("/crash")
    site.wait_for_log("worker 0 is in a crash loop")
    assert site.answer()[1] == 1


def test_a_worker_that_hangs_is_killed(start_site):
    site = start_site(values={"WORKERS": 1}, allow=["worker . died", "worker . was killed"])
    (before,) = site.worker_pids()
    with pytest.raises((EOFError, ConnectionError)):
        site.answer("/hang")
    site.wait_for_log("worker 0 was killed: no answer", timeout=60)
    assert site.answer()[0] != before
