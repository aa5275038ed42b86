"""Connections to endpoints: opened ahead, bounded over all workers, and closed when their endpoint is taken out."""

import threading

import pytest

from tests.support import Reply, Wait, wait_until
from tests.support.certificates import Authority
from tests.support.health import endpoints


@pytest.fixture
def held(start_origin):
    """An origin that answers /now at once, and anything else when `held.go` is set."""
    go = threading.Event()
    origin = start_origin(lambda request, _: Reply() if request.target == "/now" else [Wait(go), Reply()])
    origin.go = go
    yield origin
    go.set()


def open_now(origin):
    return sum(not connection.ended for connection in origin.connections)


@pytest.mark.sanitize
def test_connections_are_opened_ahead(start_gateway, start_origin, tmp_path):
    authority = Authority(tmp_path)
    sealed = start_origin(tls=authority.serving(authority.issue("127.0.0.1")))
    plain = [start_origin(), start_origin()]
    upstreams = {"sealed": {"endpoints": [sealed.address], "tls": {"ca": str(authority.file)}, "pool": {"warm": 2}}}
    gateway = start_gateway(
        *plain,
        upstream={"pool": {"warm": 3, "idle": 4}},
        routes=[{"match": {"path": "/sealed"}, "upstream": "sealed"}, {"upstream": "web"}],
        extra=upstreams,
    )
    for origin, most in ((plain[0], 3), (plain[1], 3), (sealed, 2)):
        origin.wait_for_connections(most)
    wait_until(lambda: gateway.total("limen_endpoint_idle_connections") == 8, what="all of them at rest")
    with gateway.connect() as client:
        for _ in range(4):
            assert client.request("GET", "/").status == 200
            assert client.request("GET", "/sealed").status == 200
    # they were used, and no others: nothing was dialled for a request
    assert [len(origin.connections) for origin in (*plain, sealed)] == [3, 3, 2]
    # an endpoint that goes is left alone, and has its connections again when it comes back
    plain[0].refuse()
    wait_until(lambda: endpoints(gateway)[0]["connections"] == 0, what="none to the one that is gone")
    plain[0].start()
    plain[0].wait_for_connections(6)
    # one that is drained loses them at once, and gets none
    with gateway.connect() as client:
        assert gateway.command("endpoint", "drain", "web", plain[1].address).returncode == 0
        wait_until(lambda: open_now(plain[1]) == 0, what="nothing open to the drained one")
        assert gateway.command("endpoint", "enable", "web", plain[1].address).returncode == 0
        plain[1].wait_for_connections(6)
        assert client.request("GET", "/").status == 200


@pytest.mark.sanitize
def test_connections_are_bounded_over_all_workers(start_gateway, held):
    gateway = start_gateway(
        held,
        upstream={"max_connections": 3, "queue": {"size": 1000, "timeout": "1m"}, "balance": "least_requests"},
        root={"workers": 2},
    )
    clients = [gateway.connect() for _ in range(12)]
    for client in clients:
        client.send_request("GET", "/")
    held.wait_for_requests(3)
    wait_until(lambda: gateway.total("limen_exchanges_in_flight") == 12, what="all twelve under way")
    assert len(held.connections) == 3
    held.go.set()
    assert [client.read_response().status for client in clients] == [200] * 12
    # a connection at rest in one worker is closed by it for one that is needed elsewhere, or used again
    # (one that was closed for it may not have been seen to end yet)
    wait_until(lambda: open_now(held) <= 3, what="three connections at most")
    for client in clients:
        client.close()


@pytest.mark.sanitize
def test_without_a_queue_they_are_shed_and_idle_ones_make_room(start_gateway, held, start_origin):
    other = start_origin()
    gateway = start_gateway(other, held, upstream={"max_connections": 1, "balance": "round_robin"})
    with gateway.connect() as client:
        # each takes the place of the other's connection at rest
        for _ in range(6):
            assert client.request("GET", "/now").status == 200
        assert len(other.requests) == len(held.requests) == 3
        wait_until(lambda: open_now(other) + open_now(held) == 1, what="one connection")
        first = gateway.connect()
        busy = other if len(other.requests) > len(held.requests) else held
        assert busy is held, "the next in turn is the first again"
        assert client.request("GET", "/now").status == 200
        first.send_request("GET", "/")
        held.wait_for_requests(4)
        response = client.request("GET", "/now")
        assert response.status == 503
        assert "shed" in gateway.faults()
        held.go.set()
        assert first.read_response().status == 200
        assert client.request("GET", "/now").status == 200
        first.close()


def test_a_drained_endpoint_keeps_its_clients_but_no_idle_connections(start_gateway, start_origin):
    origins = [start_origin(Reply(content=name)) for name in (b"a", b"b")]
    gateway = start_gateway(*origins, upstream={"sticky": "cookie"}, root={"workers": 2})
    cookies = {}
    while len(cookies) < 2:
        first = gateway.get()
        cookies[first.content] = first.get_all("Set-Cookie")[0].partition(";")[0]
    wait_until(lambda: open_now(origins[0]) >= 1 and open_now(origins[1]) >= 1, what="connections at rest")
    assert gateway.command("endpoint", "drain", "web", origins[0].address).returncode == 0
    wait_until(lambda: open_now(origins[0]) == 0, what="nothing open to the drained one")
    for _ in range(5):
        kept = gateway.get(fields=[("Cookie", cookies[b"a"])])
        assert (kept.content, kept.get_all("Set-Cookie")) == (b"a", [])
        assert gateway.get().content == b"b"
    wait_until(lambda: open_now(origins[0]) == 0, what="nothing left open by its own clients")
    # when it goes, they go elsewhere
    assert gateway.command("endpoint", "disable", "web", origins[0].address).returncode == 0
    moved = gateway.get(fields=[("Cookie", cookies[b"a"])])
    assert moved.content == b"b"
    assert moved.get_all("Set-Cookie")


def test_a_worker_keeps_so_many_at_rest(start_gateway, held):
    gateway = start_gateway(held, root={"limits": {"idle_connections": 2}})
    clients = [gateway.connect() for _ in range(5)]
    for client in clients:
        client.send_request("GET", "/")
    held.wait_for_requests(5)
    held.go.set()
    assert [client.read_response().status for client in clients] == [200] * 5
    wait_until(lambda: open_now(held) == 2, what="two at rest")
    wait_until(lambda: gateway.total("limen_endpoint_idle_connections") == 2, what="two counted")
    for client in clients:
        client.close()
