"""What clients see of origins: masks, error pages, maintenance."""

import json

import pytest

from tests.support.origins import Close, Reply

HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def location(gateway, **options):
    return gateway.get("/x", **options).get("location")


# -- masks -----------------------------------------------------------------------------------------------------------


def test_software_is_not_told(start_gateway, start_origin):
    revealing = [("Server", "Apache/2.4"), ("X-Powered-By", "PHP/5"), ("x-aspnet-version", "4"), ("X-Mine", "1")]
    gateway = start_gateway(start_origin(Reply(fields=revealing)), route={"mask": True})
    response = gateway.get("/")
    assert [name for name, _ in response.fields if name.lower() in {"server", "x-powered-by", "x-aspnet-version"}] == []
    assert response.get("x-mine") == "1"


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("http://@ORIGIN@/login?next=http://@ORIGIN@/", "http://test.example/app/login?next=http://@ORIGIN@/"),
        ("https://@ORIGIN@", "http://test.example/app/"),
        ("//@ORIGIN@/a", "http://test.example/app/a"),
        ("http://app.internal:8080/a#f", "http://test.example/app/a#f"),
        ("HTTP://APP.INTERNAL:8080/a", "http://test.example/app/a"),
        ("/login?x=1", "/app/login?x=1"),
        ("/", "/app/"),
        ("relative/path", "relative/path"),
        ("?query", "?query"),
        ("https://elsewhere.example/login", "https://elsewhere.example/login"),
        ("http://@ORIGIN@.evil.example/a", "http://@ORIGIN@.evil.example/a"),
        ("http://app.internal/a", "http://app.internal/a"),
    ],
)
def test_locations_name_the_public_host(start_gateway, start_origin, told, shown):
    origin = start_origin(lambda _request, _: Reply(302, fields=[("Location", told.replace("@ORIGIN@", address))]))
    address = origin.address
    gateway = start_gateway(origin, route={"mask": {"hosts": ["app.internal:8080"]}, "rewrite": {"strip": "/app"}})
    assert gateway.get("/app/x").get("location") == shown.replace("@ORIGIN@", address)


def test_a_prefix_that_was_added_is_taken_off(start_gateway, start_origin):
    told = {"/v2/a": "/v2/done", "/v2/b": "/v2", "/v2/c": "/v20/x", "/v2/d": "/other"}
    origin = start_origin(lambda request, _: Reply(302, fields=[("Location", told[request.target])]))
    gateway = start_gateway(origin, route={"mask": True, "rewrite": {"add": "/v2"}})
    assert [gateway.get(f"/{name}").get("location") for name in "abcd"] == ["/done", "/", "/v20/x", "/other"]


def test_the_scheme_is_a_trusted_proxys_word(start_gateway, start_origin):
    origin = start_origin(lambda _request, _: Reply(302, fields=[("Location", f"http://{address}/a")]))
    address = origin.address
    gateway = start_gateway(origin, route={"mask": True}, listener={"trusted": ["127.0.0.1"]})
    assert location(gateway) == "http://test.example/a"
    assert location(gateway, fields=[("X-Forwarded-Proto", "https")]) == "https://test.example/a"
    assert location(gateway, fields=[("X-Forwarded-Proto", "javascript")]) == "http://test.example/a"


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("a=1; Domain=127.0.0.1; Path=/; HttpOnly", "a=1; Path=/app; HttpOnly"),
        ("a=1;domain=.App.Internal;path=/x;Secure", "a=1; Path=/app/x;Secure"),
        ("a=1; Domain=example.com", "a=1; Domain=example.com"),
        ("a=1; Secure", "a=1; Secure"),
        ("a=Domain=127.0.0.1", "a=Domain=127.0.0.1"),
        ("a=1; Path=/1; Path=/2", "a=1; Path=/app/1"),
        ("a=1;", "a=1;"),
        ("; Path=/", "; Path=/app"),
    ],
)
def test_cookies_belong_to_the_public_host(start_gateway, start_origin, told, shown):
    origin = start_origin(Reply(fields=[("Set-Cookie", told), ("Set-Cookie", "other=2")]))
    gateway = start_gateway(origin, route={"mask": {"hosts": "app.internal"}, "rewrite": {"strip": "/app"}})
    assert gateway.get("/app/x").get_all("set-cookie") == [shown, "other=2"]


def test_cookies_get_one_domain(start_gateway, start_origin):
    origin = start_origin(
        Reply(fields=[("Set-Cookie", "a=1; Domain=x.test" + ";domain=" * 500), ("Set-Cookie", "b=2")])
    )
    gateway = start_gateway(origin, route={"mask": {"cookie_domain": "example.com"}})
    assert gateway.get("/").get_all("set-cookie") == ["a=1; Domain=example.com", "b=2"]


def test_parts_of_a_mask_can_be_left_out(start_gateway, start_origin):
    fields = [("Server", "x"), ("Location", "http://127.0.0.1:1/"), ("Set-Cookie", "a=1; Domain=127.0.0.1")]
    origin = start_origin(Reply(fields=fields))
    gateway = start_gateway(origin, route={"mask": {"software": False, "location": False, "cookies": False}})
    response = gateway.get("/")
    assert [(name, response.get(name)) for name, _ in fields] == fields


# -- error pages -----------------------------------------------------------------------------------------------------

PAGE = "<h1>{status} {reason}</h1><p>{request_id} at {host}</p>"


def test_pages_by_what_the_client_takes(start_gateway, start_origin):
    dead = start_origin(Close())
    gateway = start_gateway(
        dead,
        listener={"errors": {"502": {"html": PAGE}}, "request_id": {"trust": True}},
        route={"retry": {"attempts": 0}},
    )
    identity = ("X-Request-Id", "<script>&\"'")

    def ask(*fields):
        response = gateway.get("/", [identity, *fields])
        assert response.status == 502
        return response.get("content-type"), response.text

    shown = "<h1>502 Bad Gateway</h1><p>&#60;script&#62;&#38;&#34;&#39; at test.example</p>"
    for accept in (HTML, "*/*", "text/html", "image/png", "TEXT/HTML;q=0.3, application/json;q=0.2", ""):
        assert ask(("Accept", accept)) == ("text/html; charset=utf-8", shown)
    assert ask() == ("text/html; charset=utf-8", shown)
    for accept in ("application/json", "application/problem+json, */*;q=0.1", "text/html;q=0, application/*"):
        kind, text = ask(("Accept", accept))
        assert kind == "application/problem+json"
        assert json.loads(text) == {
            "type": "about:blank", "title": "Bad Gateway", "status": 502, "request_id": "<script>&\"'",
        }  # fmt: skip
    for accept in ("text/plain", "text/html;q=0.1,text/plain;q=0.5"):
        kind, text = ask(("Accept", accept))
        assert kind == "text/plain; charset=utf-8"
        assert text.startswith("502 Bad Gateway\n")
    with gateway.connect() as client:
        assert client.request("HEAD", "/", [("Accept", HTML)]).content == b""


def test_pages_of_classes_routes_and_files(start_gateway, start_origin, tmp_path):
    (tmp_path / "missing.html").write_text("<p>no such page: {host}</p>", encoding="utf-8")
    (tmp_path / "missing.json").write_text('{"error": "{status}"}', encoding="utf-8")
    gateway = start_gateway(
        routes=[
            {
                "match": {"path": "/denied"},
                "deny": {"networks": "127.0.0.0/8"},
                "errors": {"403": {"text": "not you"}},
                "respond": {"body": "x"},
            },
            {"match": {"path": "/limited"}, "limit": {"rate": "1/h"}, "respond": {"body": "x"}},
        ],
        listener={"errors": {"4xx": {"text": "any"}, "404": {"file": ["missing.html", "missing.json"]}}},
        root={"workers": 2},
        directory=tmp_path,
    )
    assert gateway.get("/denied").text == "not you"
    assert gateway.get("/limited").status == 200
    limited = gateway.get("/limited")
    assert (limited.status, limited.text) == (429, "any")
    assert limited.get("retry-after") is not None
    assert gateway.get("/none").text == "<p>no such page: test.example</p>"
    assert gateway.get("/none", [("Accept", "application/json")]).text == '{"error": "404"}'
    # what cannot be read at all is answered with a page, too
    with gateway.connect() as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n")
        assert client.read_response().text == "any"
    # a changed file is read by a reload
    (tmp_path / "missing.html").write_text("<p>changed</p>", encoding="utf-8")
    assert "reloaded" in gateway.reload(gateway.text)
    assert gateway.get("/none").text == "<p>changed</p>"


def test_an_origins_words_are_replaced_where_asked(start_gateway, start_origin):
    def answer(request, _):
        status = int(request.target[1:])
        fields = [("WWW-Authenticate", "Basic"), ("Retry-After", "7"), ("X-Secret", "stack"), ("Server", "php")]
        return Reply(status, b"Traceback of the origin\n" * 1000, fields)

    origin = start_origin(answer)
    gateway = start_gateway(
        origin,
        route={
            "errors": {
                "5xx": {"html": "<p>{status}</p>", "origin": True},
                "404": {"html": "ours"},
                "401": {"text": "log in", "origin": True},
            }
        },
    )
    with gateway.connect() as client:
        for _ in range(2):
            response = client.request("GET", "/500")
            assert (response.status, response.text) == (500, "<p>500</p>")
            assert response.get("x-secret") is None
            assert response.get("retry-after") == "7"
        response = client.request("GET", "/401")
        assert (response.text, response.get("www-authenticate")) == ("log in", "Basic")
        assert client.request("GET", "/404").text.startswith("Traceback")
        assert client.request("GET", "/200").status == 200
        assert client.request("POST", "/503", content=b"x" * 100000).text == "<p>503</p>"


# -- maintenance -----------------------------------------------------------------------------------------------------


def test_a_route_is_closed_for_all_but_some(start_gateway, start_origin):
    closed = {"allow": ["192.0.2.0/24"], "retry_after": "10m", "page": {"html": "<p>back soon</p>"}}
    gateway = start_gateway(
        start_origin(Reply()),
        route={"maintenance": closed},
        listener={"trusted": ["127.0.0.1"]},
        root={"workers": 2},
    )
    response = gateway.get("/")
    assert (response.status, response.text, response.get("retry-after")) == (503, "<p>back soon</p>", "600")
    assert gateway.get("/", [("X-Forwarded-For", "192.0.2.7")]).status == 200
    assert gateway.faults() == {"maintenance"}


def test_a_listener_is_closed_and_opened_by_a_reload(start_gateway, start_origin):
    gateway = start_gateway(
        start_origin(Reply()),
        routes=[
            {"match": {"path": "/status"}, "maintenance": False, "respond": {"body": "up"}},
            {"upstream": "web"},
        ],
        listener={"maintenance": True},
        root={"workers": 2},
    )
    assert [gateway.get(target).status for target in ("/", "/status")] == [503, 200]
    assert gateway.get("/").get("retry-after") is None
    assert "reloaded" in gateway.reload(gateway.text.replace('"maintenance": true', '"maintenance": false'))
    assert gateway.get("/").status == 200
