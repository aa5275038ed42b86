"""Balancers before real origins: two workers, bounds with a queue, origins that die, are slow or come back."""

import threading
from collections import Counter

import pytest

from tests.support import wait_until
from tests.support.origins import Delay, Reply


def counts(origins):
    return [len(origin.requests) for origin in origins]


class Gate:
    """An origin's responses wait until it is opened."""

    def __init__(self):
        self.opened = threading.Event()

    def __call__(self, request, _):
        if request.target.startswith("/slow"):
            self.opened.wait(60)
        return Reply()


@pytest.fixture
def gates():
    made = [Gate(), Gate(), Gate()]
    yield made
    for gate in made:
        gate.opened.set()


def blocked(gateway, origins, total, target="/slow"):
    """Clients with a request at an origin each, begun one after the other."""
    clients = []
    for number in range(total):
        before = sum(counts(origins))
        clients.append(gateway.connect().send_request("GET", f"{target}{number}"))
        wait_until(lambda before=before: sum(counts(origins)) > before, what="the request")
    return clients


def end(clients, gates, status=200):
    for gate in gates:
        gate.opened.set()
    for client in clients:
        assert client.read_response().status == status
        client.close()


def test_two_workers_spread_as_one(start_gateway, start_origin, gates):
    origins = [start_origin(gate) for gate in gates]
    gateway = start_gateway(*origins, upstream={"balance": "least_requests"}, root={"workers": 2})
    clients = blocked(gateway, origins, 12)
    assert counts(origins) == [4, 4, 4]
    end(clients, gates)


def test_max_requests_hold_over_workers_and_who_is_too_many_is_shed(start_gateway, start_origin, gates):
    origins = [start_origin(gate) for gate in gates[:2]]
    endpoints = [{"address": f"@ORIGIN{letter}@", "max_requests": 2} for letter in "AB"]
    gateway = start_gateway(*origins, upstream={"endpoints": endpoints}, root={"workers": 2})
    clients = blocked(gateway, origins, 4)
    assert counts(origins) == [2, 2]
    for _ in range(6):
        response = gateway.get("/slow")
        assert response.status == 503
        assert response.get("retry-after") == "1"
        assert "connection_limit_reached" in response.get("proxy-status")
    assert counts(origins) == [2, 2]
    end(clients, gates)
    assert gateway.get("/").status == 200


def test_an_upstream_has_a_bound_of_its_own(start_gateway, start_origin, gates):
    origins = [start_origin(gate) for gate in gates]
    gateway = start_gateway(*origins, upstream={"max_requests": 4}, root={"workers": 2})
    clients = blocked(gateway, origins, 4)
    for _ in range(6):
        assert gateway.get("/slow").status == 503
    assert sum(counts(origins)) == 4
    assert gateway.faults() == {"shed"}
    end(clients, gates)
    for _ in range(8):
        assert gateway.get("/").status == 200


def test_who_waits_for_a_full_upstream_is_served(start_gateway, start_origin, gates):
    origins = [start_origin(gate) for gate in gates[:2]]
    upstream = {"max_requests": 2, "queue": {"timeout": "20s"}}
    gateway = start_gateway(*origins, upstream=upstream, root={"workers": 2})
    clients = blocked(gateway, origins, 2)
    clients += [gateway.connect().send_request("GET", f"/waits{number}") for number in range(6)]
    wait_until(lambda: gateway.total("limen_exchanges_in_flight") == 8, what="all wait")
    assert sum(counts(origins)) == 2
    end(clients, gates)
    assert sum(counts(origins)) == 8


def test_the_queue_keeps_the_order_of_arrival(start_gateway, start_origin, gates):
    origin = start_origin(gates[0])
    upstream = {"endpoints": [{"address": "@ORIGINA@", "max_requests": 1}], "queue": {"size": 3, "timeout": "20s"}}
    gateway = start_gateway(origin, upstream=upstream)
    clients = blocked(gateway, [origin], 1)
    for number in range(3):
        clients.append(gateway.connect().send_request("GET", f"/waits{number}"))
        wait_until(lambda number=number: gateway.total("limen_exchanges_in_flight") == number + 2, what="it waits")
    assert gateway.get("/too-many").status == 503
    assert len(origin.requests) == 1
    end(clients, gates)
    assert [request.target for request in origin.requests] == ["/slow0", "/waits0", "/waits1", "/waits2"]


def test_urgent_routes_go_before_others(start_gateway, start_origin, gates):
    origin = start_origin(gates[0])
    upstream = {"endpoints": [{"address": "@ORIGINA@", "max_requests": 1}], "queue": {"size": 4, "timeout": "20s"}}
    routes = [{"match": {"path": {"regex": "/urgent.*"}}, "upstream": "web", "urgent": True}, {"upstream": "web"}]
    gateway = start_gateway(origin, upstream=upstream, routes=routes)
    clients = blocked(gateway, [origin], 1)
    for number, target in enumerate(("/a", "/urgent1", "/b", "/urgent2"), 2):
        clients.append(gateway.connect().send_request("GET", target))
        wait_until(lambda number=number: gateway.total("limen_exchanges_in_flight") == number, what="it waits")
    assert len(origin.requests) == 1
    end(clients, gates)
    assert [request.target for request in origin.requests] == ["/slow0", "/urgent1", "/urgent2", "/a", "/b"]


def test_who_waits_too_long_is_shed_and_who_leaves_is_forgotten(start_gateway, start_origin, gates):
    origin = start_origin(gates[0])
    upstream = {"endpoints": [{"address": "@ORIGINA@", "max_requests": 1}], "queue": {"timeout": "200ms"}}
    gateway = start_gateway(origin, upstream=upstream)
    clients = blocked(gateway, [origin], 1)
    gateway.connect().send_request("GET", "/gone").close()
    assert gateway.get("/late").status == 503
    assert "shed" in gateway.faults()
    end(clients, gates)
    assert gateway.get("/").status == 200
    assert [request.target for request in origin.requests] == ["/slow0", "/"]


def test_a_place_freed_by_another_worker_is_found(start_gateway, start_origin, gates):
    origin = start_origin(gates[0])
    upstream = {"endpoints": [{"address": "@ORIGINA@", "max_requests": 1}], "queue": {"timeout": "20s"}}
    gateway = start_gateway(origin, upstream=upstream, root={"workers": 2})
    clients = blocked(gateway, [origin], 1)
    # some of these wait in the worker that has the place, some in the other
    clients += [gateway.connect().send_request("GET", f"/waits{number}") for number in range(8)]
    wait_until(lambda: gateway.total("limen_exchanges_in_flight") == 9, what="all wait")
    end(clients, gates)
    assert len(origin.requests) == 9


def test_a_cookie_keeps_its_endpoint(start_gateway, start_origin):
    origins = [start_origin() for _ in range(3)]
    balance = {"hash": {"by": "cookie", "name": "session"}}
    gateway = start_gateway(*origins, upstream={"balance": balance}, root={"workers": 2})
    homes = {}
    # (all at one of the three by chance: once in 10^9 runs)
    for number in range(20):
        before = counts(origins)
        for fields in (f"session={number}", f"a=b; session={number}", f"session={number}; c=d"):
            with gateway.connect() as client:
                assert client.request(fields=[("Cookie", fields)]).status == 200
        gained = [now - then for now, then in zip(counts(origins), before, strict=True)]
        assert sorted(gained) == [0, 0, 3]
        homes[number] = gained.index(3)
    assert len(set(homes.values())) > 1
    origins[homes[0]].stop()
    with gateway.connect() as client:
        assert client.request(fields=[("Cookie", "session=0")]).status == 200


@pytest.mark.parametrize(
    "policy", ["round_robin", "least_requests", "two_choices", "random", "peak_ewma", "hash", "first"]
)
def test_a_dead_endpoint_fails_nobody(start_gateway, start_origin, policy):
    origins = [start_origin() for _ in range(3)]
    balance = {"hash": {"by": "path"}} if policy == "hash" else policy
    gateway = start_gateway(*origins, upstream={"balance": balance})
    assert gateway.get("/0").status == 200
    used = next(origin for origin in origins if origin.requests)
    used.stop()
    for number in range(30):
        assert gateway.get(f"/{number}").status == 200
    assert sum(len(origin.requests) for origin in origins if origin is not used) >= 29


def test_a_slow_origin_gets_less(start_gateway, start_origin):
    slow = start_origin(lambda _request, _: [Delay(1.5), Reply()])
    fast = [start_origin() for _ in range(2)]
    gateway = start_gateway(slow, *fast, upstream={"balance": {"policy": "peak_ewma", "decay": "60s"}})
    for _ in range(60):
        assert gateway.get("/").status == 200
    assert len(slow.requests) <= 5


def test_backups_come_in_last(start_gateway, start_origin):
    origins = [start_origin() for _ in range(3)]
    endpoints = ["@ORIGINA@", {"address": "@ORIGINB@", "priority": 1}, {"address": "@ORIGINC@", "backup": True}]
    gateway = start_gateway(*origins, upstream={"endpoints": endpoints})
    seen = Counter()
    for number, origin in enumerate(origins):
        for _ in range(5):
            assert gateway.get("/").status == 200
        seen[number] = len(origin.requests)
        origin.stop()
    assert seen == {0: 5, 1: 5, 2: 5}


def test_a_reload_keeps_the_counts(start_gateway, start_origin, gates):
    origins = [start_origin(gate) for gate in gates[:2]]
    endpoints = [{"address": f"@ORIGIN{letter}@", "max_requests": 2} for letter in "AB"]
    gateway = start_gateway(*origins, upstream={"endpoints": endpoints})
    clients = blocked(gateway, origins, 3)
    text = gateway.path.read_text(encoding="utf-8")
    assert "reloaded" in gateway.reload(text.replace('"endpoints"', '"balance": "least_requests", "endpoints"'))
    clients += blocked(gateway, origins, 1, "/slow-after")
    assert counts(origins) == [2, 2]
    assert gateway.get("/").status == 503
    end(clients, gates)
    assert gateway.get("/").status == 200
