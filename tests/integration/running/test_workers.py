"""Workers that are killed: replaced, and only what was theirs is lost."""

import os
import signal

from tests.support import wait_until
from tests.support.load import Load

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
    clients = [site.connect() for _ in range(16)]
    try:
        assert all(client.request().status == 200 for client in clients)
        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: set(site.worker_pids()) - set(before), what="a new worker")
        lost = 0
        for client in clients:
            client.socket.settimeout(30)
            try:
                assert client.request().status == 200
            except (OSError, AssertionError):
                lost += 1
        assert 0 < lost < 16
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
