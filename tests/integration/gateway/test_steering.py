"""Endpoints at run time: drained, disabled, enabled and weighed, from the command line and over the admin API."""

import json
import os
import select
import signal
import threading

from tests.support import Reply, wait_until
from tests.support.health import endpoints, states, upstream, wait_for_states

WORKERS = {"workers": 2}


class Gate:
    """Responses to /slow wait until it is opened."""

    def __init__(self):
        self.opened = threading.Event()

    def __call__(self, request, _):
        if request.target == "/slow":
            self.opened.wait(60)
        return Reply()


def command(gateway, *words, status=0):
    done = gateway.command("endpoint", *words, "--file", str(gateway.path))
    assert done.returncode == status, done.stderr
    return (done.stdout or done.stderr).strip()


def gained(origins, act):
    before = [len(origin.requests) for origin in origins]
    act()
    return [len(origin.requests) - then for origin, then in zip(origins, before, strict=True)]


def post(gateway, target, content=b"", *, fields=(("X-Limen-Control", "1"),)):
    with gateway.connect("ADMIN") as client:
        host = f"127.0.0.1:{gateway.port('ADMIN')}"
        length = [("Content-Length", str(len(content)))]
        client.send_request("POST", target, [*fields, *length, ("Connection", "close")], host=host)
        client.send(content)
        return client.read_response()


def get_many(gateway, count=20):
    assert {gateway.get("/").status for _ in range(count)} == {200}


def test_drained_by_command(start_gateway, start_origin):
    gate = Gate()
    origins = [start_origin(gate), start_origin()]
    gateway = start_gateway(*origins, root=WORKERS)
    address = origins[0].address
    clients = []
    while not any(request.target == "/slow" for request in origins[0].requests):
        clients.append(gateway.connect().send_request("GET", "/slow"))
        wait_until(lambda: sum(len(one.requests) for one in origins) == len(clients), what="the request")
    assert command(gateway, "drain", "web", address) == f"web/{address}: draining (set at run time)"
    assert gained(origins, lambda: get_many(gateway)) == [0, 20]
    row = endpoints(gateway)[0]
    assert (row["state"], row["setting"], row["reason"], row["active"]) == (
        "draining",
        "draining",
        "set at run time",
        1,
    )
    gate.opened.set()
    for client in clients:
        assert client.read_response().status == 200
        client.close()
    text = gateway.path.read_text(encoding="utf-8")
    assert "reloaded" in gateway.reload(text.replace('"endpoints"', '"balance": "least_requests", "endpoints"'))
    assert states(gateway) == ["draining", "up"]
    assert gained(origins, lambda: get_many(gateway)) == [0, 20]
    status = gateway.command("status", str(gateway.path)).stdout
    assert "draining" in status
    assert command(gateway, "enable", "web", address) == f"web/{address}: up"
    assert all(gained(origins, lambda: get_many(gateway)))
    gateway.wait_for_log(rf"endpoint web/{address} is draining at run time")
    gateway.wait_for_log(rf"endpoint web/{address} is enabled at run time")


def test_all_disabled_is_no_endpoint(start_gateway, start_origin):
    origins = [start_origin(), start_origin()]
    gateway = start_gateway(*origins, root=WORKERS)
    for origin in origins:
        command(gateway, "disable", "web", origin.address)
    assert gained(origins, lambda: [gateway.get("/") for _ in range(6)]) == [0, 0]
    assert gateway.get("/").status == 503
    assert gateway.faults() == {"no_endpoint"}
    command(gateway, "enable", "web", origins[1].address)
    assert gained(origins, lambda: get_many(gateway)) == [0, 20]


def test_a_weight_until_it_is_taken_back(start_gateway, start_origin):
    origins = [start_origin(), start_origin()]
    gateway = start_gateway(*origins)
    address = origins[0].address
    assert gained(origins, lambda: get_many(gateway)) == [10, 10]
    assert command(gateway, "weight", "web", address, "9") == f"web/{address}: weight 9 at run time"
    assert gained(origins, lambda: get_many(gateway)) == [18, 2]
    row = endpoints(gateway)[0]
    assert (row["weight"], row["runtime_weight"]) == (1, 9)
    assert "9 (run time)" in gateway.command("status", str(gateway.path)).stdout
    assert command(gateway, "weight", "web", address) == f"web/{address}: weight 1, as configured"
    assert gained(origins, lambda: get_many(gateway)) == [10, 10]


def test_what_is_not_there_is_told(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(origin)
    assert command(gateway, "drain", "wep", origin.address, status=1) == (
        "limen: no upstream is called 'wep'; there are: web"
    )
    assert f"it has: {origin.address}" in command(gateway, "drain", "web", "127.0.0.1:1", status=1)
    assert "a weight is 1 to 65535" in command(gateway, "weight", "web", origin.address, "0", status=2)


def test_over_the_admin_address(start_gateway, start_origin):
    origins = [start_origin(), start_origin()]
    gateway = start_gateway(*origins)
    place = f"/upstreams/web/endpoints/{origins[0].address}"
    assert post(gateway, f"{place}/drain", fields=()).status == 403
    response = post(gateway, f"{place}/drain")
    assert response.status == 200
    assert json.loads(response.text)["state"] == "draining"
    assert json.loads(post(gateway, f"{place}/disable").text)["state"] == "disabled"
    assert json.loads(post(gateway, f"{place}/enable").text)["state"] == "up"
    assert json.loads(post(gateway, f"{place}/weight", b'{"weight": 7}').text)["runtime_weight"] == 7
    assert json.loads(post(gateway, f"{place}/weight", b'{"weight": null}').text)["runtime_weight"] is None
    for content in (b"", b"7", b'{"weight": "7"}', b'{"weight": true}', b'{"weight": 70000}', b'{"other": 7}'):
        assert post(gateway, f"{place}/weight", content).status == 422
    assert post(gateway, "/upstreams/none/endpoints/a:1/drain").status == 404
    assert post(gateway, f"{place}/weight/more").status == 404
    assert gateway.admin("/upstreams/none").status == 404
    listed = json.loads(gateway.admin("/upstreams").text)["upstreams"]
    assert listed == [upstream(gateway)]
    status = json.loads(gateway.admin("/status").text)["upstreams"]
    assert [one["name"] for one in status] == ["web"]
    assert status[0]["endpoints"][0].keys() == listed[0]["endpoints"][0].keys()


def test_a_new_worker_hears_of_it(start_gateway, start_origin):
    origins = [start_origin(), start_origin()]
    gateway = start_gateway(*origins, allow=[r"worker \d+ (died|was killed)"])
    command(gateway, "disable", "web", origins[0].address)
    (pid,) = gateway.worker_pids()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: gateway.worker_pids() not in ([], [pid]), what="a new worker")
    assert gained(origins, lambda: get_many(gateway)) == [0, 20]


def test_an_endpoint_that_leaves_and_comes_back_has_its_own_again(start_gateway, start_origin):
    origins = [start_origin(), start_origin()]
    gateway = start_gateway(*origins)
    command(gateway, "disable", "web", origins[0].address)
    command(gateway, "weight", "web", origins[0].address, "3")
    text = gateway.path.read_text(encoding="utf-8")
    without = json.loads(text)
    del without["upstreams"]["web"]["endpoints"][0]
    assert "reloaded" in gateway.reload(json.dumps(without))
    assert "reloaded" in gateway.reload(text)
    row = wait_for_states(gateway, "up", "up")[0]
    assert (row["setting"], row["runtime_weight"]) == ("enabled", None)
    assert all(gained(origins, lambda: get_many(gateway)))


def test_a_handover_keeps_what_was_set(start_limen, start_origin):
    origins = [start_origin(), start_origin()]
    text = """
    workers: 1
    admin: {bind: "127.0.0.1:@ADMIN@"}
    listeners: [{bind: "127.0.0.1:@PORT@", routes: [{upstream: web}]}]
    upstreams: {web: {endpoints: ["@A@", "@B@"]}}
    """
    limen = start_limen(text, values={"A": origins[0], "B": origins[1]})
    command(limen, "drain", "web", origins[0].address)
    command(limen, "weight", "web", origins[1].address, "5")
    limen.signal(signal.SIGUSR2)
    (successor,) = limen.wait_for_log(r"process (\d+) has taken over")
    try:
        rows = wait_for_states(limen, "draining", "up")
        assert rows[1]["runtime_weight"] == 5
        assert gained(origins, lambda: get_many(limen)) == [0, 20]
    finally:
        assert limen.wait_for_exit() == 0
        watched = os.pidfd_open(int(successor))
        os.kill(int(successor), signal.SIGTERM)
        assert select.select([watched], [], [], 30)[0]
        os.close(watched)
