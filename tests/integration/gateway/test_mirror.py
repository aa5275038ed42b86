"""Mirrors get copies of requests, and nothing that happens to those is seen by anybody."""

import threading

import pytest

from tests.support import Reply, Reset, free_port, wait_until


@pytest.fixture
def start_mirrored(start_gateway):
    def start(origin, shadow, *, mirror=None, route=None):
        return start_gateway(
            routes=[{"upstream": "web", "mirror": {"upstream": "shadow", **(mirror or {})}, **(route or {})}],
            root={
                "upstreams": {
                    "web": {"endpoints": [origin.address]},
                    "shadow": {"endpoints": [getattr(shadow, "address", shadow)]},
                }
            },
        )

    return start


@pytest.mark.sanitize
def test_a_copy_is_the_same_but_for_its_mark(start_mirrored, start_origin):
    origin, shadow = start_origin(), start_origin(Reply(500, content=b"x" * 100000))
    gateway = start_mirrored(origin, shadow, route={"request": {"set": {"X-Route": "a"}}})
    contents = [b"", b"x", b"y" * 70000, b"z" * 400000]
    with gateway.connect() as client:
        for number, content in enumerate(contents):
            fields = [("X-Mirrored", "forged"), ("Connection", "X-Hop"), ("X-Hop", "1")]
            if number == 3:
                client.send_request("POST", "/3?q=1", [*fields, ("Transfer-Encoding", "chunked")])
                client.send(b"%x\r\n" % len(content) + content + b"\r\n0\r\n\r\n")
                assert client.read_response().status == 200
            else:
                assert client.request("POST", f"/{number}?q=1", fields, content=content).status == 200
    copies = {request.target: request for request in shadow.wait_for_requests(4)}
    for number, content in enumerate(contents):
        first, copy = origin.requests[number], copies[f"/{number}?q=1"]
        assert copy.content == first.content == content
        assert copy.get_all("x-mirrored") == ["1"]
        assert first.get_all("x-mirrored") == []
        for name in ("host", "via", "forwarded", "x-request-id", "x-route"):
            assert copy.get(name) == first.get(name)
        assert copy.get("x-hop") is None
    wait_until(lambda: gateway.total("limen_endpoint_active") == 0, what="the copies done")
    assert gateway.total("limen_mirrored_total") == 4
    assert gateway.total("limen_mirrors_failed_total") == 0
    # the answers were read off: a connection serves again
    connections = len(shadow.connections)
    assert gateway.get("/again").status == 200
    shadow.wait_for_requests(5)
    assert len(shadow.connections) == connections


@pytest.mark.sanitize
def test_whatever_the_mirror_does(start_mirrored, start_origin):
    origin = start_origin()
    for shadow in (start_origin(lambda *_: Reset()), f"127.0.0.1:{free_port()}"):
        gateway = start_mirrored(origin, shadow)
        with gateway.connect() as client:
            for _ in range(5):
                assert client.request("POST", "/", content=b"x").status == 200
        wait_until(lambda: gateway.total("limen_mirrors_failed_total") == 5, what="the failures")  # noqa: B023
        assert {record["status"] for record in gateway.wait_for_records(5)} == {200}


@pytest.mark.sanitize
def test_copies_are_bounded_in_number(start_mirrored, start_origin):
    done = threading.Event()
    origin, shadow = start_origin(), start_origin(lambda *_: done.wait(60) and None)
    gateway = start_mirrored(origin, shadow, mirror={"most": 3})
    try:
        with gateway.connect() as client:
            for _ in range(10):
                assert client.request().status == 200
        assert gateway.total("limen_mirrors_shed_total") == 7
        assert len(shadow.wait_for_requests(3)) == 3
    finally:
        done.set()


def test_large_content_is_not_copied(start_mirrored, start_origin):
    origin, shadow = start_origin(), start_origin()
    gateway = start_mirrored(origin, shadow, route={"retry": {"memory": "1KiB", "max": "64KiB"}})
    with gateway.connect() as client:
        assert client.request("POST", "/large", content=b"x" * 2_000_000).status == 200
        assert client.request("POST", "/small", content=b"x" * 60_000).status == 200
    assert [request.target for request in shadow.wait_for_requests(1)] == ["/small"]
    assert gateway.total("limen_mirrors_shed_total") == 1
    assert len(origin.requests[0].content) == 2_000_000


def test_a_share_is_copied(start_mirrored, start_origin):
    origin, shadow = start_origin(), start_origin()
    gateway = start_mirrored(origin, shadow, mirror={"share": "25%"})
    with gateway.connect() as client:
        for _ in range(800):
            assert client.request().status == 200
    # 5.7 standard deviations on both sides
    assert 130 < gateway.total("limen_mirrored_total") < 270

    gateway = start_mirrored(origin, shadow, mirror={"share": "0%"})
    before = len(shadow.requests)
    for _ in range(20):
        assert gateway.get().status == 200
    assert len(shadow.requests) == before


def test_one_copy_for_all_attempts(start_gateway, start_origin):
    bad, good, shadow = start_origin(lambda *_: Reset()), start_origin(), start_origin()
    gateway = start_gateway(
        routes=[{"upstream": "web", "mirror": "shadow"}],
        root={
            "upstreams": {
                "web": {"endpoints": [bad.address, good.address]},
                "shadow": {"endpoints": [shadow.address]},
            }
        },
    )
    with gateway.connect() as client:
        for number in range(6):
            assert client.request("GET", f"/{number}").status == 200
    assert sorted(request.target for request in shadow.wait_for_requests(6)) == [f"/{number}" for number in range(6)]
