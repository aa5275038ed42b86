"""Before other people's servers: nginx, gunicorn (WSGI), uvicorn (ASGI)."""

import hashlib

import pytest

from tests.support import NginxOrigin, PythonOrigin

HOST = "site.example"
SIZES = (0, 1, 1000, 100_000, 3_000_000)

WSGI = """
import hashlib


def app(environ, start_response):
    if environ["PATH_INFO"] == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (b"%d\\n" % i for i in range(1000))
    length = int(environ.get("CONTENT_LENGTH") or 0)
    digest = hashlib.sha256(environ["wsgi.input"].read(length) if length else b"".join(environ["wsgi.input"]))
    body = f"{environ['REQUEST_METHOD']} {environ['wsgi.url_scheme']} {environ['HTTP_HOST']} {digest.hexdigest()}"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body.encode()]
"""

ASGI = """
import hashlib


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    fields = {name.decode(): value.decode() for name, value in scope["headers"]}
    digest, more = hashlib.sha256(), True
    while more:
        message = await receive()
        digest.update(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/stream":
        for i in range(1000):
            await send({"type": "http.response.body", "body": b"%d\\n" % i, "more_body": True})
        await send({"type": "http.response.body"})
        return
    text = f"{scope['method']} {scope['scheme']} {fields['host']} {digest.hexdigest()}"
    await send({"type": "http.response.body", "body": text.encode()})
"""


@pytest.mark.parametrize(("server", "source"), [("gunicorn", WSGI), ("uvicorn", ASGI)])
def test_python_servers(start_gateway, server, source):
    pytest.importorskip(server)
    with PythonOrigin(server, source) as origin:
        gateway = start_gateway(origin)
        with gateway.connect() as client:
            for chunked in (False, True):
                for size in SIZES:
                    content = b"x" * size
                    if chunked:
                        client.send_request("POST", "/digest", [("Transfer-Encoding", "chunked")], host=HOST)
                        for at in range(0, size, 65536):
                            part = content[at : at + 65536]
                            client.send(b"%x\r\n%b\r\n" % (len(part), part))
                        response = client.send(b"0\r\n\r\n").read_response()
                    else:
                        response = client.request("POST", "/digest", content=content, host=HOST)
                    expected = f"POST http {HOST} {hashlib.sha256(content).hexdigest()}"
                    assert (response.status, response.text) == (200, expected), (chunked, size)
            streamed = client.request("GET", "/stream", host=HOST)
            assert streamed.content == b"".join(b"%d\n" % i for i in range(1000))
            assert client.request("HEAD", "/stream", host=HOST).status == 200


def test_nginx(start_gateway, nginx_origin: NginxOrigin):
    gateway = start_gateway(nginx_origin)
    with gateway.connect() as client:
        for path, size in (("/small", 1024), ("/large", 8 << 20)):
            response = client.request("GET", path)
            assert (response.status, len(response.content)) == (200, size)
            validator = response.get("etag")
            assert validator is not None
            assert client.request("GET", path, [("If-None-Match", validator)]).status == 304
            part = client.request("GET", path, [("Range", "bytes=10-19")])
            assert (part.status, part.content) == (206, response.content[10:20])
        assert client.request("GET", "/nothing").status == 404
