"""Pipelining, keeping and closing connections, on both sides."""

import pytest

from tests.support import Raw, RawOrigin, Reply, wait_until


@pytest.mark.sanitize
def test_twenty_requests_in_one_packet_keep_their_order(start_gateway, start_origin):
    origin = start_origin(lambda request, _: Reply(content=f"{request.target} {request.content.decode()}".encode()))
    gateway = start_gateway(
        origin,
        routes=[
            {"match": {"path": "/own"}, "respond": {"status": 200, "body": "own"}},
            {"match": {"path": "/web"}, "upstream": "web"},
        ],
        listener={"request_id": {}},
    )
    packet = b""
    wanted = []
    for number in range(20):
        kind = number % 5
        if kind == 0:
            packet += b"GET /web/%d HTTP/1.1\r\nHost: a\r\n\r\n" % number
            wanted.append((200, f"/web/{number} "))
        elif kind == 1:
            packet += b"POST /web/%d HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody" % number
            wanted.append((200, f"/web/{number} body"))
        elif kind == 2:
            packet += b"GET /own HTTP/1.1\r\nHost: a\r\n\r\n"
            wanted.append((200, "own"))
        elif kind == 3:
            packet += b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n"
            wanted.append((404, ""))
        else:
            packet += (
                b"PUT /web/%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"
                % number
            )
            wanted.append((200, f"/web/{number} abc"))
    with gateway.connect() as client:
        client.send(packet)
        for status, text in wanted:
            response = client.read_response()
            assert response.status == status
            if status == 200:
                assert response.text == text
            else:
                assert response.get("x-request-id") in response.text
    assert len(gateway.wait_for_records(20)) == 20


def test_refusals_in_one_packet_do_not_share_their_text(start_gateway, start_origin):
    gateway = start_gateway(
        start_origin(), routes=[{"match": {"path": "/x"}, "upstream": "web"}], listener={"request_id": {}}
    )
    with gateway.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
        seen = set()
        for _ in range(100):
            response = client.read_response()
            assert response.status == 404
            assert f"request id: {response.get('x-request-id')}\n" in response.text
            seen.add(response.get("x-request-id"))
        assert len(seen) == 100
    records = gateway.wait_for_records(100)
    assert {record["request_id"] for record in records} == seen
    assert {record["fault"] for record in records} == {"no_route"}


def test_a_client_connection_and_an_origin_connection_serve_many(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(origin)
    with gateway.connect() as client:
        for _ in range(50):
            assert client.request().status == 200
    assert {request.connection for request in origin.requests} == {0}
    assert gateway.total("limen_endpoint_requests_total") == 50
    assert gateway.total("limen_endpoint_idle_connections") == 1


def test_connection_close_from_either_side(start_gateway, start_origin):
    origin = start_origin(lambda request, _: Reply(close=request.target == "/close"))
    gateway = start_gateway(origin)
    with gateway.connect() as client:
        response = client.request("GET", "/close")
        assert response.get("connection") is None  # the origin's wish is not the client's matter
        assert client.request("GET", "/").status == 200
        response = client.request("GET", "/", [("Connection", "close")])
        assert response.get("connection") == "close"
        client.expect_end()
    assert [request.connection for request in origin.requests] == [0, 1, 1]
    assert all(request.get("connection") is None for request in origin.requests)


def test_http_1_0_with_and_without_keep_alive(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(origin)
    with gateway.connect() as client:
        for _ in range(3):
            client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            response = client.read_response()
            assert response.get("connection") == "keep-alive" and response.content == b"ok\n"
        client.send("GET / HTTP/1.0\r\n\r\n")
        assert client.read_response().get("connection") == "close"
        client.expect_end()
    # an HTTP/1.0 request names no host: the endpoint's is sent, and 1.1 spoken
    assert origin.requests[0].get("host") == origin.address
    assert origin.requests[0].version == "HTTP/1.1"
    assert {record["version"] for record in gateway.wait_for_records(4)} == {"1.0"}


def test_a_half_closed_client_gets_its_answer(start_gateway, start_origin):
    gateway = start_gateway(start_origin(Reply(content=b"x" * 100000)))
    for _ in range(10):
        with gateway.connect() as client:
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").half_close()
            assert len(client.read_response().content) == 100000
            client.expect_end()


def test_half_closed_with_content_and_pipelined(start_gateway, start_origin):
    gateway = start_gateway(start_origin())
    with gateway.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" * 3).half_close()
        for _ in range(3):
            assert client.read_response().status == 200
        client.expect_end()
    # an end in the middle of content: nothing to answer
    with gateway.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\nabc").half_close()
        client.read_to_end()
    assert [record["status"] for record in gateway.wait_for_records(4)] == [200, 200, 200, 499]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 131000\r\n\r\n" + b"x" * 131000,
    ],
    ids=["length", "204", "304", "empty", "chunked", "spliced", "buffer"],
)
def test_bytes_behind_a_response_reach_nobody(start_gateway, start_origin, answer):
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    origin = start_origin([Raw(answer + evil), Reply(content=b"good")])
    gateway = start_gateway(origin)
    with gateway.connect() as client:
        assert b"evil" not in client.request().content
        assert client.request().content == b"good"
    assert [request.connection for request in origin.requests] == [0, 1]


def test_content_after_the_answer_to_head_reaches_nobody(start_gateway, start_origin):
    origin = start_origin([Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"), Reply(content=b"good")])
    gateway = start_gateway(origin)
    with gateway.connect() as client:
        assert client.request("HEAD").status == 200
        assert client.request().content == b"good"
    assert [request.connection for request in origin.requests] == [0, 1]


def test_an_origin_that_speaks_while_idle_is_dropped(start_gateway):
    def handler(connection):
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        if connection.index == 0:
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        connection.read_to_end()

    with RawOrigin(handler) as origin:
        gateway = start_gateway(origin)
        assert gateway.get().content == b"ok"
        wait_until(lambda: origin.connections[0].ended, what="dropped by the gateway")
        assert gateway.get().content == b"ok"


def test_an_early_answer_closes_and_says_so(start_gateway, start_origin):
    origin = start_origin(Reply(status=403, reason="Forbidden", content=b"no"), read_content=False)
    gateway = start_gateway(origin)
    with gateway.connect() as client:
        client.send_request("POST", "/", [("Content-Length", "100000")])
        client.send(b"x" * 1000)
        response = client.read_response()
        assert (response.status, response.content, response.get("connection")) == (403, b"no", "close")
        client.expect_end()
