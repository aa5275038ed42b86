"""Tickets: good at every worker, after a reload and a restart of a worker; not for another listener's clients."""

import json
import os
import signal
import ssl
import time

import pytest

from tests.integration.running.test_drain_and_handover import ending
from tests.integration.tls.test_terminate import certificates
from tests.support import Reply, WireError, wait_until

VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


def visit(proxy, context, session=None, name="a.example"):
    """One request on a connection of its own: whether it was resumed, and what the next may resume."""
    with proxy.connect() as client:
        client.socket = context.wrap_socket(client.socket, server_hostname=name, session=session)
        assert client.request("GET", "/", host=name).status == 200
        return client.socket.session_reused, client.socket.session


def at_most(authority, version):
    context = authority.trusting()
    context.maximum_version = version
    return context


@VERSIONS
def test_every_worker_takes_every_ticket(start_tls, start_origin, authority, version):
    proxy = start_tls(
        start_origin(Reply(content=b"ok")), tls=certificates(authority.issue("a.example")), root={"workers": 2}
    )
    context = at_most(authority, version)
    reused, session = visit(proxy, context)
    assert not reused
    for _ in range(12):  # the kernel spreads them over both workers
        reused, session = visit(proxy, context, session)
        assert reused
    counted = proxy.metrics()
    assert counted['limen_listener_tls_handshakes_total{listener="front"}'] == 13
    assert counted['limen_listener_tls_resumed_total{listener="front"}'] == 12


@VERSIONS
def test_tickets_live_through_reload_and_restart(start_tls, start_origin, authority, version):
    tls = certificates(authority.issue("a.example"))
    proxy = start_tls(start_origin(Reply(content=b"ok")), tls=tls, allow=[r"worker 0 died .* status 0"])
    context = at_most(authority, version)
    _, session = visit(proxy, context)
    text = json.loads((proxy.directory / proxy.path.name).read_text(encoding="utf-8"))
    text["listeners"][0]["tls"]["hsts"] = True
    proxy.reload(json.dumps(text))
    reused, session = visit(proxy, context, session)
    assert reused
    (worker,) = proxy.worker_pids()
    os.kill(worker, signal.SIGTERM)
    wait_until(lambda: proxy.worker_pids() not in ([], [worker]), what="another worker")
    reused, _ = visit(proxy, context, session)
    assert reused


def test_without_tickets(start_tls, start_origin, authority):
    tls = {**certificates(authority.issue("a.example")), "tickets": "none"}
    proxy = start_tls(start_origin(Reply(content=b"ok")), tls=tls)
    context = at_most(authority, ssl.TLSVersion.TLSv1_2)
    _, session = visit(proxy, context)
    assert not visit(proxy, context, session)[0]


def test_a_ticket_does_not_open_a_listener_that_asks_for_certificates(start_tls, start_origin, authority, tmp_path):
    clients = type(authority)(tmp_path, "clients")
    pair = authority.issue("a.example")
    open_, closed = certificates(pair), {**certificates(pair), "client": {"ca": str(clients.file), "require": True}}
    root = {
        "listeners": [
            {"bind": "127.0.0.1:@PORT@", "tls": open_, "routes": [{"upstream": "web"}]},
            {"bind": "127.0.0.1:@CLOSED@", "tls": closed, "routes": [{"upstream": "web"}]},
        ]
    }
    proxy = start_tls(start_origin(Reply(content=b"ok")), root=root)
    context = at_most(authority, ssl.TLSVersion.TLSv1_2)
    _, session = visit(proxy, context)
    assert visit(proxy, context, session)[0]
    with proxy.connect("CLOSED") as client, pytest.raises(ssl.SSLError):
        context.wrap_socket(client.socket, server_hostname="a.example", session=session)


@VERSIONS
def test_a_ticket_does_not_outlive_the_clients_certificate(start_tls, start_origin, authority, tmp_path, version):
    clients = type(authority)(tmp_path, "clients")
    tls = {**certificates(authority.issue("a.example")), "client": {"ca": str(clients.file)}}
    proxy = start_tls(start_origin(Reply(content=b"ok")), tls=tls)
    brief = clients.issue("brief", client=True, days=6 / 86400)
    context = authority.trusting(brief)
    context.maximum_version = version
    _, session = visit(proxy, context)
    reused, session = visit(proxy, context, session)
    assert reused
    time.sleep(max(0, brief.certificate.not_valid_after_utc.timestamp() + 1 - time.time()))
    with pytest.raises((ssl.SSLError, ConnectionError, WireError)):
        visit(proxy, context, session)


@VERSIONS
def test_tickets_live_through_a_handover(start_tls, start_origin, authority, version):
    proxy = start_tls(start_origin(Reply(content=b"ok")), tls=certificates(authority.issue("a.example")))
    context = at_most(authority, version)
    _, session = visit(proxy, context)
    pids = [proxy.pid]
    with ending(pids):
        proxy.signal(signal.SIGUSR2)
        (successor,) = proxy.wait_for_log(r"handover: process (\d+) has taken over", 60)
        pids.append(int(successor))
        assert proxy.wait_for_exit() == 0
        for _ in range(3):
            reused, session = visit(proxy, context, session)
            assert reused
    proxy.check_log()
