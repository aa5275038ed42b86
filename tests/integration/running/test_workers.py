"""Workers that are killed: replaced, and only what was theirs is lost."""

import os
import signal
import threading

from tests.support import wait_until
from tests.support.load import Load
from tests.support.origins import Reply

SITE = """
workers: 2
admin: {bind: "127.0.0.1:@ADMIN@"}
listeners:
  - bind: 127.0.0.1:@PORT@
    routes: [{name: web, upstream: web}]
upstreams:
  web: {endpoints: ["@ORIGIN@"]}
"""


def test_a_killed_worker_loses_only_its_own_connections(start_limen, start_origin):
    site = start_limen(SITE, values={"ORIGIN": start_origin()}, allow=["worker . died"])
    before = site.worker_pids()
    # the kernel deals them out: all to one of the two workers once in 10^11 runs
    clients = [site.connect() for _ in range(40)]
    try:
        assert all(client.request().status == 200 for client in clients)
        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: set(site.worker_pids()) - set(before), what="a new worker")
        lost = 0
        for client in clients:
            client.socket.settimeout(60)
            try:
                assert client.request().status == 200
            except (OSError, AssertionError):
                lost += 1
        assert 0 < lost < 40
    finally:
        for client in clients:
            client.close()
    # new connections land on both workers' sockets, and wait in the backlog of the dead one if they must
    with Load(site.port(), kept=1, fresh=3) as load:
        load.wait(100)
    assert load.failures == []
    status = site.command("status", str(site.path)).stdout
    assert "ready" in status
    metrics = site.metrics()
    assert metrics['limen_exchanges_total{route="web",code="2xx"}'] >= 100
    # a gauge of the dead worker does not stay
    wait_until(lambda: site.metrics().get(f'limen_listener_connections{{listener="{site.listening[0]}"}}', 0) == 0)


def test_a_killed_worker_gives_its_places_back(start_limen, start_origin):
    opened = threading.Event()

    def reply(request, _):
        if request.target == "/slow":
            opened.wait(60)
        return Reply()

    origin = start_origin(reply)
    one = SITE.replace("workers: 2", "workers: 1").replace('["@ORIGIN@"]', '[{address: "@ORIGIN@", max_requests: 1}]')
    assert "max_requests" in one
    site = start_limen(one, values={"ORIGIN": origin}, allow=["worker . died"])
    (worker,) = site.worker_pids()
    with site.connect() as client:
        client.send_request("GET", "/slow")
        wait_until(lambda: origin.requests, what="the request")
        assert site.get("/").status == 503
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: site.worker_pids() not in ([], [worker]), what="a new worker")
    opened.set()
    assert site.get("/").status == 200
