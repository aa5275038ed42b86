"""Reload: all workers or none, no failed request, and a refusal that changes nothing."""

import signal
import socket

import pytest

from tests.support import free_port, port_is_closed, wait_until

from .conftest import SITE, Load, ask, request

TWO = SITE + "  - bind: 127.0.0.1:@SECOND@\n    routes: [{respond: {status: 200, body: second}}]\n"


def test_reload_under_load_fails_no_request(start_site):
    site = start_site()
    with Load(site.port()) as load:
        for number in range(2, 7):
            load.wait(30)
            assert f"revision {number}" in site.reload(SITE, expect=r"reloaded: revision \d+|refused")
        load.wait(30)
    assert load.failures == []
    assert {revision for _, revision in load.answers} >= {1, 6}
    assert len({pid for pid, _ in load.answers}) == 2


def test_listeners_come_and_go(start_site):
    site = start_site()
    site.values["SECOND"] = free_port()
    site.reload(TWO, expect="reloaded")
    assert ask(site.port("SECOND"))[1] == 2
    with socket.create_connection(("127.0.0.1", site.port("SECOND")), timeout=60) as kept:
        assert request(kept)[1] == 2
        site.reload(SITE, expect="revision 3")
        assert port_is_closed(site.port("SECOND"))
        # A connection outlives its listener.
        assert request(kept)[1] == 3
    assert site.answer()[1] == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SITE.replace("routes", "rotues"), "rotues"),
        (SITE.replace("@BODY@", "refuse prepare"), "this is refused"),
        (SITE.replace("@BODY@", "break prepare"), "no module named 'absent'"),
        ("listeners: [", "limen.yaml"),
    ],
)
def test_a_bad_reload_changes_nothing(start_site, text, words):
    site = start_site()
    line = site.reload(text, expect="reload refused")
    assert "revision 1 goes on" in line
    site.wait_for_log(words)
    assert {site.answer()[1] for _ in range(10)} == {1}
    done = site.command("reload", str(site.path))
    assert done.returncode == 2
    assert words in done.stderr
    # What was prepared on workers that agreed is gone, and the next one works.
    site.write(SITE)
    done = site.command("reload", str(site.path))
    assert done.returncode == 0, done.stderr
    assert site.answer()[1] == 2


def test_a_listener_that_cannot_be_bound_aborts_the_reload(start_site):
    site = start_site()
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        site.values["SECOND"] = taken.getsockname()[1]
        assert "address already in use" in site.reload(TWO, expect="reload refused")
    assert site.answer()[1] == 1
    site.reload(TWO, expect="reloaded")
    assert ask(site.port("SECOND"))[1] == 2


def test_a_worker_that_dies_while_preparing_aborts_the_reload(start_site):
    site = start_site(allow=["worker . died", "worker . did not prepare"])
    site.reload(SITE.replace("@BODY@", "crash prepare"), expect="reload refused")
    wait_until(lambda: len(site.worker_pids()) == 2, what="both workers again")
    assert site.answer()[1] == 1


def test_the_admin_address_moves(start_site):
    site = start_site()
    old = site.port("ADMIN")
    assert site.admin("/healthz").text == "ok\n"
    site.values["ADMIN"] = free_port()
    site.reload(SITE, expect="reloaded")
    assert site.admin("/healthz").text == "ok\n"
    assert port_is_closed(old)


def test_hasty_reloads_are_done_in_turn(start_site):
    site = start_site()
    for _ in range(5):
        site.signal(signal.SIGHUP)
        site.command("reload", str(site.path))
    site.reload(SITE, expect="reloaded")
    assert site.answer()[1] >= 7


def test_another_number_of_workers_is_named_as_not_applied(start_site):
    site = start_site()
    site.values["WORKERS"] = 3
    site.write(SITE)
    done = site.command("reload", str(site.path))
    assert done.returncode == 0
    assert "workers: 2 run" in done.stderr
