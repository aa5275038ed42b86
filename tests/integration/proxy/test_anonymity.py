"""What an origin learns, byte for byte, whatever the client sent."""

import json

import pytest

from tests.support import RawOrigin
from tests.support.parents import Parent

PRESET = """
workers: 1
listeners:
  - bind: 127.0.0.1:@PORT@
    via: pseudonym
    forward:
      targets: {private: allow}
      access: [{allow: {}}]
      anonymity: @PRESET@
"""
SENT = (
    "GET http://@ORIGIN@/path?q=1 HTTP/1.1\r\n"
    "User-Agent: test/1\r\n"
    "host: @ORIGIN@\r\n"
    "Via: 1.1 before\r\n"
    "Forwarded: for=198.51.100.1\r\n"
    "X-Forwarded-For: 198.51.100.1\r\n"
    "X-Forwarded-Host: other.example\r\n"
    "X-Forwarded-Proto: https\r\n"
    "X-Forwarded-Port: 443\r\n"
    "X-Forwarded-Server: inside\r\n"
    "X-Real-IP: 198.51.100.1\r\n"
    "Client-IP: 198.51.100.1\r\n"
    "True-Client-IP: 198.51.100.1\r\n"
    "X-Client-IP: 198.51.100.1\r\n"
    "X-Cluster-Client-IP: 198.51.100.1\r\n"
    "CF-Connecting-IP: 198.51.100.1\r\n"
    "Proxy-Authorization: Basic c2VjcmV0\r\n"
    "Proxy-Connection: keep-alive\r\n"
    "Proxy-Foo: bar\r\n"
    "Keep-Alive: 300\r\n"
    "Connection: keep-alive, X-Hop, Proxy-Connection\r\n"
    "X-Hop: gone\r\n"
    "TE: gzip\r\n"
    "aCCept:  */*\r\n"
    "X-B: 2\r\n"
    "X-b: 1\r\n"
    "Cookie: a=b\r\n"
    "\r\n"
)
COMMON = "GET /path?q=1 HTTP/1.1\r\nHost: @ORIGIN@\r\nUser-Agent: test/1\r\n"
REST = "aCCept: */*\r\nX-B: 2\r\nX-b: 1\r\nCookie: a=b\r\n"
EXPECTED = {
    "elite": COMMON + REST + "\r\n",
    "anonymous": COMMON + "Via: 1.1 before\r\n" + REST + "Via: 1.1 pseudonym\r\n\r\n",
    "transparent": COMMON
    + "Via: 1.1 before\r\n"
    + REST
    + 'Forwarded: for=127.0.0.1;host="@ORIGIN@";proto=http\r\nX-Forwarded-For: 127.0.0.1\r\n'
    + "X-Forwarded-Proto: http\r\nX-Forwarded-Host: @ORIGIN@\r\nX-Forwarded-Port: @PORT@\r\n"
    + "Via: 1.1 pseudonym\r\n\r\n",
}


@pytest.mark.parametrize("preset", ["elite", "anonymous", "transparent"])
def test_the_request_byte_for_byte(start_limen, preset: str) -> None:
    def serve(connection) -> None:
        while connection.buffer or connection.fill():
            connection.read_until(b"\r\n\r\n")
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    proxy = start_limen(PRESET, values={"PRESET": preset})
    with RawOrigin(serve) as origin, proxy.connect() as client:
        assert client.send(SENT.replace("@ORIGIN@", origin.address)).read_response().status == 200
        arrived = bytes(origin.connections[0].received).decode()
        expected = EXPECTED[preset].replace("@ORIGIN@", origin.address).replace("@PORT@", str(proxy.port()))
        if preset == "transparent":
            lines = [line for line in arrived.split("\r\n") if not line.lower().startswith("x-request-id: ")]
            assert sorted(lines) == sorted(expected.split("\r\n"))
            assert arrived.startswith(expected[:60])
        else:
            assert arrived == expected
        # and through a tunnel nothing is touched
        with proxy.connect() as other:
            other.send(
                f"CONNECT {origin.address} HTTP/1.1\r\nHost: {origin.address}\r\n"
                "Proxy-Authorization: Basic c2VjcmV0\r\nUser-Agent: secret\r\n\r\n"
            )
            assert other.read_response("CONNECT").status == 200
            other.send(SENT)
            other.read_head()
            assert bytes(origin.connections[1].received).decode() == SENT


def test_credentials_leave_neither_on_retries_nor_with_content(start_limen, start_origin) -> None:
    proxy = start_limen(PRESET, values={"PRESET": "transparent"})
    origin = start_origin()
    with proxy.connect() as client:
        fields = [("Proxy-Authorization", "Basic c2VjcmV0"), ("proxy-connection", "x"), ("Expect", "100-continue")]
        for method in ("POST", "PUT", "GET", "OPTIONS"):
            content = b"" if method in {"GET", "OPTIONS"} else b"content"
            target = f"http://{origin.address}/"
            assert client.request(method, target, fields[: 3 if content else 2], content=content).status == 200
    for request in origin.requests:
        assert b"c2VjcmV0" not in request.raw_head
        assert not [name for name in request.names if name.startswith("proxy-")]


def test_the_response_tells_nothing_about_the_proxy_to_the_origin_side(start_limen, start_origin) -> None:
    """Elite adds nothing to responses that says more than the origin did."""
    proxy = start_limen(PRESET, values={"PRESET": "elite"})
    origin = start_origin()
    with proxy.connect() as client:
        response = client.request("GET", f"http://{origin.address}/")
        assert response.get("via") is None
        assert response.get("x-request-id") is None


#: Every name that docs/privacy.md promises to drop, in a spelling that nobody uses.
NAMING = [
    "fORWARDED",
    "X-fORWARDED-fOR",
    "X-fORWARDED-hOST",
    "X-fORWARDED-pROTO",
    "X-fORWARDED-pORT",
    "X-fORWARDED-sERVER",
    "X-fORWARDED-aNY",
    "X-rEAL-iP",
    "cLIENT-iP",
    "X-cLIENT-iP",
    "tRUE-cLIENT-iP",
    "X-cLUSTER-cLIENT-iP",
    "X-oRIGINATING-iP",
    "X-rEMOTE-iP",
    "X-rEMOTE-aDDR",
    "X-pROXYUSER-iP",
    "wL-pROXY-cLIENT-iP",
    "X-oRIGINAL-fORWARDED-fOR",
    "fORWARDED-fOR",
    "X-fORWARDED",
    "cF-cONNECTING-iP",
    "cF-iPCOUNTRY",
    "fASTLY-cLIENT-iP",
    "X-aPPENGINE-uSER-iP",
    "X-eNVOY-eXTERNAL-aDDRESS",
    "pROXY-aUTHORIZATION",
    "pROXY-cONNECTION",
    "pROXY-aNY",
    "pROXY-sTATUS",
    "X-bLUECOAT-vIA",
]
ADDRESS = "198.51.100.7"
FORWARD = {"targets": {"private": "allow"}, "access": [{"allow": {}}]}
ANY_WAY = json.dumps(
    {
        "workers": 1,
        "egress": {"out": {"parents": ["http://@PARENT@"]}},
        "listeners": [
            {"bind": f"127.0.0.1:@{name}@", "via": "pseudonym", "forward": {**FORWARD, **more}}
            for name, more in (
                ("PORT", {"anonymity": "elite", "socks": True}),
                ("MASKED", {"anonymity": "anonymous", "socks": True}),
                ("BEHIND", {"anonymity": "elite", "egress": "out"}),
            )
        ],
    }
)


def test_no_name_of_the_documentation_gets_out_whichever_way(start_limen) -> None:
    """Nor do those that a client sends as trailers."""

    def serve(connection) -> None:
        while connection.buffer or connection.fill():
            head = connection.read_until(b"\r\n\r\n")
            if b"chunked" in head.lower():
                connection.read_until(b"\r\n\r\n")
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    naming = "".join(f"{name}: {ADDRESS}\r\n" for name in NAMING)
    with RawOrigin(serve) as origin, Parent() as parent:
        proxy = start_limen(ANY_WAY, values={"PARENT": parent.address})
        kept = f"Host: {origin.address}\r\nX-Kept: 1\r\n"
        sent = f"GET http://{origin.address}/ HTTP/1.1\r\nHost: {origin.address}\r\n{naming}Via: 1.0 in\r\nX-Kept: 1\r\n\r\n"
        for name in ("PORT", "MASKED", "BEHIND"):
            with proxy.connect(name) as client:
                assert client.send(sent).read_response().status == 200
        untold = ("Proxy-Status", "User-Agent", "Referer", "X-Request-ID")  # as trailers they mean nothing
        for name in [*NAMING, "Via", *untold]:
            with proxy.connect() as client:
                client.send(
                    f"POST http://{origin.address}/ HTTP/1.1\r\nHost: {origin.address}\r\n"
                    f"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-First: 1\r\n{name}: {ADDRESS}\r\nX-Last: 2\r\n\r\n"
                )
                status = client.read_response().status
                assert status == (200 if name.lower() in {known.lower() for known in untold} else 400), name
        arrived = [bytes(connection.received).decode() for connection in origin.connections]
        asked = parent.asked[0].head.decode()
    masked = f"GET / HTTP/1.1\r\nHost: {origin.address}\r\nVia: 1.0 in\r\nX-Kept: 1\r\nVia: 1.1 pseudonym\r\n\r\n"
    assert arrived[0].startswith(f"GET / HTTP/1.1\r\n{kept}\r\n{masked}")
    assert asked == f"GET http://{origin.address}/ HTTP/1.1\r\n{kept}\r\n"
    everything = "".join(arrived) + asked
    assert ADDRESS not in everything, everything
    assert everything.count("0\r\nX-First: 1\r\nX-Last: 2\r\n\r\n") == 4 + 1, everything
    assert everything.count("Via: 1.0 in") == 1, everything
