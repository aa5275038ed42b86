"""Hooks that read and replace content, at both phases, within their bound."""

import pytest

from tests.support import LimenProcess, RawClient, Reply, ScriptedOrigin

RULES = """
import asyncio

from limen import hook

TOO_LARGE = __import__("limen.exchange", fromlist=["x"]).BodyTooLarge


@hook("request", body=300_000)
async def read(exchange):
    content = await exchange.request.read()
    assert content == await exchange.request.read()
    exchange.request.fields["X-Length"] = str(len(content))


@hook("request", body=300_000)
def plain(exchange):
    exchange.request.fields["X-Length"] = str(len(exchange.request.body))
    exchange.request.body = exchange.request.body.upper()


@hook("request", body=10)
async def replaced_unread(exchange):
    await asyncio.sleep(0.05)
    exchange.request.body = b"instead"


@hook("request", body=300_000)
async def emptied(exchange):
    exchange.request.body = b""


@hook("request", body=1000)
async def tolerant(exchange):
    try:
        await exchange.request.read()
    except TOO_LARGE:
        exchange.request.fields["X-Length"] = "many"


async def undeclared(exchange):
    await exchange.request.read()


@hook("response", body=300_000)
async def response(exchange):
    content = await exchange.response.read()
    exchange.response.fields["X-Length"] = str(len(content))


@hook("response", body=300_000)
def response_plain(exchange):
    exchange.response.body = exchange.response.body.upper()


@hook("response")
async def response_replaced(exchange):
    await asyncio.sleep(0.02)
    exchange.response.body = b"instead"


@hook("response", body=1000)
async def response_tolerant(exchange):
    try:
        await exchange.response.read()
    except TOO_LARGE:
        exchange.response.fields["X-Length"] = "many"


@hook("request", body=300_000)
async def answered(exchange):
    content = await exchange.request.read()
    exchange.reply(200, content[::-1])
"""
NAMES = [
    "read", "plain", "replaced_unread", "emptied", "tolerant", "undeclared", "response_plain", "response_replaced",
    "response_tolerant", "response", "answered",
]  # fmt: skip
SIZES = [0, 1, 70_000, 299_999, 300_000]


@pytest.fixture
def origin():
    with ScriptedOrigin(Reply(content=b"from the origin")) as started:
        yield started


def post(client: RawClient, target: str, content: bytes, *, chunked: bool) -> int:
    if not chunked:
        return client.request("POST", target, [("Content-Length", str(len(content)))], content=content).status
    client.send_request("POST", target, [("Transfer-Encoding", "chunked")])
    for at in range(0, len(content), 5000):
        piece = content[at : at + 5000]
        client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    return client.send(b"0\r\n\r\n").read_response().status


@pytest.mark.sanitize
@pytest.mark.parametrize("chunked", [False, True])
def test_request_content(hooked, origin: ScriptedOrigin, chunked: bool) -> None:
    proxy: LimenProcess = hooked(RULES, NAMES, ORIGIN=origin)
    with proxy.connect() as client:
        for size in SIZES:
            content = (b"abcdefghi\n" * (size // 10 + 1))[:size]
            assert post(client, "/read", content, chunked=chunked) == 200, size
            assert origin.requests[-1].content == content
            assert origin.requests[-1].get("x-length") == str(size)
            assert post(client, "/plain", content, chunked=chunked) == 200
            assert origin.requests[-1].content == content.upper()
            assert origin.requests[-1].get("x-length") == str(size)
            for path, expected in (("/replaced_unread", b"instead"), ("/emptied", b"")):
                # answered without having read all of it: such a connection may be closed
                with proxy.connect() as other:
                    assert post(other, path, content, chunked=chunked) == 200
                assert origin.requests[-1].content == expected
                assert origin.requests[-1].get("transfer-encoding") is None
            assert post(client, "/tolerant", content, chunked=chunked) == 200
            assert origin.requests[-1].content == content
            assert origin.requests[-1].get("x-length") == ("many" if size > 1000 else None)
    for path in ("/read", "/plain", "/answered"):
        with proxy.connect() as client:
            assert post(client, path, b"x" * 300_001, chunked=chunked) == 413
    with proxy.connect() as client:
        assert post(client, "/undeclared", b"x", chunked=chunked) == 500


def test_replies_from_content(hooked, origin: ScriptedOrigin) -> None:
    proxy = hooked(RULES, NAMES, ORIGIN=origin)
    with proxy.connect() as client:
        for size in SIZES:
            content = bytes(range(250)) * (size // 250 + 1)
            content = content[:size]
            response = client.request("POST", "/answered", [("Content-Length", str(size))], content=content)
            assert (response.status, response.content) == (200, content[::-1])
    assert not origin.requests


def test_expect_continue(hooked, origin: ScriptedOrigin) -> None:
    proxy = hooked(RULES, NAMES, ORIGIN=origin)
    for path in ("/read", "/plain", "/answered", "/replaced_unread"):
        with proxy.connect() as client:
            client.send_request("POST", path, [("Content-Length", "5"), ("Expect", "100-continue")])
            if path != "/replaced_unread":
                assert client.read_head().status == 100
            client.send(b"hello")
            response = client.read_response()
            assert response.status == 200
            assert len(response.interim) <= (path == "/replaced_unread")
    with proxy.connect() as client:
        client.send_request("POST", "/read", [("Content-Length", "300001"), ("Expect", "100-continue")])
        assert client.read_response().status == 413


@pytest.mark.sanitize
@pytest.mark.parametrize("kind", ["length", "chunked", "close"])
def test_response_content(hooked, origin: ScriptedOrigin, kind: str) -> None:
    proxy = hooked(RULES, NAMES, ORIGIN=origin)
    with proxy.connect() as client:
        for size in SIZES:
            content = (b"abcdefghi\n" * (size // 10 + 1))[:size]
            origin.script = Reply(content=content, chunked=kind == "chunked", close=kind == "close")
            response = client.request("GET", "/response")
            assert (response.content, response.get("x-length")) == (content, str(size))
            assert client.request("GET", "/response_plain").content == content.upper()
            assert client.request("GET", "/response_replaced").content == b"instead"
            response = client.request("GET", "/response_tolerant")
            assert response.content == content
            assert response.get("x-length") == ("many" if size > 1000 else None)
            assert client.request("HEAD", "/response_plain").status == 200
        origin.script = Reply(content=b"x" * 300_001, chunked=kind == "chunked", close=kind == "close")
        assert client.request("GET", "/response").status == 502
        assert client.request("GET", "/response_plain").status == 502
        assert client.request("GET", "/response_tolerant").content == b"x" * 300_001


def test_a_response_that_breaks_off(hooked) -> None:
    with ScriptedOrigin(Reply(content=b"x" * 1000)) as origin:
        proxy = hooked(RULES, NAMES, ORIGIN=origin)

        def half(request, connection) -> None:
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf").socket.close()

        origin.script = half
        for _ in range(10):
            for path in ("/response", "/response_plain", "/response_tolerant"):
                with proxy.connect() as client:
                    assert client.request("GET", path).status == 502
        with proxy.connect() as client:
            assert client.request("GET", "/response_replaced").content == b"instead"
        origin.script = Reply(content=b"whole")
        with proxy.connect() as client:
            assert client.request("GET", "/response").content == b"whole"


def test_a_client_that_leaves_in_the_middle(hooked, origin: ScriptedOrigin) -> None:
    proxy = hooked(RULES, NAMES, ORIGIN=origin)
    for path in ("/read", "/plain", "/answered"):
        for end in (RawClient.close, RawClient.reset):
            client = proxy.connect()
            client.send_request("POST", path, [("Content-Length", "1000")]).send(b"some")
            end(client)
    with proxy.connect() as client:
        assert client.request("GET", "/").status == 200
    assert len(origin.requests) == 1
