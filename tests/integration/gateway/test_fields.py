"""What an origin gets to see of a request, and a client of a response: fields, targets, hosts."""

import email.utils

import pytest

from tests.support import Raw, Reply, needs_ipv6


@pytest.mark.sanitize
def test_the_request_byte_for_byte(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(origin, listener={"request_id": "none"})
    with gateway.connect() as client:
        client.send(
            b"GET /a/b?c=d&e HTTP/1.1\r\nHost: Example.com:8080\r\nX-One:  1 \r\nx-two: \r\nAccept: */*\r\nX-One: again\r\n\r\n"
        )
        assert client.read_response().status == 200
    port = gateway.port()
    assert origin.requests[0].raw_head == (
        b"GET /a/b?c=d&e HTTP/1.1\r\nHost: Example.com:8080\r\nX-One: 1\r\nx-two: \r\nAccept: */*\r\nX-One: again\r\n"
        b'Forwarded: for=127.0.0.1;host="Example.com:8080";proto=http\r\nX-Forwarded-For: 127.0.0.1\r\n'
        b"X-Forwarded-Proto: http\r\nX-Forwarded-Host: Example.com:8080\r\nX-Forwarded-Port: %d\r\nVia: 1.1 limen\r\n\r\n"
        % port
    )


def test_hop_by_hop_fields_end_here(start_gateway, start_origin):
    origin = start_origin(
        Raw(
            b"HTTP/1.1 200 Fine\r\nConnection: close, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\n"
            b"Proxy-Authenticate: Basic\r\nProxy-Connection: close\r\nUpgrade: h2c\r\nContent-Length: 2\r\nX-Kept: yes\r\n"
            b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nok"
        )
    )
    gateway = start_gateway(origin)
    with gateway.connect() as client:
        client.send(
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Mine ,x-two\r\nX-Mine: 1\r\nX-TWO: 2\r\nX-Kept: 3\r\n"
            b"Keep-Alive: 300\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic x\r\nTE: gzip\r\n"
            b"Trailer: X-T\r\n\r\n"
        )
        response = client.read_response()
        assert response.raw_head == (
            b"HTTP/1.1 200 Fine\r\nX-Kept: yes\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\n"
        )
        # "Connection: close" was the origin's
        assert client.request("GET", "/", [("TE", "trailers"), ("Connection", "TE")]).status == 200
    request = origin.requests[0]
    assert request.get("x-kept") == "3"
    gone = {"connection", "x-mine", "x-two", "keep-alive", "proxy-connection", "proxy-authorization", "te", "upgrade"}
    assert not gone & set(request.names)
    assert origin.requests[1].get("te") == "trailers" and origin.requests[1].get("connection").lower() == "te"


def test_connection_cannot_name_what_frames_or_routes(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(origin)
    with gateway.connect() as client:
        client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Host, Content-Length, X-Forwarded-For, Forwarded, Via\r\n"
            b"Content-Length: 2\r\n\r\nhi"
        )
        response = client.read_response()
        if response.status == 200:
            request = origin.requests[0]
            assert (request.get("host"), request.content) == ("a", b"hi")
            assert request.get("x-forwarded-for") == "127.0.0.1" and request.get("via") == "1.1 limen"
        else:
            assert response.status == 400 and not origin.requests


SPOOFED = [
    ("Forwarded", "for=1.2.3.4"),
    ("X-Forwarded-For", "1.2.3.4"),
    ("X-Forwarded-For", "5.6.7.8"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Port", "443"),
    ("X-Forwarded-Prefix", "/x"),
    ("X-Real-IP", "1.2.3.4"),
    ("True-Client-IP", "1.2.3.4"),
    ("X-Original-URL", "/admin"),
    ("Via", "1.0 fred"),
]


def test_untrusted_and_trusted_senders(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(origin)
    assert gateway.get("/", SPOOFED).status == 200
    request = origin.requests[-1]
    assert request.get_all("forwarded") == ['for=127.0.0.1;host="test.example";proto=http']
    assert request.get_all("x-forwarded-for") == ["127.0.0.1"]
    assert request.get_all("x-forwarded-proto") == ["http"]
    assert request.get_all("x-forwarded-host") == ["test.example"]
    assert not {"x-forwarded-prefix", "x-real-ip", "true-client-ip", "x-original-url"} & set(request.names)
    assert request.get_all("via") == ["1.0 fred", "1.1 limen"]
    assert gateway.wait_for_records(1)[0]["client"] == "127.0.0.1"

    gateway = start_gateway(origin, listener={"trusted": ["127.0.0.0/8", "5.6.7.0/24"]})
    assert gateway.get("/", SPOOFED).status == 200
    request = origin.requests[-1]
    assert request.get_all("forwarded") == ['for=1.2.3.4, for=127.0.0.1;host="test.example";proto=http']
    assert request.get_all("x-forwarded-for") == ["1.2.3.4, 5.6.7.8, 127.0.0.1"]
    assert request.get_all("x-forwarded-proto") == ["https"]
    assert request.get_all("x-forwarded-host") == ["evil.example"]
    assert request.get("x-forwarded-prefix") == "/x"
    assert request.get("x-original-url") is None
    assert gateway.wait_for_records(1)[0]["client"] == "1.2.3.4"
    # a long list needs no more room than there is
    long = [("X-Forwarded-For", ", ".join(["5.6.7.8"] * 700)), ("Forwarded", ", ".join(["for=5.6.7.8"] * 700))]
    assert gateway.get("/", long).status == 200
    assert origin.requests[-1].get("forwarded").count("for=") == 701


@needs_ipv6
def test_ipv6_clients_are_quoted(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(origin, listener={"bind": "[::1]:@PORT@"})
    assert gateway.get("/").status == 200
    assert origin.requests[0].get("forwarded") == 'for="[::1]";host="test.example";proto=http'
    assert origin.requests[0].get("x-forwarded-for") == "::1"


def test_request_id(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(
        origin,
        listener={
            "request_id": {"field": "X-Trace"},
            "via": "none",
            "forwarded": {"forwarded": False, "x_forwarded": False},
        },
    )
    with gateway.connect() as client:
        client.request("GET", "/", [("X-Trace", "mine")])
        client.request("GET", "/")
    ids = [request.get_all("x-trace") for request in origin.requests]
    assert all(len(found) == 1 and found[0] != "mine" for found in ids) and ids[0] != ids[1]
    assert [record["request_id"] for record in gateway.wait_for_records(2)] == [found[0] for found in ids]
    assert not {"via", "forwarded", "x-forwarded-for"} & set(origin.requests[0].names)

    gateway = start_gateway(origin, listener={"request_id": {"trust": True, "field": "X-Trace"}})
    gateway.get("/", [("x-trace", "mine"), ("X-Request-Id", "another")])
    assert origin.requests[-1].get_all("x-trace") == ["mine"]
    assert origin.requests[-1].get_all("x-request-id") == ["another"]

    gateway = start_gateway(origin, listener={"request_id": {"trust": True}})
    for mine in ("mine", "x" * 128):
        gateway.get("/", [("X-Request-Id", mine)])
        assert origin.requests[-1].get_all("x-request-id") == [mine]
    gateway.get("/", [("X-Request-Id", "x" * 129)])
    assert len(origin.requests[-1].get_all("x-request-id")) == 1
    assert origin.requests[-1].get("x-request-id") != "x" * 129


def test_date_is_added_and_reason_kept(start_gateway, start_origin):
    gateway = start_gateway(
        start_origin(
            [
                Reply(reason="Very Fine"),
                Raw(b"HTTP/1.1 299\r\nContent-Length: 0\r\n\r\n"),
                Raw(b"HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n"),
            ]
        )
    )
    with gateway.connect() as client:
        response = client.request()
        assert response.reason == "Very Fine"
        assert email.utils.parsedate_to_datetime(response.get("date"))
        client.request()
        assert client.request().status == 299


ROUTES = [
    {"match": {"path": "/endpoint"}, "upstream": "web", "host": "endpoint"},
    {"match": {"path": "/literal"}, "upstream": "web", "host": "api.internal"},
    {
        "match": {"path": "/edit"},
        "upstream": "web",
        "request": {"set": {"X-Set": "new", "User-Agent": "limen"}, "remove": ["X-Gone"]},
        "response": {"set": {"Server": "hidden"}, "remove": ["X-Powered-By"]},
    },
    {"match": {"path": "/strip/"}, "upstream": "web", "rewrite": {"strip": "/strip"}},
    {"match": {"path": "/both"}, "upstream": "web", "rewrite": {"strip": "/both", "add": "/v2"}},
    {"match": {"path": "/add"}, "upstream": "web", "rewrite": {"add": "/v1/"}},
    {
        "match": {"path": "/replace"},
        "upstream": "web",
        "rewrite": {"replace": {"pattern": "/replace/(\\d+)", "with": "/item-\\1"}},
    },
    {"match": {"path": "/redirect"}, "redirect": {"to": "https://{host}{path}{query}"}},
    {"match": {"path": "/moved"}, "redirect": {"to": "/new{query}", "status": 301}},
    {"match": {"path": "/respond"}, "respond": {"status": 418, "body": "teapot", "fields": {"X-A": "b"}}},
    {"match": {"path": "/gone"}, "respond": {"status": 204}},
    {"match": {"path": "/admin"}, "respond": {"status": 403}},
    {"match": {"host": "inner.example"}, "respond": {"status": 299}},
    {"upstream": "web"},
]


def test_routes_do_what_they_say(start_gateway, start_origin):
    origin = start_origin(Reply(fields=[("Server", "x"), ("X-Powered-By", "y"), ("X-Kept", "z")]))
    gateway = start_gateway(origin, routes=ROUTES)

    def seen(target, fields=(), **options):
        assert client.request("GET", target, fields, **options).status == 200, target
        return origin.requests[-1]

    with gateway.connect() as client:
        assert seen("/x").get_all("host") == ["test.example"]
        assert seen("/endpoint").get_all("host") == [origin.address]
        assert seen("/literal").get_all("host") == ["api.internal"]

        request = seen("/edit", [("x-set", "old"), ("X-GONE", "1"), ("user-agent", "curl"), ("X-Kept", "1")])
        assert (request.get_all("x-set"), request.get_all("user-agent")) == (["new"], ["limen"])
        assert request.get("x-gone") is None and request.get("x-kept") == "1"
        response = client.request("GET", "/edit")
        assert response.get_all("server") == ["hidden"] and response.get("x-powered-by") is None
        assert response.get("x-kept") == "z"

        for target, wanted in {
            "/strip/a?q=1": "/a?q=1",
            "/strip/": "/",
            "/both": "/v2/",
            "/both/a": "/v2/a",
            "/both?x": "/v2/?x",
            "/bothersome": "/bothersome",
            "/add/x": "/v1/add/x",
            "/replace/12?a=b": "/item-12?a=b",
            "/replace/x": "/replace/x",
            # the path that the rules saw is the path that goes out
            "/a/../b": "/b",
            "/a/./b/": "/a/b/",
            "/%61%2F%7e": "/a%2F~",
            "/x/..": "/",
            "/?": "/?",
            "/a//b": "/a//b",
        }.items():
            assert seen(target).target == wanted, target

        for target in ("/admin", "/%61dmin", "/x/../admin", "/./admin", "/x/%2e%2e/admin", "/admin/x"):
            assert client.request("GET", target).status == 403, target
        for target in ("/..", "/../x", "/a/../../b", "/%2e%2e/x", "/%zz", "/%", "/%00"):
            # above the root or no escape at all: refused, or made harmless
            response = gateway.get(target)
            assert response.status in {200, 400}, target
            if response.status == 200:
                assert ".." not in origin.requests[-1].target

        response = client.request("GET", "/redirect/a?b=c", host="h.example:81")
        assert (response.status, response.get("location")) == (308, "https://h.example:81/redirect/a?b=c")
        response = client.request("GET", "/moved?x")
        assert (response.status, response.get("location")) == (301, "/new?x")
        response = client.request("GET", "/respond")
        assert (response.status, response.text, response.get("x-a")) == (418, "teapot", "b")
        assert response.get("content-type") == "text/plain; charset=utf-8"
        response = client.request("HEAD", "/respond")
        assert (response.status, response.get("content-length")) == (418, "6")
        response = client.request("GET", "/gone")
        assert (response.status, response.get("content-length")) == (204, None)
        with gateway.connect() as another:
            # content that nobody waits for ends the connection, after the answer
            assert another.request("POST", "/respond", content=b"abc").status == 418
            another.expect_end()


def test_absolute_form_wins_over_host(start_gateway, start_origin):
    origin = start_origin()
    gateway = start_gateway(origin, routes=ROUTES)
    with gateway.connect() as client:
        assert client.request("GET", "http://inner.example/a", host="outer.example").status == 299
        assert client.request("GET", "http://other.example:81/a?b", host="inner.example").status == 200
        assert client.request("GET", "http://other.example", host="inner.example").status == 200
    request = origin.requests[0]
    assert (request.target, request.get_all("host")) == ("/a?b", ["other.example:81"])
    assert request.get("x-forwarded-host") == "other.example:81"
    assert origin.requests[1].target == "/"
    assert gateway.wait_for_records(3)[1]["host"] == "other.example"
