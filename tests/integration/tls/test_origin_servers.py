"""Re-encrypting to other people's servers: nginx, gunicorn and uvicorn that end TLS themselves."""

import hashlib
import random

import pytest

from tests.integration.gateway.test_servers import ASGI, HOST, SIZES, WSGI
from tests.integration.tls.test_terminate import certificates
from tests.support import NginxOrigin, PythonOrigin, available

LARGE = random.Random(3).randbytes(32 << 20)
COUNT = 'location = /count { return 200 "$connection_requests $ssl_protocol $ssl_session_reused $ssl_server_name"; }'


@pytest.fixture
def towards(authority):
    """The upstream's TLS."""
    return {"tls": {"ca": str(authority.file), "server_name": "origin.example"}}


@pytest.mark.skipif(not available("nginx"), reason="needs nginx")
@pytest.mark.parametrize("versions", ["TLSv1.2", "TLSv1.3"])
def test_nginx(start_tls, authority, towards, versions):
    extra = f"ssl_protocols {versions}; {COUNT}"
    pair = authority.issue("origin.example")
    with NginxOrigin({"large": LARGE, "small": LARGE[:1024]}, extra=extra, tls=pair) as origin:
        proxy = start_tls(origin, tls=certificates(authority.issue("a.example")), upstream=towards)
        with proxy.connect().secure(authority.trusting(), "a.example") as client:
            for path, size in (("/small", 1024), ("/large", len(LARGE)), ("/small", 1024)):
                response = client.request("GET", path, host="a.example")
                assert (response.status, len(response.content)) == (200, size)
                assert hashlib.sha256(response.content).digest() == hashlib.sha256(LARGE[:size]).digest()
                part = client.request("GET", path, [("Range", "bytes=10-19")], host="a.example")
                assert (part.status, part.content) == (206, LARGE[10:20])
            # one connection was kept all the time
            count, version, *_, name = client.request("GET", "/count", host="a.example").text.split()
            assert (count, version, name) == ("7", versions, "origin.example")
            assert client.request("HEAD", "/large", host="a.example").get("content-length") == str(len(LARGE))
            assert client.request("GET", "/nothing", host="a.example").status == 404


@pytest.mark.skipif(not available("nginx"), reason="needs nginx")
@pytest.mark.parametrize("versions", ["TLSv1.2", "TLSv1.3"])
def test_nginx_closes_and_is_resumed(start_tls, authority, towards, versions):
    extra = f"ssl_protocols {versions}; keepalive_requests 2; {COUNT}"
    with NginxOrigin(extra=extra, tls=authority.issue("origin.example")) as origin:
        proxy = start_tls(origin, upstream=towards)
        with proxy.connect() as client:
            told = [client.request("GET", "/count").text.split() for _ in range(6)]
        assert [(count, reused) for count, _, reused, *_ in told] == [
            ("1", "."), ("2", "."), ("1", "r"), ("2", "r"), ("1", "r"), ("2", "r"),
        ]  # fmt: skip


@pytest.mark.skipif(not available("nginx"), reason="needs nginx")
def test_nginx_asks_for_a_certificate(start_tls, authority, towards, tmp_path):
    clients = type(authority)(tmp_path, "clients")
    shown = clients.issue("limen", client=True)
    extra = (
        f"ssl_client_certificate {clients.file}; ssl_verify_client on; "
        'location = /who { return 200 "$ssl_client_verify $ssl_client_s_dn"; }'
    )
    with NginxOrigin(extra=extra, tls=authority.issue("origin.example")) as origin:
        towards["tls"]["certificate"] = {"chain": str(shown.chain), "key": str(shown.key)}
        assert start_tls(origin, upstream=towards).get("/who").text == "SUCCESS CN=limen"
        del towards["tls"]["certificate"]
        assert start_tls(origin, upstream=towards).get("/who").status == 400


@pytest.mark.parametrize(("server", "source"), [("gunicorn", WSGI), ("uvicorn", ASGI)])
def test_python_servers(start_tls, authority, towards, server, source):
    pytest.importorskip(server)
    with PythonOrigin(server, source, tls=authority.issue("origin.example")) as origin:
        proxy = start_tls(origin, tls=certificates(authority.issue(HOST)), upstream=towards)
        with proxy.connect().secure(authority.trusting(), HOST) as client:
            for size in SIZES:
                content = b"x" * size
                response = client.request("POST", "/digest", content=content, host=HOST)
                expected = f"POST https {HOST} {hashlib.sha256(content).hexdigest()}"
                assert (response.status, response.text) == (200, expected), size
            streamed = client.request("GET", "/stream", host=HOST)
            assert streamed.content == b"".join(b"%d\n" % i for i in range(1000))
