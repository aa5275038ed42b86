"""Reload on the real engine: no request fails, and what the change does not touch lives on."""

import socket
import threading

import pytest

from tests.support import Echo, Raw, RawOrigin, Reply, Wait, echo, free_port, port_is_closed, wait_until
from tests.support.load import Load

SITE = """
workers: 2
admin: {bind: "127.0.0.1:@ADMIN@"}
drain: {timeout: 10s}
log: {level: @LEVEL@}
listeners:
  - name: site
    bind: 127.0.0.1:@PORT@
    routes:
      - {name: changing, match: {path: /changing}, respond: {status: 200, body: "@BODY@"}}
      - {name: web, upstream: web}
upstreams:
  web: {endpoints: ["@ORIGIN@"]}
"""
UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "websocket")]
SWITCHED = Raw(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")


@pytest.fixture
def site(start_limen, start_origin):
    origin = start_origin(lambda request, _: [SWITCHED, Echo()] if request.get("upgrade") else Reply())
    started = start_limen(SITE, values={"ORIGIN": origin, "BODY": "one", "LEVEL": "info"})
    started.origin = origin
    return started


def change(site, body, text=SITE):
    site.values["BODY"] = body
    return site.reload(text)


def test_reloads_under_load_fail_no_request(site):
    with Load(site.port(), target="/changing") as answered, Load(site.port(), kept=2, fresh=1) as passed:
        for number in range(5):
            answered.wait(60)
            passed.wait(40)
            body = f"body {number}"
            if number % 2:
                site.values["BODY"] = body
                site.write(SITE)
                done = site.command("reload", str(site.path))
                assert done.returncode == 0, done.stderr
                assert f"revision {number + 2}" in done.stdout
            else:
                assert "reloaded" in change(site, body)
        answered.wait(60)
        passed.wait(40)
    assert answered.failures + passed.failures == []
    assert {"one", "body 0", "body 4"} <= set(answered.answers)
    assert site.get("/changing").text == "body 4"


def test_tunnels_pools_and_counters_live_on(site, start_limen):
    with site.connect() as tunnel, site.connect() as kept:
        assert tunnel.request("GET", "/socket", UPGRADE).status == 101
        assert kept.request("GET", "/page").status == 200
        opened = len(site.origin.connections)
        before = site.metrics()
        assert "reloaded" in change(site, "two")
        tunnel.send(b"still here")
        assert tunnel.read_exactly(10) == b"still here"
        for _ in range(5):
            assert kept.request("GET", "/page").status == 200
        assert kept.request("GET", "/changing").text == "two"
        assert len(site.origin.connections) == opened
        after = site.metrics()
        counter = 'limen_exchanges_total{route="web",code="2xx"}'
        assert after[counter] == before[counter] + 5
        accepted = 'limen_listener_accepted_total{listener="site"}'
        assert after[accepted] == before[accepted]


def test_idle_connections_of_a_removed_endpoint_are_closed(site, start_origin):
    other = start_origin()
    site.values["OTHER"] = other
    both = SITE.replace('["@ORIGIN@"]', '["@ORIGIN@", "@OTHER@"]')
    assert "reloaded" in site.reload(both)
    for _ in range(8):
        assert site.get("/page").status == 200
    assert other.requests
    assert site.origin.requests
    kept = len(site.origin.connections)
    assert "reloaded" in site.reload(SITE)
    wait_until(lambda: all(ended(connection) for connection in other.connections), what="closed idle connections")
    assert not all(ended(connection) for connection in site.origin.connections[:kept])
    assert site.get("/page").status == 200


def ended(connection):
    """Whether the origin's side has been told the end of the connection."""
    return connection.ended


def test_a_route_that_moves_to_another_endpoint_finishes_on_the_old_one(site, start_origin):
    go = threading.Event()
    slow = start_origin([[Wait(go), Reply(content=b"slow")]])
    other = start_origin(Reply(content=b"other"))
    site.values["ORIGIN"] = slow
    assert "reloaded" in site.reload(SITE)
    with site.connect() as client:
        client.send_request("GET", "/page")
        slow.wait_for_requests(1)
        site.values["ORIGIN"] = other
        assert "reloaded" in site.reload(SITE)
        go.set()
        assert client.read_response().text == "slow"
        assert client.request("GET", "/page").text == "other"


FORWARD_AND_STREAM = """
workers: 2
listeners:
  - bind: 127.0.0.1:@PORT@
    routes: [{respond: {status: 200, body: "@BODY@"}}]
  - bind: 127.0.0.1:@PROXY@
    forward:
      targets: {private: allow}
      access: [{allow: {ports: ["1-65535"]}}]
  - bind: 127.0.0.1:@RAW@
    stream: {upstream: echo}
upstreams:
  echo: {endpoints: ["@ECHO@"]}
"""


def test_connect_tunnels_and_streams_live_on(start_limen):
    with RawOrigin(echo) as origin:
        site = start_limen(FORWARD_AND_STREAM, values={"ECHO": origin, "BODY": "one"})
        with site.connect("PROXY") as tunnel, site.connect("RAW") as stream:
            tunnel.send(f"CONNECT {origin.address} HTTP/1.1\r\nHost: {origin.address}\r\n\r\n")
            assert tunnel.read_head().status == 200
            for body in ("two", "three"):
                for client in (tunnel, stream):
                    client.send(body)
                    assert client.read_exactly(len(body)) == body.encode()
                assert "reloaded" in change(site, body, FORWARD_AND_STREAM)
                assert site.get().text == body
            # even when their listeners go
            only = FORWARD_AND_STREAM.partition("  - bind: 127.0.0.1:@PROXY@")[0]
            assert "reloaded" in site.reload(only)
            assert port_is_closed(site.port("PROXY"))
            for client in (tunnel, stream):
                client.send(b"last")
                assert client.read_exactly(4) == b"last"
        assert len(origin.connections) == 2


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("listeners:", "listeners: [", "limen.yaml:"),
        ("upstream: web}", "upstream: wbe}", "unknown upstream 'wbe'"),
        ("upstream: web}", 'upstream: web, hooks: ["absent_module:hook"]}', "absent_module"),
        ("upstream: web}", 'upstream: web, hooks: ["os.path:absent"]}', "absent"),
        (
            "  - name: site",
            '  - {bind: "127.0.0.1:@TAKEN@", stream: {upstream: web}}\n  - name: site',
            "already in use",
        ),
    ],
)
def test_a_bad_reload_changes_nothing_and_says_why(site, old, new, words):
    with (
        socket.create_server(("127.0.0.1", free_port())) as taken,
        Load(site.port(), target="/changing", fresh=1) as load,
    ):
        site.values["TAKEN"] = taken.getsockname()[1]
        load.wait(10)
        assert "revision 1 goes on" in change(site, "never", SITE.replace(old, new))
        site.wait_for_log(words)
        done = site.command("reload", str(site.path))
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
        load.wait(10)
    assert load.failures == []
    assert set(load.answers) == {"one"}
    assert "reloaded" in change(site, "two")
    assert site.get("/changing").text == "two"


def test_listeners_come_and_go_under_load(site):
    site.values["SECOND"] = free_port()
    two = SITE.replace("upstreams:", "  - {bind: 127.0.0.1:@SECOND@, routes: [{upstream: web}]}\nupstreams:")
    assert "reloaded" in site.reload(two)
    with Load(site.port("SECOND")) as load, Load(site.port(), kept=1, fresh=1) as other:
        load.wait(50)
        load.refused = True
        assert "reloaded" in site.reload(SITE)
        wait_until(lambda: load.refusals > 0 or bool(load.failures), what="a refused connection")
        other.wait(20)
    # whoever was let in got an answer
    assert load.failures + other.failures == []
    assert port_is_closed(site.port("SECOND"))


def test_the_log_level_changes_in_workers_too(site):
    site.values["LEVEL"] = "error"
    site.write(SITE)
    assert site.command("reload", str(site.path)).returncode == 0
    site.values["LEVEL"] = "debug"
    site.write(SITE)
    assert site.command("reload", str(site.path)).returncode == 0
    site.wait_for_log(r"DEBUG \d+ limen.worker: worker 0: revision 3 is in force")
    site.wait_for_log(r"DEBUG \d+ limen.worker: worker 1: revision 3 is in force")
    assert "revision 2 is in force" not in site.log
