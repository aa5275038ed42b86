"""Content in both directions: every framing, every size, no byte changed."""

import hashlib
import threading

import pytest

from tests.support import Close, Raw, RawOrigin, Reply

PATTERN = bytes(range(256)) * 4096  # 1 MiB


def sized(size: int) -> bytes:
    return (PATTERN * (size // len(PATTERN) + 1))[:size]


SIZES = [0, 1, 1000, 65536, 131072, 262143, 262144, 3 * 1024 * 1024 + 7]


@pytest.mark.sanitize
def test_responses_of_every_size_and_framing(start_gateway, start_origin):
    def answer(request, connection):
        _, framing, size = request.target.split("/")
        content = sized(int(size))
        if framing == "length":
            return Reply(content=content)
        if framing == "chunked":
            return Reply(content=content, chunked=True, chunk=10000)
        return [Raw(b"HTTP/1.1 200 OK\r\n\r\n" + content), Close()]

    gateway = start_gateway(start_origin(answer))
    with gateway.connect() as client:
        for size in SIZES:
            for framing in ("length", "chunked", "close"):
                response = client.request("GET", f"/{framing}/{size}")
                assert response.status == 200
                assert len(response.content) == size, framing
                assert hashlib.sha256(response.content).digest() == hashlib.sha256(sized(size)).digest()
                if framing == "length":
                    assert response.get("content-length") == str(size)
                else:
                    assert response.get("transfer-encoding") == "chunked"
    gateway.wait_for_records(3 * len(SIZES))


def test_http_1_0_clients_get_no_chunks(start_gateway, start_origin):
    def answer(request, connection):
        if request.target == "/chunked":
            return Reply(content=sized(100000), chunked=True)
        if request.target == "/close":
            return [Raw(b"HTTP/1.1 200 OK\r\n\r\n" + sized(300000)), Close()]
        return Reply(content=sized(400000))

    gateway = start_gateway(start_origin(answer))
    for target, size in (("/chunked", 100000), ("/close", 300000), ("/length", 400000)):
        with gateway.connect() as client:
            client.send(f"GET {target} HTTP/1.0\r\n\r\n")
            response = client.read_response()
            assert response.version == "HTTP/1.1"
            assert response.get("transfer-encoding") is None
            assert response.content == sized(size)
            assert response.get("connection") == "close"
            client.expect_end()


def test_an_end_that_comes_with_the_last_bytes(start_gateway):
    """One packet with head, content and FIN brings one edge only."""
    gone = threading.Event()

    def handler(connection):
        connection.read_until(b"\r\n\r\n")
        connection.socket.setsockopt(6, 3, 1)  # TCP_CORK
        connection.send(b"HTTP/1.1 200 OK\r\n\r\nshort")
        connection.half_close()
        connection.read_to_end()
        gone.set()

    with RawOrigin(handler) as origin:
        gateway = start_gateway(origin, route={"timeouts": {"stall": "10s"}})
        for _ in range(20):
            response = gateway.get("/")
            assert response.content == b"short"


@pytest.mark.sanitize
def test_uploads_of_every_size_and_framing(start_gateway, start_origin):
    origin = start_origin(lambda request, _: Reply(content=hashlib.sha256(request.content).hexdigest().encode()))
    gateway = start_gateway(origin)
    with gateway.connect() as client:
        for size in SIZES:
            for method in ("POST", "PUT"):
                content = sized(size)
                wanted = hashlib.sha256(content).hexdigest().encode()
                client.send_request(method, "/length", [("Content-Length", str(size))], content=content)
                assert client.read_response().content == wanted
                request = origin.requests[-1]
                assert request.get("content-length") == str(size)
                assert request.get("transfer-encoding") is None
                body = b"".join(
                    b"%x\r\n%b\r\n" % (len(content[at : at + 9999]), content[at : at + 9999])
                    for at in range(0, size, 9999)
                )
                client.send_request(method, "/chunked", [("Transfer-Encoding", "chunked")])
                client.send(body + b"0\r\n\r\n")
                assert client.read_response().content == wanted
                request = origin.requests[-1]
                assert request.get("transfer-encoding") == "chunked"
                assert request.get("content-length") is None


def test_trailers_both_ways(start_gateway, start_origin):
    origin = start_origin(Reply(content=b"abc", chunked=True, trailers=[("X-Sum", "1"), ("X-Other", "two words")]))
    gateway = start_gateway(origin)
    upload = b"5\r\nhello\r\n0\r\nX-Check: yes\r\nX-More: 2\r\n\r\n"
    with gateway.connect() as client:
        for _ in range(3):  # a fresh connection to the origin first, pooled ones then
            client.send_request("POST", "/", [("Transfer-Encoding", "chunked"), ("Trailer", "X-Check")])
            client.send(upload)
            response = client.read_response()
            assert response.content == b"abc"
            assert response.trailers == [("X-Sum", "1"), ("X-Other", "two words")]
            assert origin.requests[-1].content == b"hello"
            assert origin.requests[-1].trailers == [("X-Check", "yes"), ("X-More", "2")]


def test_trailers_that_come_with_the_head(start_gateway, start_origin):
    """The whole request is there before the origin is dialled: content and trailers wait together."""
    origin = start_origin()
    gateway = start_gateway(origin)
    for method in ("POST", "GET"):
        with gateway.connect() as client:
            client.send(
                f"{method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Check: yes\r\n\r\n"
            )
            assert client.read_response().status == 200
        assert origin.requests[-1].content == b"hello"
        assert origin.requests[-1].trailers == [("X-Check", "yes")]


def test_bodiless_responses(start_gateway, start_origin):
    def answer(request, connection):
        if request.method == "HEAD":
            return Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nX-A: b\r\n\r\n")
        if request.target == "/204":
            return Raw(b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n")
        if request.target == "/304":
            return Raw(b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 77\r\n\r\n')
        return Reply(content=b"")

    gateway = start_gateway(start_origin(answer))
    with gateway.connect() as client:
        head = client.request("HEAD", "/")
        assert (head.status, head.get("content-length"), head.get("x-a")) == (200, "12345", "b")
        assert len(head.get_all("content-length")) == 1
        empty = client.request("GET", "/204")
        assert (empty.status, empty.get("content-length"), empty.get("transfer-encoding")) == (204, None, None)
        unchanged = client.request("GET", "/304")
        assert (unchanged.status, unchanged.get("content-length"), unchanged.get("etag")) == (304, "77", '"x"')
        assert client.request("GET", "/").get("content-length") == "0"
    assert all(record["sent"] == 0 for record in gateway.wait_for_records(4))


def test_senders_that_send_byte_by_byte(start_gateway, start_origin):
    def answer(request, connection):
        reply = Reply(content=b"0123456789", chunked=request.target == "/c", chunk=3, trailers=[("X-T", "1")])
        return Raw(reply.encode(request.method), bytewise=True)

    origin = start_origin(answer)
    gateway = start_gateway(origin)
    with gateway.connect() as client:
        client.send_bytewise(b"POST /l HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello")
        assert client.read_response().content == b"0123456789"
        client.send_bytewise(
            b"POST /c HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX-End: 1\r\n\r\n"
        )
        response = client.read_response()
        assert response.content == b"0123456789" and response.trailers == [("X-T", "1")]
    assert [request.content for request in origin.requests] == [b"hello", b"hello"]
    assert origin.requests[1].trailers == [("X-End", "1")]


def test_nginx_behind(start_gateway, nginx_origin):
    gateway = start_gateway(nginx_origin)
    pattern = bytes(range(256))
    with gateway.connect() as client:
        for _ in range(3):
            assert client.request("GET", "/small").content == pattern * 4
            large = client.request("GET", "/large").content
            assert hashlib.sha256(large).digest() == hashlib.sha256(pattern * 32768).digest()
            assert client.request("HEAD", "/large").get("content-length") == str(8 * 1024 * 1024)
            assert client.request("GET", "/large", [("Range", "bytes=0-99")]).status == 206
            assert client.request("GET", "/status/404").status == 404
    gateway.wait_for_records(15)
