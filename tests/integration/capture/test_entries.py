"""What is recorded of exchanges that pass a gateway or a proxy, and of those that do not."""

import base64
import gzip
import hashlib
import json
import os

import pytest

from tests.integration.bridge.conftest import (
    dns,  # noqa: F401 fixtures
    internet,  # noqa: F401
    opened,
    organisation,  # noqa: F401
    start_bridge,  # noqa: F401
)
from tests.integration.capture.conftest import entries
from tests.support import Close, Echo, Raw, Reply, ScriptedOrigin, free_port
from tests.support.har import values

LARGE = os.urandom(6 << 20)


def content_of(part: dict) -> bytes:
    text = part["text"]
    return base64.b64decode(text) if "base64" in (part.get("encoding"), part.get("_encoding")) else text.encode()


@pytest.mark.sanitize
@pytest.mark.parametrize("chunked", [False, True])
def test_content_both_ways(start_capture, start_origin, chunked):
    reply = Reply(content="größe".encode(), fields=[("Content-Type", "text/plain; charset=utf-8")], chunked=chunked)
    origin = start_origin(reply)
    proxy = start_capture(origin)
    sent = json.dumps({"a": "ä\u2028"}).encode()
    framing = [("Transfer-Encoding", "chunked")] if chunked else []
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(sent), sent) if chunked else sent
    fields = [("Content-Type", "application/json"), ("X-Twice", "1"), ("X-Twice", "2"), *framing]
    with proxy.connect() as client:
        response = client.request("POST", "/a/b?x=1&y=%20z&x=", fields, content=body, host="site.example")
        assert response.text == "größe"
    with proxy.connect("PROXY") as client:
        host = origin.address
        response = client.request("POST", f"http://{host}/f?q", fields, content=body, host=host)
        assert response.text == "größe"
    gateway, forward = entries(proxy, 2)
    assert gateway["request"]["url"] == "http://site.example/a/b?x=1&y=%20z&x="
    assert forward["request"]["url"] == f"http://{origin.address}/f?q"
    assert gateway["request"]["queryString"] == [
        {"name": "x", "value": "1"},
        {"name": "y", "value": " z"},
        {"name": "x", "value": ""},
    ]
    assert (gateway["_limen"]["listener"], gateway["_limen"]["route"]) == ("front", "site")
    assert (gateway["_limen"]["upstream"], gateway["_limen"]["endpoint"]) == ("web", origin.address)
    assert forward["_limen"]["listener"] == "proxy"
    for entry in (gateway, forward):
        request, response = entry["request"], entry["response"]
        assert (request["method"], request["httpVersion"]) == ("POST", "HTTP/1.1")
        assert values(request, "x-twice") == ["1", "2"]
        assert values(request, "x-forwarded-for") == [], "the request is the client's"
        assert content_of(request["postData"]) == sent
        assert request["bodySize"] == len(sent)
        assert request["headersSize"] > 0
        assert (response["status"], response["statusText"]) == (200, "OK")
        assert response["content"]["text"] == "größe"
        assert response["content"]["size"] == response["bodySize"] == 7
        assert values(response, "transfer-encoding" if chunked else "content-length")
        assert entry["serverIPAddress"] == "127.0.0.1"
        assert entry["timings"]["connect"] > 0
        assert entry["_limen"]["status"] == 200


@pytest.mark.sanitize
def test_large_content_passes_whole_and_is_recorded_to_its_cap(start_capture, start_origin):
    origin = start_origin(lambda request, _: Reply(content=request.content))
    proxy = start_capture(origin, {"body": "100000B"})
    for name, target in (("PORT", "/"), ("PROXY", f"http://{origin.address}/")):
        with proxy.connect(name) as client:
            for size in (99_999, 100_000, 100_001, len(LARGE)):
                response = client.request("POST", target, content=LARGE[:size], host=origin.address)
                assert hashlib.sha256(response.content).digest() == hashlib.sha256(LARGE[:size]).digest()
    found = entries(proxy, 8)
    for entry, size in zip(found, (99_999, 100_000, 100_001, len(LARGE)) * 2, strict=True):
        for part in (entry["request"]["postData"], entry["response"]["content"]):
            assert content_of(part) == LARGE[: min(size, 100_000)]
            assert part.get("_truncated", 0) == max(size - 100_000, 0)
            assert ("comment" in part) == (size > 100_000)
        assert entry["request"]["bodySize"] == entry["response"]["bodySize"] == size


def test_no_content_at_all_if_none_is_wanted(start_capture, start_origin):
    proxy = start_capture(start_origin(Reply(content=LARGE)), {"body": "0B"})
    assert proxy.get("/").content == LARGE
    (entry,) = entries(proxy, 1)
    assert entry["response"]["content"]["text"] == ""
    assert entry["response"]["content"]["_truncated"] == len(LARGE)


def test_memory_bounds_what_is_held(start_capture, start_origin):
    origin = start_origin(lambda request, _: Reply(content=request.content))
    proxy = start_capture(origin, {"body": "512KiB", "memory": "1MiB"})
    clients = [proxy.connect() for _ in range(4)]
    for client in clients:
        client.send(f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(LARGE)}\r\n\r\n".encode() + LARGE[: 1 << 20])
    for client in clients:
        client.send(LARGE[1 << 20 :])
        assert client.read_response().content == LARGE
        client.close()
    found = entries(proxy, 4)
    held = sum(len(content_of(one["request"]["postData"])) for one in found)
    assert 0 < held <= 4 * (512 << 10)
    assert all(LARGE.startswith(content_of(one["request"]["postData"])) for one in found)
    assert all(one["response"]["bodySize"] == len(LARGE) for one in found)


def test_without_content(start_capture, start_origin):
    def answered(request, _):
        return Reply(status=304 if request.target == "/same" else 200, content=b"12345")

    proxy = start_capture(start_origin(answered))
    with proxy.connect() as client:
        assert client.request("HEAD", "/").status == 200
        assert client.request("GET", "/same", [("If-None-Match", '"x"')]).status == 304
    head, same = entries(proxy, 2)
    assert values(head["response"], "content-length") == ["5"]
    assert [one["response"]["bodySize"] for one in (head, same)] == [0, 0]
    assert "postData" not in head["request"]
    assert head["connection"] == same["connection"]
    assert same["timings"]["connect"] == -1, "the connection was there"


@pytest.mark.sanitize
def test_of_an_upgrade_both_heads(start_capture, start_origin):
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    proxy = start_capture(start_origin([(Raw(switch), Echo())]))
    with proxy.connect() as client:
        client.send(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert client.read_head().status == 101
        client.send(b"frames" * 1000)
        assert client.read_exactly(6000) == b"frames" * 1000
    (entry,) = entries(proxy, 1)
    assert entry["response"]["status"] == 101
    assert values(entry["response"], "upgrade") == ["websocket"]
    assert (entry["request"]["bodySize"], entry["response"]["bodySize"]) == (0, 0)
    assert entry["_limen"]["tunnel"] is True


def test_faults_and_answers_made_here(start_capture):
    proxy = start_capture(f"127.0.0.1:{free_port()}")
    assert proxy.get("/away").status == 502
    assert proxy.get("/here").content == b"made here"
    away, here = entries(proxy, 2)
    assert away["response"]["status"] == 502
    assert away["response"]["_error"] == away["_limen"]["fault"] == "dial_refused"
    assert "request id" in away["response"]["content"]["text"]
    assert away["response"]["headersSize"] == -1
    assert "serverIPAddress" not in away
    assert here["response"]["content"]["text"] == "made here"
    assert values(here["response"], "content-length") == ["9"]
    assert (here["_limen"]["route"], here["timings"]["send"]) == ("here", 0)


def test_an_answer_that_breaks_off(start_capture, start_origin):
    cut = Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: text/plain\r\n\r\nhalf")
    proxy = start_capture(start_origin([(cut, Close())]))
    with proxy.connect() as client:
        client.send_request("GET", "/")
        assert client.read_head().status == 200
        assert client.read_to_end() == b"half"
    (entry,) = entries(proxy, 1)
    assert entry["response"]["content"]["text"] == "half"
    assert entry["response"]["_error"] == entry["_limen"]["fault"]


def test_what_is_not_chosen_is_not_recorded(start_capture, start_origin):
    origin = start_origin()
    rules = [
        {"name": "some", "allow": {"path": "/some/"}, "capture": "flows"},
        {"name": "rest", "allow": {}},
    ]
    proxy = start_capture(origin, forward={"access": rules, "capture": None})
    assert proxy.get("/unseen").status == 200
    with proxy.connect("PROXY") as client:
        for path in ("/others", "/some/thing", "/else"):
            assert client.request("GET", f"http://{origin.address}{path}", host=origin.address).status == 200
    with proxy.connect("PROXY") as client:
        client.send_request("CONNECT", origin.address, host=origin.address)
        assert client.read_response("CONNECT").status == 200
        assert client.request("GET", "/inside").status == 200
    assert proxy.get("/seen").status == 200
    some, seen = entries(proxy, 2)
    assert some["request"]["url"] == f"http://{origin.address}/some/thing"
    assert some["_limen"]["rule"] == "some"
    assert seen["request"]["url"].endswith("/seen")


def test_a_rule_that_waits_for_an_address_has_the_content_from_the_beginning(start_capture, start_origin):
    origin = start_origin(lambda request, _: Reply(content=request.content))
    rules = [{"allow": {"addresses": ["127.0.0.0/8"]}, "capture": "flows"}]
    proxy = start_capture(origin, forward={"access": rules, "capture": None})
    target = f"localhost:{origin.port}"
    with proxy.connect("PROXY") as client:
        assert client.request("POST", f"http://{target}/", content=b"held" * 1000, host=target).status == 200
    (entry,) = entries(proxy, 1)
    assert content_of(entry["request"]["postData"]) == b"held" * 1000


def test_denied_requests_are_the_listeners(start_capture, start_origin):
    origin = start_origin()
    proxy = start_capture(origin, forward={"access": [{"name": "no", "deny": {"path": "/no"}}, {"allow": {}}]})
    with proxy.connect("PROXY") as client:
        assert client.request("GET", f"http://{origin.address}/no", host=origin.address).status == 403
    (entry,) = entries(proxy, 1)
    assert (entry["response"]["status"], entry["_limen"]["rule"]) == (403, "no")


@pytest.mark.sanitize
def test_inside_of_bridged_tls(start_bridge, organisation, internet):  # noqa: F811 fixtures
    content = gzip.compress(b"<p>secret</p>")
    fields = [("Content-Type", "text/html"), ("Content-Encoding", "gzip")]
    with ScriptedOrigin(
        Reply(content=content, fields=fields), tls=internet.serving(internet.issue("a.example"))
    ) as origin:
        proxy = start_bridge({}, capture="flows", captures={"flows": {"path": "@DIR@/flows.jsonl"}})
        target = f"a.example:{origin.port}"
        with opened(proxy, target, organisation.trusting()) as client:
            assert client.request("GET", "/in?side", host=target).content == content
        (entry,) = entries(proxy, 1)
        assert entry["request"]["url"] == f"https://{target}/in?side"
        assert entry["response"]["content"]["_coding"] == "gzip"
        assert content_of(entry["response"]["content"]) == content
        document = proxy.command("har", "export", str(proxy.directory / "flows.jsonl")).stdout
        assert json.loads(document)["log"]["entries"][0]["response"]["content"]["text"] == "<p>secret</p>"


def test_secrets_are_hidden_unless_they_are_asked_for(start_capture, start_origin):
    set_cookie = "sid=letmein; Path=/; Secure; HttpOnly; Expires=Wed, 21 Oct 2026 07:28:00 GMT"
    origin = start_origin(Reply(fields=[("Set-Cookie", set_cookie), ("Location", "/next")]))
    fields = [("Authorization", "Basic bGV0bWVpbg=="), ("Cookie", "a=letmein; b=letmein"), ("X-Api-Key", "letmein")]
    for secrets in (False, True):
        proxy = start_capture(origin, {"secrets": secrets})
        assert proxy.get("/", fields).status == 200
        (entry,) = entries(proxy, 1)
        text = json.dumps(entry)
        assert ("letmein" in text) == ("bGV0bWVpbg" in text) == secrets
        value = "letmein" if secrets else "***"
        assert entry["request"]["cookies"] == [{"name": "a", "value": value}, {"name": "b", "value": value}]
        (cookie,) = entry["response"]["cookies"]
        assert cookie == {
            "name": "sid",
            "value": value,
            "path": "/",
            "secure": True,
            "httpOnly": True,
            "expires": "2026-10-21T07:28:00+00:00",
        }
        assert entry["response"]["redirectURL"] == "/next"


def test_clients_are_as_discreet_as_in_the_log(start_capture, start_origin):
    proxy = start_capture(start_origin(), log={"privacy": {"clients": "pseudonym"}})
    assert proxy.get("/", [("X-Forwarded-For", "192.0.2.7")]).status == 200
    (entry,) = entries(proxy, 1)
    assert entry["_limen"]["client"].startswith("~")
    assert "192.0.2.7" not in json.dumps(entry)
    assert "connection" not in entry


HOOKS = """
from limen import hook


def change(exchange):
    if exchange.request.path == "/alone":
        exchange.reply(418, "of a hook")
        return
    exchange.request.fields["X-Hook"] = "1"
    exchange.request.path = "/other"


@hook("response", body=1 << 20)
async def replace(exchange):
    if exchange.request.path == "/other":
        assert await exchange.response.read() == b"of the origin"
        exchange.response.fields["X-Hook"] = "1"
        exchange.response.body = b"of a hook"
"""


def test_messages_are_those_of_both_sides_whatever_hooks_make_of_them(start_capture, start_origin, tmp_path):
    (tmp_path / "capturing_hooks.py").write_text(HOOKS)
    origin = start_origin(Reply(content=b"of the origin", fields=[("Content-Type", "text/plain")]))
    hooks = {"hooks": ["capturing_hooks:change", "capturing_hooks:replace"]}
    proxy = start_capture(origin, route=hooks, forward=hooks, directory=tmp_path)
    for name, target in (("PORT", ""), ("PROXY", f"http://{origin.address}")):
        with proxy.connect(name) as client:
            response = client.request("POST", f"{target}/one", content=b"of the client", host=origin.address)
            assert response.content == b"of a hook"
            assert client.request("GET", f"{target}/alone", host=origin.address).status == 418
    assert origin.requests[0].target == "/other"
    assert origin.requests[0].get("x-hook") == "1"
    for both in (entries(proxy, 4)[:2], entries(proxy, 4)[2:]):
        one, alone = both
        assert one["request"]["url"] == f"http://{origin.address}/one"
        assert content_of(one["request"]["postData"]) == b"of the client"
        assert one["response"]["content"]["text"] == "of the origin"
        assert not values(one["request"], "x-hook") + values(one["response"], "x-hook")
        assert (alone["response"]["status"], alone["response"]["content"]["text"]) == (418, "of a hook")


def test_of_several_attempts_the_last(start_capture, start_origin):
    origin = start_origin([Reply(status=503, content=b"first"), Reply(content=b"second")])
    proxy = start_capture(origin, route={"retry": {"on": [503], "backoff": "1ms"}})
    assert proxy.get("/").content == b"second"
    (entry,) = entries(proxy, 1)
    assert (entry["response"]["status"], entry["_limen"]["attempts"]) == (200, 2)
    assert base64.b64decode(entry["response"]["content"]["text"]) == b"second"
    assert entry["response"]["bodySize"] == 6
