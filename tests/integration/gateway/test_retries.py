"""Another attempt: when it is made, when not and why, and that it sends the same request."""

import collections
import socket
import threading

import pytest

from tests.support import Close, Delay, Raw, RawOrigin, Reply, Reset, ScriptedOrigin, Wait, free_port, wait_until


def closed_port() -> str:
    return f"127.0.0.1:{free_port()}"


def is_out(gateway) -> bool:
    """Whether an endpoint is left out, asked with requests: on a slow machine its time may be over again."""
    return gateway.get().status == 200 and gateway.total("limen_endpoint_out") == 1


def test_a_dial_failure_goes_to_the_next_endpoint(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(closed_port(), origin)
    for method, content in (("GET", b""), ("POST", b"x" * 100), ("POST", b"y" * 200000)):
        for _ in range(4):
            with gateway.connect() as client:
                assert client.request(method, "/", content=content).status == 200
                assert origin.requests[-1].content == content
    records = gateway.wait_for_records(12)
    assert {record["endpoint"] for record in records} == {origin.address}
    assert max(record["attempts"] for record in records) == 2
    # out after its first failure: not tried each time (how often depends on how long all this took)
    assert gateway.total("limen_endpoint_dial_failures_total") < 6
    wait_until(lambda: is_out(gateway), what="it left out")


def test_an_endpoint_comes_back(start_gateway, start_origin):
    one, two = start_origin(), start_origin()
    one.refuse()
    gateway = start_gateway(one, two)
    for _ in range(4):
        assert gateway.get().status == 200
    wait_until(lambda: is_out(gateway), what="it left out")
    one.start()
    before = len(one.requests)
    wait_until(lambda: gateway.get().status == 200 and len(one.requests) > before, what="the endpoint used again")
    assert gateway.total("limen_endpoint_out") == 0


def test_nobody_to_dial(start_gateway):
    for endpoints in ([closed_port()], [closed_port(), closed_port()]):
        gateway = start_gateway(*endpoints)
        for _ in range(3):
            response = gateway.get()
            assert response.status == 502
            assert "error=connection_refused" in response.get("proxy-status")
        records = gateway.wait_for_records(3)
        assert {record["retry_blocked"] for record in records} <= {"attempts", "no_endpoint"}
        assert {record["fault"] for record in records} == {"dial_refused"}


def test_dials_that_take_too_long(start_gateway):
    with socket.socket() as full:
        # an accept queue that is full: the kernel drops what comes
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(address)
            waiting.append(client)
        gateway = start_gateway(f"127.0.0.1:{address[1]}", upstream={"timeouts": {"dial": "300ms"}})
        response = gateway.get()
        assert response.status == 504
        assert "error=connection_timeout" in response.get("proxy-status")
        assert gateway.wait_for_records(1)[0]["fault"] == "dial_timeout"
        for client in waiting:
            client.close()


@pytest.mark.sanitize
def test_a_stale_connection_never_surfaces(start_gateway):
    """Origins that close after an answer without saying so."""

    def handler(connection):
        head = connection.read_until(b"\r\n\r\n")
        if head.startswith(b"POST"):
            connection.read_exactly(3)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        if connection.index % 2:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with RawOrigin(handler) as origin:
        gateway = start_gateway(origin)
        with gateway.connect() as client:
            for number in range(60):
                if number % 3 == 2:
                    wait_until(
                        lambda: gateway.total("limen_endpoint_connections") == 0, what="closed"
                    ) if number == 2 else None
                assert client.request("GET", f"/{number}").content == b"ok"
        assert len(origin.connections) == 60
        assert all(record["status"] == 200 for record in gateway.wait_for_records(60))


def test_post_on_a_connection_that_was_closed(start_gateway, start_origin):
    origin = start_origin(lambda request, _: [Reply(), Close()] if request.target == "/close" else Reply())
    gateway = start_gateway(origin)
    with gateway.connect() as client:
        for _ in range(10):
            assert client.request("GET", "/close").status == 200
            # the end may be there or not: a request that must not be sent twice asks first, and if
            # the origin closes just then, says so instead of doing it again
            response = client.request("POST", "/", content=b"once")
            assert response.status in {200, 502}
    posts = [request.content for request in origin.requests if request.method == "POST"]
    assert len(posts) == len(set(range(len(posts)))) <= 10
    for record in gateway.wait_for_records(20):
        assert record["status"] == 200 or record["retry_blocked"] == "method"


def test_requests_that_fail_on_a_used_connection(start_gateway):
    """The second request on each connection is answered by closing it."""

    def handler(connection):
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        connection.read_until(b"\r\n\r\n")

    with RawOrigin(handler) as origin:
        gateway = start_gateway(origin)
        with gateway.connect() as client:
            for _ in range(4):
                assert client.request("GET").content == b"ok"
            response = client.request("POST", "/", [("Content-Length", "0")])
            assert response.status == 502
            assert response.get("proxy-status").startswith("limen; error=connection_terminated")
        records = gateway.wait_for_records(5)
        assert [record["attempts"] for record in records[:4]] == [1] * 4
        assert records[4]["retry_blocked"] == "method"


def test_why_there_was_no_other_attempt(start_gateway, start_origin):
    """The log says it."""
    breaks = start_origin([[Reset()]])
    gateway = start_gateway(
        breaks,
        routes=[
            {"match": {"path": "/none"}, "upstream": "web", "retry": {"attempts": 0}},
            {
                "match": {"path": "/body"},
                "upstream": "web",
                "retry": {"methods": "any", "max": "1KiB", "memory": "1KiB"},
            },
            {"match": {"path": "/late"}, "upstream": "web", "timeouts": {"response": "100ms"}},
            {"upstream": "web"},
        ],
    )
    with gateway.connect() as client:
        for method, target, content in (
            ("GET", "/none", b""),
            ("GET", "/", b""),
            ("POST", "/", b"x"),
            ("PUT", "/", b"x"),
            ("POST", "/body", b"x" * 300000),
        ):
            client.send_request(method, target, content=content)
            assert client.read_response().status == 502
            if content:
                client.close()
                client.__init__(("127.0.0.1", gateway.port()))
        breaks.script = [[Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), Reset()]]
        client.send_request("GET", "/")
        client.read_to_end()
    breaks.script = [[Delay(0.3)]]
    assert gateway.get("/late").status == 504
    records = gateway.wait_for_records(7)
    assert [record["retry_blocked"] for record in records] == [
        "attempts",
        "attempts",
        "method",
        "method",
        "body",
        "answered",
        "fault",
    ]
    assert [record["attempts"] for record in records] == [1, 3, 1, 1, 1, 1, 1]


class Breaking(ScriptedOrigin):
    """Reads the whole request, then breaks off."""


@pytest.mark.sanitize
def test_content_is_replayed_byte_for_byte(start_gateway, start_origin):
    bad = start_origin(lambda _request, _: Close())
    good = start_origin()
    gateway = start_gateway(
        bad, good, route={"retry": {"methods": "idempotent", "memory": "64KiB", "max": "8MiB", "attempts": 3}}
    )
    pattern = bytes(range(251)) * 20000
    with gateway.connect() as client:
        for size in (0, 1, 1000, 65536, 65537, 300000, 5000000):
            for framing in ("length", "chunked"):
                for _ in range(2):  # round robin: one of both meets the bad one first
                    content = pattern[:size]
                    if framing == "length":
                        client.send_request("PUT", "/", [("Content-Length", str(size))], content=content)
                    else:
                        client.send_request("PUT", "/", [("Transfer-Encoding", "chunked")])
                        if size:
                            client.send(b"%x\r\n" % size + content + b"\r\n")
                        client.send(b"0\r\nX-End: 1\r\n\r\n")
                    response = client.read_response()
                    assert response.status == 200, (size, framing)
                    assert good.requests[-1].content == content, (size, framing)
                    if framing == "chunked":
                        assert good.requests[-1].trailers == [("X-End", "1")]
    assert {request.connection for request in good.requests} == {0}
    assert bad.requests
    for request in bad.requests:
        assert request.content == pattern[: len(request.content)]
    assert 2 in {record["attempts"] for record in gateway.wait_for_records(28)}


def test_shares(start_gateway, start_origin):
    origins = [start_origin() for _ in range(3)]
    weights = [{"address": origin.address, "weight": weight} for origin, weight in zip(origins, (5, 3, 1), strict=True)]
    gateway = start_gateway(*origins, upstream={"endpoints": weights})
    with gateway.connect() as client:
        for _ in range(18):
            assert client.request().status == 200
    assert [len(origin.requests) for origin in origins] == [10, 6, 2]

    for origin in origins:
        origin.requests.clear()
    gateway = start_gateway(*origins)
    with gateway.connect() as client:
        for _ in range(18):
            assert client.request().status == 200
    assert [len(origin.requests) for origin in origins] == [6, 6, 6]


def test_least_requests(start_gateway, start_origin):
    go = threading.Event()
    slow = start_origin(lambda request, _: [Wait(go), Reply()] if request.target == "/slow" else Reply())
    fast = start_origin()
    gateway = start_gateway(slow, fast, upstream={"balance": "least_requests"})
    blocked = []
    while not slow.requests:
        client = gateway.connect().send_request("GET", "/slow")
        wait_until(lambda: len(slow.requests) + len(fast.requests) > len(blocked), what="the request")
        blocked.append(client)
    before = collections.Counter(slow=len(slow.requests), fast=len(fast.requests))
    with gateway.connect() as client:
        for _ in range(10):
            assert client.request().status == 200
    assert len(fast.requests) - before["fast"] == 10
    go.set()
    for client in blocked:
        assert client.read_response().status == 200
        client.close()


def test_names_are_resolved(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(f"localhost:{origin.port}", "missing.invalid:80", root={"resolver": {"timeout": "1s"}})
    for _ in range(4):
        assert gateway.get().status == 200
    gateway = start_gateway("missing.invalid:80", root={"resolver": {"timeout": "500ms"}})
    response = gateway.get()
    assert response.status in {502, 504}
    assert "error=dns_" in response.get("proxy-status")
