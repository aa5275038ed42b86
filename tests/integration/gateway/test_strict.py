"""What is refused: malformed requests and responses, and everything that is too large, too slow or too much."""

import contextlib
import json
import threading
import time

import pytest

from tests.support import Close, Raw, RawOrigin, Reply, wait_until

HOST = b"Host: a.example\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

# bytes, status
MALFORMED = [
    (b"GET /\r\n\r\n", 400),
    (b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n", 400),
    (b" GET / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET\t/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"G(T / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET /#a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET /\xc3\xa4 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET http:///a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET http://u@a.example/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 505),
    (b"GET / HTTP/0.9\r\n" + HOST + b"\r\n", 505),
    (b"GET / http/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET / HTTP/1.1\n" + b"Host: a\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + HOST + b"X : a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + HOST + b"X\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + HOST + b": a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n X: a\r\n" + HOST + b"\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + HOST + b"X_Y: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + HOST + b"X\xe4: a\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +1\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0x1\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1 1\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1, 1\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\naa", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length:\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: identity\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Expect: magic\r\nContent-Length: 1\r\n\r\na", 417),
    (CHUNKED + b"zz\r\n", 400),
    (CHUNKED + b"-1\r\n", 400),
    (CHUNKED + b"0x1\r\na\r\n0\r\n\r\n", 400),
    (CHUNKED + b"1\na\r\n0\r\n\r\n", 400),
    (CHUNKED + b"1 \r\na\r\n0\r\n\r\n", 400),
    (CHUNKED + b"1\r\nab\r\n0\r\n\r\n", 400),
    (CHUNKED + b"fffffffffffffffff\r\n", 400),
    (CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n", 400),
    (CHUNKED + b"0\r\nX Y: 5\r\n\r\n", 400),
    (CHUNKED + b"0\r\n" + b"X: 5\r\n" * 20 + b"\r\n", 431),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 40000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 120 + b"\r\n", 431),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
]
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.sanitize
def test_malformed_requests(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(origin)
    for data, status in MALFORMED:
        with gateway.connect() as client:
            client.send(data + SMUGGLED)
            try:
                response = client.read_response()
            except AssertionError as error:
                raise AssertionError(data) from error
            assert (response.status, response.get("connection")) == (status, "close"), data
            assert response.get("content-type") == "text/plain; charset=utf-8"
            client.expect_end()
    assert all(request.target == "/" and not request.complete for request in origin.requests)
    records = gateway.wait_for_records(len(MALFORMED))
    assert [record["status"] for record in records] == [status for _, status in MALFORMED]
    assert all(record["fault"] for record in records)


def test_malformed_requests_byte_by_byte(start_gateway, start_origin):
    gateway = start_gateway(start_origin())
    for data, status in MALFORMED[::6]:
        if len(data) > 1000:
            continue
        with gateway.connect() as client:
            with contextlib.suppress(OSError):  # refused before its end
                client.send_bytewise(data)
            assert client.read_response().status == status, data


RESPONSES = [
    b"HTTP/2.0 200 OK\r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 099 OK\r\n\r\n",
    b"garbage\r\n\r\n",
    b"ICY 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\x00\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 300 + b"\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300000,
    b"HTTP/1.1 200 " + b"a" * 300000,
    b"HTTP/1.1 200 OK\r\nX: a",
    b"",
]


@pytest.mark.sanitize
def test_malformed_responses(start_gateway, start_origin):
    def answer(request, connection):
        return [Raw(RESPONSES[int(request.get("x-number"))]), Close()]

    gateway = start_gateway(start_origin(answer), route={"retry": {"attempts": 0}})
    with gateway.connect() as client:
        for number, data in enumerate(RESPONSES):
            response = client.request("GET", "/", [("X-Number", str(number))])
            assert response.status == 502, data[:100]
            assert response.get("proxy-status").startswith("limen; error="), data[:100]
    records = gateway.wait_for_records(len(RESPONSES))
    assert all(record["fault"].startswith(("response_", "origin_closed")) for record in records)


def test_responses_that_break_off(start_gateway, start_origin):
    """Begun and not finished: the client must be able to tell."""
    cases = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 500000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX Y: 1\r\n\r\n",
    ]
    gateway = start_gateway(start_origin([[Raw(case), Close()] for case in cases]))
    for case in cases:
        with gateway.connect() as client:
            client.send_request()
            got = client.read_to_end()
            assert got.startswith(b"HTTP/1.1 200 OK\r\n")
            assert not got.endswith(b"0\r\n\r\n"), case
            assert b"zz" not in got
    records = gateway.wait_for_records(len(cases))
    assert all(record["status"] == 200 and record["fault"] for record in records)


def test_body_limits(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(origin, route={"body": {"max": "100KiB"}})
    with gateway.connect() as client:
        assert client.request("POST", "/", content=b"x" * 102400).status == 200
    with gateway.connect() as client:
        client.send_request("POST", "/", [("Content-Length", "102401")])
        response = client.read_response()
        assert (response.status, response.get("connection")) == (413, "close")
    with gateway.connect() as client:
        client.send_request("POST", "/", [("Transfer-Encoding", "chunked")])
        client.send(b"10000\r\n" + b"x" * 65536 + b"\r\n" + b"10000\r\n" + b"x" * 65536 + b"\r\n")
        response = client.read_response()
        assert (response.status, response.get("connection")) == (413, "close")
    assert [record["fault"] for record in gateway.wait_for_records(3)[1:]] == ["body_too_large"] * 2
    assert len(origin.requests) == 1 or not origin.requests[1].complete


SHORT = {"timeouts": {"head": "1s", "idle": "3s", "body": "1s"}, "min_rate": {"bytes": "10KiB", "after": "1s"}}


def test_slow_clients(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(origin, listener=SHORT)
    silent = gateway.connect()
    head = gateway.connect().send("GET / HTTP/1.1\r\nHost:")
    body = gateway.connect().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
    trailers = gateway.connect().send(CHUNKED + b"0\r\nX: 1\r\n")
    kept = gateway.connect()
    assert kept.request().status == 200
    again = gateway.connect()
    assert again.request().status == 200
    again.send("G")
    # others are served meanwhile
    for _ in range(5):
        assert gateway.get().status == 200
    for client in (head, body, trailers, again):
        response = client.read_response()
        assert (response.status, response.get("connection")) == (408, "close")
        client.expect_end()
        client.close()
    for client in (silent, kept):
        client.expect_end()
        client.close()
    assert {"head_timeout", "body_timeout", "client_idle"} <= gateway.faults()


def test_bytes_that_trickle_are_too_slow(start_gateway, start_origin):
    gateway = start_gateway(start_origin(), listener=SHORT)
    with gateway.connect() as head, gateway.connect() as body:
        head.send("GET / HTTP/1.1\r\nHost: a\r\n")
        body.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        ended = set()
        until = time.monotonic() + 60
        while len(ended) < 2 and time.monotonic() < until:
            for client, byte in ((head, b"X"), (body, b"x")):
                if client in ended:
                    continue
                try:
                    client.send(byte)
                    if not client.is_silent(0.05):
                        ended.add(client)
                except OSError:
                    ended.add(client)
        assert len(ended) == 2
        for client in (head, body):
            assert client.read_response().status == 408
    assert [record["status"] for record in gateway.wait_for_records(2)] == [408, 408]


def test_a_head_without_end_costs_nothing(start_gateway, start_origin):
    gateway = start_gateway(start_origin())
    with gateway.connect() as line, gateway.connect() as fields, gateway.connect() as trailers:
        answers = []
        trailers.send(CHUNKED + b"0\r\nX: ")
        fields.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        line.send(b"GET /")
        for client in (line, fields, trailers):
            try:
                for _ in range(400):
                    client.send(b"a" * 1000)
            except OSError:
                pass
            answers.append(client.read_response().status)
        assert answers == [414, 431, 431]


def test_a_client_that_does_not_read(start_gateway, start_origin):
    """It holds up its own origin only, costs little, and is cut off at last."""
    big = b"x" * (64 << 20)

    def answer(request, connection):
        if request.target == "/small":
            return Reply()
        return Reply(content=big, chunked=request.target == "/chunked", chunk=1 << 20)

    gateway = start_gateway(
        start_origin(answer), listener={"timeouts": {"body": "4s"}, "min_rate": {"bytes": "1MiB", "after": "4s"}}
    )
    assert gateway.get("/small").status == 200
    before = gateway.memory()
    clients = [gateway.connect().send_request("GET", target) for target in ("/spliced", "/chunked") * 3]
    wait_until(lambda: gateway.total("limen_endpoint_active") == 6, what="all at the origin")
    assert gateway.get("/small").status == 200
    assert gateway.memory() - before < 20 << 20
    records = gateway.wait_for_records(8)
    assert sorted(record["status"] for record in records) == [200] * 8
    assert [record.get("fault") for record in records].count("client_closed") == 6
    for client in clients:
        client.close()


def test_requests_sent_ahead_by_a_client_that_does_not_read(start_gateway, start_origin):
    """Answers that nobody reads do not pile up: the next request waits, and who never reads is cut off."""
    count = 600
    big = "x" * 65000
    gateway = start_gateway(
        start_origin(Reply(content=big.encode())),
        routes=[{"match": {"path": "/here"}, "respond": {"status": 200, "body": big}}, {"upstream": "web"}],
        listener={"timeouts": {"body": "6s"}},
    )
    assert gateway.get("/there").status == 200
    before = gateway.memory()
    for number, target in enumerate(("/here", "/there")):
        with gateway.connect() as reads, gateway.connect() as never:
            for client in (reads, never):
                client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode() * count)
            assert not never.is_silent(60)
            # others are served, and by then all that will be done for these two has been
            for _ in range(20):
                assert gateway.get("/there").status == 200
            assert gateway.memory() - before < 20 << 20
            for _ in range(count):
                assert len(reads.read_response().content) == len(big)
            wait_until(
                lambda wanted=number + 1: gateway.total("limen_faults_total", fault="slow_reader") == wanted,
                what="the end of who does not read",
            )


def test_hints_without_end_for_a_client_that_does_not_read(start_gateway):
    def serve(connection):
        connection.read_until(b"\r\n\r\n")
        hint = b"HTTP/1.1 103 Early Hints\r\nLink: </" + b"x" * 8000 + b">\r\n\r\n"
        with contextlib.suppress(OSError):
            for _ in range(10000):
                connection.send(hint)

    with RawOrigin(serve) as origin:
        gateway = start_gateway(origin, route={"timeouts": {"response": "2s"}})
        before = gateway.memory()
        with gateway.connect() as client:
            client.send_request()
            gateway.wait_for_records(1)
            assert gateway.memory() - before < 20 << 20


def test_a_slow_reader_loses_nothing(start_gateway, start_origin):
    content = bytes(range(256)) * (8 << 12)
    gateway = start_gateway(
        start_origin(lambda request, _: Reply(content=content, chunked=request.target == "/c", chunk=300000))
    )
    for target in ("/l", "/c"):
        with gateway.connect() as client:
            client.send_request("GET", target)
            for _ in range(20):
                client.buffer += client.socket.recv(100000)
                time.sleep(0.005)
            assert client.read_response().content == content


@contextlib.contextmanager
def ending(event):
    """Sets it when the test is over, however."""
    try:
        yield
    finally:
        event.set()


def test_an_origin_that_does_not_read(start_gateway):
    over = threading.Event()

    def handler(connection):
        connection.read_until(b"\r\n\r\n")
        over.wait(60)

    with RawOrigin(handler) as origin, ending(over):
        gateway = start_gateway(
            origin, route={"timeouts": {"response": "300ms", "stall": "300ms"}, "body": {"max": "none"}}
        )
        before = gateway.memory()
        with gateway.connect() as spliced, gateway.connect() as chunked:
            spliced.send_request("POST", "/", [("Content-Length", str(1 << 30))])
            chunked.send_request("POST", "/", [("Transfer-Encoding", "chunked")])
            chunk = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
            for client, data in ((spliced, b"x" * (1 << 20)), (chunked, chunk)):
                client.socket.settimeout(0.2)
                try:
                    for _ in range(64):
                        client.send(data)
                except OSError:
                    pass
                client.socket.settimeout(60)
            assert gateway.memory() - before < 20 << 20
            assert spliced.read_response().status == 504
            assert chunked.read_response().status == 504


def test_connection_limits(start_gateway, start_origin):
    gateway = start_gateway(start_origin(), listener={"per_client": 3})
    with gateway.connect() as one, gateway.connect() as two, gateway.connect() as three:
        assert [client.request().status for client in (one, two, three)] == [200] * 3
        with gateway.connect() as four:
            four.read_to_end()
        assert one.request().status == 200
    wait_until(lambda: gateway.total("limen_listener_connections") == 0, what="all gone")
    assert gateway.get().status == 200
    assert gateway.total("limen_listener_refused_total") >= 1

    gateway = start_gateway(start_origin(), root={"limits": {"connections": 3}})
    clients = [gateway.connect() for _ in range(3)]
    assert [client.request().status for client in clients] == [200] * 3
    with gateway.connect() as four:
        four.send_request()
        assert not four.read_to_end() or True  # refused, or waiting until one has gone
    for client in clients:
        client.close()
    wait_until(lambda: gateway.total("limen_connections") == 0, what="all gone")
    assert gateway.get().status == 200


def test_origins_that_keep_us_waiting(start_gateway, start_origin):
    def answer(request, connection):
        if request.target == "/partial":
            connection.send(b"HTTP/1.1 200 OK\r\nX:")
        elif request.target != "/late":
            length = 1000000 if request.target == "/spliced" else 100
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + b"x" * 50)
        # and nothing more, until the gateway has had enough
        connection.read_to_end()

    gateway = start_gateway(start_origin(answer), route={"timeouts": {"response": "500ms", "stall": "500ms"}})
    for target in ("/late", "/partial"):
        response = gateway.get(target)
        assert response.status == 504
        assert "error=http_response_timeout" in response.get("proxy-status")
    for target in ("/small", "/spliced"):
        with gateway.connect() as client:
            client.send_request("GET", target)
            assert client.read_head().status == 200
            assert client.read_to_end() == b"x" * 50
    assert [record.get("fault") for record in gateway.wait_for_records(4)] == ["response_timeout"] * 2 + [
        "origin_stall"
    ] * 2
    assert json.dumps(gateway.records[0])


def test_clients_that_go_away(start_gateway, start_origin):
    def answer(request, connection):
        if request.target == "/waiting":
            connection.read_to_end()
            return None
        return Reply(content=b"x" * 30000000)

    origin = start_origin(answer)
    gateway = start_gateway(origin)
    waiting = gateway.connect().send_request("GET", "/waiting")
    origin.wait_for_requests(1)
    waiting.reset()
    record = gateway.wait_for_records(1)[0]
    assert (record["status"], record["fault"]) == (499, "client_closed")
    reading = gateway.connect().send_request()
    assert reading.read_head().status == 200
    reading.reset()
    record = gateway.wait_for_records(2)[1]
    assert (record["status"], record["fault"]) == (200, "client_closed")
    sending = gateway.connect().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
    wait_until(lambda: len(origin.connections) >= 3, what="the upload begun")
    sending.reset()
    assert gateway.wait_for_records(3)[2]["status"] == 499
    # half a head is no exchange
    with gateway.connect() as client:
        client.send("GET / HTTP/1.1\r\nHo")
    gateway.settle()
    assert len(gateway.records) == 3
