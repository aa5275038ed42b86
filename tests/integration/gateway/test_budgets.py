"""What is tried twice, and what endpoints say of their load, over all workers together."""

import threading
from collections import Counter

import pytest

from tests.support import Reply, Reset, Wait, wait_until
from tests.support.health import endpoints


@pytest.fixture
def held(start_origin):
    """An origin that answers when `held.go` is set."""
    go = threading.Event()
    origin = start_origin(lambda *_: [Wait(go), Reply(content=b"late")])
    origin.go = go
    yield origin
    go.set()


@pytest.mark.sanitize
def test_the_retry_budget_is_that_of_all_workers(start_gateway, start_origin, held):
    """The first always fails, and retries hang at the second: as many as the budget has, whichever worker they are in."""
    gateway = start_gateway(
        start_origin(Reset()),
        held,
        upstream={"balance": "first"},
        route={"retry": {"budget": {"share": "0%", "least": 2, "wait": "0s"}, "attempts": 1}},
        root={"workers": 2},
    )
    clients = [gateway.connect() for _ in range(12)]
    for client in clients:
        client.send_request("GET", "/")
    wait_until(lambda: gateway.total("limen_retry_budget_spent_total") == 10, what="all but the budget's refused")
    held.wait_for_requests(2)
    assert gateway.total("limen_exchanges_in_flight") == 2
    held.go.set()
    found = Counter(client.read_response().status for client in clients)
    assert found == {200: 2, 502: 10}
    # what was claimed is given back
    with gateway.connect() as client:
        assert client.request("GET", "/").status == 200
    for client in clients:
        client.close()


@pytest.mark.sanitize
def test_hedges_are_bounded_over_all_workers(start_gateway, start_origin, held):
    second = threading.Event()
    other = start_origin(lambda *_: [Wait(second), Reply(content=b"hedge")])
    gateway = start_gateway(
        held,
        other,
        upstream={"balance": "first"},
        route={"hedge": {"after": "20ms", "most": 2}},
        root={"workers": 2},
    )
    clients = [gateway.connect() for _ in range(10)]
    for client in clients:
        client.send_request("GET", "/")
    wait_until(lambda: gateway.total("limen_hedges_shed_total") == 8, what="all others counted")
    assert gateway.total("limen_hedges_total") == 2
    other.wait_for_requests(2)
    second.set()
    wait_until(lambda: gateway.total("limen_hedges_won_total") == 2, what="both have won")
    held.go.set()
    assert Counter(client.read_response().content for client in clients) == {b"hedge": 2, b"late": 8}
    for client in clients:
        client.close()


@pytest.mark.sanitize
def test_reported_load_weighs_in_and_goes_no_further(start_gateway, start_origin):
    """Three quarters busy: one of five instead of every second one; then idle again."""
    said = ["TEXT cpu_utilization=0.75,named_metrics.queue=4"]
    busy = start_origin(lambda *_: Reply(fields=[("Endpoint-Load-Metrics", said[0])]))
    idle = start_origin(Reply(fields=[("endpoint-load-metrics", 'JSON {"cpu_utilization": 0}')]))
    gateway = start_gateway(busy, idle, upstream={"load": "Endpoint-Load-Metrics"})

    def ask(client, times):
        before = len(busy.requests)
        for _ in range(times):
            response = client.request("GET", "/")
            assert response.status == 200
            assert response.get("endpoint-load-metrics") is None
        return len(busy.requests) - before

    with gateway.connect() as client:
        ask(client, 4)
        wait_until(lambda: ask(client, 20) == 4, what="a fifth of the load")
        assert ask(client, 50) == 10
        assert [row["load"] for row in endpoints(gateway)] == [0.75, 0]
        said[0] = "0%"
        wait_until(lambda: ask(client, 20) == 10, what="half of the load")
        said[0] = "whatever"
        assert ask(client, 20) == 10
    # without the key nothing is read, and nothing is hidden
    gateway = start_gateway(busy, idle)
    assert gateway.get().get("endpoint-load-metrics") is not None
