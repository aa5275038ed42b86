"""100, 103, 101 and what turns a connection into something else."""

import pytest

from tests.support import Close, Delay, Echo, Raw, RawOrigin, ReadContent, Reply

CONTINUE = Raw(b"HTTP/1.1 100 Continue\r\n\r\n")
HINTS = Raw(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
UPGRADE = [("Upgrade", "websocket"), ("Connection", "Upgrade")]


def test_expect_is_passed_on_and_100_relayed(start_gateway, start_origin):
    origin = start_origin([[CONTINUE, ReadContent(), Reply()]], read_content=False)
    gateway = start_gateway(origin)
    with gateway.connect() as client:
        for _ in range(2):
            client.send_request("POST", "/", [("Expect", "100-continue"), ("Content-Length", "5")])
            assert client.read_head().status == 100
            client.send(b"hello")
            assert client.read_response().status == 200
    assert origin.requests[0].get("expect") == "100-continue"
    assert [request.content for request in origin.requests] == [b"hello", b"hello"]
    gateway.wait_for_records(2)


def test_expect_answered_at_once(start_gateway, start_origin):
    origin = start_origin(Reply(status=417, reason="No", content=b"no"), read_content=False)
    gateway = start_gateway(origin)
    with gateway.connect() as client:
        client.send_request("POST", "/", [("Expect", "100-continue"), ("Content-Length", "5")])
        response = client.read_response()
        assert (response.status, response.interim) == (417, [])
        client.expect_end()


def test_expect_too_large_for_the_route(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(origin, route={"body": {"max": "1KiB"}})
    with gateway.connect() as client:
        client.send_request("POST", "/", [("Expect", "100-continue"), ("Content-Length", "1025")])
        response = client.read_response()
        assert (response.status, response.interim, response.get("connection")) == (413, [], "close")
    assert not origin.connections


def test_100_without_being_asked_is_not_relayed(start_gateway, start_origin):
    gateway = start_gateway(start_origin([[CONTINUE, CONTINUE, Reply()]]))
    with gateway.connect() as client:
        response = client.request("POST", "/", content=b"x")
        assert (response.status, response.interim) == (200, [])


def test_hints_go_to_1_1_only(start_gateway, start_origin):
    gateway = start_gateway(start_origin([[HINTS, HINTS, Delay(0.05), Reply()]]))
    with gateway.connect() as client:
        response = client.request()
        assert [interim.status for interim in response.interim] == [103, 103]
        assert response.interim[0].get("link") == "</a.css>; rel=preload"
        assert response.interim[0].get("date") is None
        client.send("GET / HTTP/1.0\r\n\r\n")
        response = client.read_response()
        assert (response.status, response.interim) == (200, [])


@pytest.mark.sanitize
def test_upgrade_makes_a_tunnel(start_gateway, start_origin):
    origin = start_origin([[Raw(SWITCH + b"first words"), Echo()]])
    gateway = start_gateway(origin)
    with gateway.connect() as client:
        client.send_request("GET", "/chat", [*UPGRADE, ("Sec-WebSocket-Key", "abc")])
        client.send(b"sent early ")
        head = client.read_head()
        assert (head.status, head.get("upgrade"), head.get("connection").lower()) == (101, "websocket", "upgrade")
        assert client.read_exactly(22) == b"first wordssent early "
        payload = bytes(range(256)) * 8192
        client.socket.setblocking(True)
        sent = 0
        got = bytearray()
        while len(got) < len(payload):
            if sent < len(payload):
                sent += client.socket.send(payload[sent : sent + 65536])
            got += client.socket.recv(65536)
        assert bytes(got) == payload
        client.half_close()
        client.expect_end()
    request = origin.requests[0]
    assert request.get("upgrade") == "websocket"
    assert request.get("connection").lower() == "upgrade"
    assert request.get("sec-websocket-key") == "abc"
    record = gateway.wait_for_records(1)[0]
    assert (record["status"], record["tunnel"]) == (101, True)


def test_early_data_in_the_same_packet(start_gateway, start_origin):
    gateway = start_gateway(start_origin([[Raw(SWITCH), Echo()]]))
    with gateway.connect() as client:
        client.send(
            b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nGET /not-http HTTP/1.1\r\n\r\n"
        )
        assert client.read_head().status == 101
        assert client.read_exactly(26) == b"GET /not-http HTTP/1.1\r\n\r\n"[:26]


def test_upgrade_that_the_origin_ignores(start_gateway, start_origin):
    gateway = start_gateway(start_origin())
    with gateway.connect() as client:
        assert client.request("GET", "/", UPGRADE).status == 200
        assert client.request("GET", "/").status == 200


def test_101_that_nobody_asked_for(start_gateway, start_origin):
    origin = start_origin([[Raw(SWITCH + b"smuggled"), Echo()]])
    gateway = start_gateway(origin)
    with gateway.connect() as client:
        response = client.request("POST", "/", content=b"x")
        assert response.status == 502
        assert "error=http_upgrade_failed" in response.get("proxy-status")


@pytest.mark.parametrize(
    "fields",
    [
        [("Upgrade", "h2c"), ("Connection", "Upgrade, HTTP2-Settings"), ("HTTP2-Settings", "AAMAAABk")],
        [("Upgrade", "websocket, h2c"), ("Connection", "Upgrade")],
        [("Upgrade", "websocket")],
    ],
    ids=["h2c", "list", "not named"],
)
def test_upgrades_that_are_not_passed(start_gateway, start_origin, fields):
    origin = start_origin()
    gateway = start_gateway(origin)
    assert gateway.get("/", fields).status == 200
    assert not {"upgrade", "http2-settings", "connection"} & set(origin.requests[0].names)


def test_upgrade_turned_off_or_in_1_0(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(origin, route={"upgrade": False})
    assert gateway.get("/", UPGRADE).status == 200
    gateway2 = start_gateway(origin)
    with gateway2.connect() as client:
        client.send("GET / HTTP/1.0\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
        assert client.read_response().status == 200
    assert all(request.get("upgrade") is None for request in origin.requests)


def test_trace_and_max_forwards(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(origin)
    with gateway.connect() as client:
        client.send(
            b"TRACE /a?b=c HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\nCookie: secret\r\nAuthorization: s\r\nX-A:b\r\n\r\n"
        )
        response = client.read_response()
        assert response.status == 200 and response.get("content-type") == "message/http"
        assert response.content == b"TRACE /a?b=c HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\nX-A: b\r\n\r\n"
        response = client.request("OPTIONS", "*", [("Max-Forwards", "0")])
        assert response.status == 200 and "GET" in response.get("allow")
        assert not origin.requests
        assert client.request("OPTIONS", "/", [("Max-Forwards", "10")]).status == 200
        assert client.request("TRACE", "/", [("Max-Forwards", "1")]).status == 200
        assert client.request("GET", "/", [("Max-Forwards", "0")]).status == 200
        assert client.request("OPTIONS", "*").status == 200
    assert [request.get("max-forwards") for request in origin.requests] == ["9", "0", "0", None]
    assert origin.requests[-1].target == "*"


def test_connect_is_no_business_of_a_gateway(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(origin)
    with gateway.connect() as client:
        client.send("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n")
        assert client.read_response().status == 405
    assert not origin.connections


def test_the_origin_closes_its_tunnel_first(start_gateway):
    def handler(connection):
        connection.read_until(b"\r\n\r\n")
        connection.send(SWITCH + b"bye")

    with RawOrigin(handler) as origin:
        gateway = start_gateway(origin, listener={"timeouts": {"tunnel_half_closed": "1s"}})
        with gateway.connect() as client:
            client.send_request("GET", "/", UPGRADE)
            assert client.read_head().status == 101
            assert client.read_to_end() == b"bye"
        gateway.settle()


def test_close_is_not_taken_for_an_upgrade(start_gateway, start_origin):
    gateway = start_gateway(start_origin([[Close()]]))
    with gateway.connect() as client:
        assert client.request("GET", "/", UPGRADE).status == 502
    assert gateway.wait_for_records(1)[0]["retry_blocked"] == "method"
