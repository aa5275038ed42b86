"""Fields that tell one client from another, byte for byte at an origin that keeps what it gets."""

import json

import pytest

from tests.support import Raw, Reply, ScriptedOrigin
from tests.support.parents import Parent

SCRUB = {
    "user_agent": "Mozilla/5.0",
    "language": "en",
    "referer": "origin",
    "cookies": "third_party",
    "validators": True,
    "hints": True,
    "signal": True,
}
FIELDS = (
    "User-Agent: Very/1.2 (special)\r\n"
    "accept-language: fr-CH, de;q=0.5\r\n"
    "Referer: https://a.example:8443/secret/page?q=1\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "Cookie: id=1\r\n"
    'If-None-Match: "tracked"\r\n'
    "If-Modified-Since: Thu, 01 Jan 1970 00:00:07 GMT\r\n"
    "Sec-CH-UA-Model: Special\r\n"
    "DPR: 2.625\r\n"
    "Downlink: 9.1\r\n"
    "DNT: 0\r\n"
    "Accept: */*\r\n"
)
EXPECTED = (
    "User-Agent: Mozilla/5.0\r\n"
    "accept-language: en\r\n"
    "Referer: https://a.example:8443/\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "Cookie: id=1\r\n"
    "Accept: */*\r\n"
    "DNT: 1\r\n"
    "Sec-GPC: 1\r\n"
)
ANSWER = (
    b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: "t"\r\nLast-Modified: Thu, 01 Jan 1970 00:00:07 GMT\r\n'
    b"Set-Cookie: id=2\r\nAccept-CH: Sec-CH-UA-Model\r\nX-Kept: 1\r\n\r\n"
)


def config(scrub: dict, **forward: object) -> str:
    listener = {
        "bind": "127.0.0.1:@PORT@",
        "forward": {
            "targets": {"private": "allow"},
            "access": [{"allow": {}}],
            "anonymity": "elite",
            "scrub": scrub,
            **forward,
        },
    }
    return json.dumps({"workers": 1, "listeners": [listener]})


@pytest.fixture
def origin():
    with ScriptedOrigin(lambda *_: [Raw(ANSWER)]) as started:
        yield started


@pytest.mark.sanitize
def test_every_field_byte_for_byte(start_limen, origin) -> None:
    proxy = start_limen(config(SCRUB))
    with proxy.connect() as client:
        client.send(f"GET http://{origin.address}/ HTTP/1.1\r\nHost: {origin.address}\r\n{FIELDS}\r\n")
        response = client.read_response()
    assert origin.requests[0].raw_head.decode() == f"GET / HTTP/1.1\r\nHost: {origin.address}\r\n{EXPECTED}\r\n"
    names = [name.lower() for name, _ in response.fields]
    assert "x-kept" in names
    assert "set-cookie" in names
    assert not {"etag", "last-modified", "accept-ch", "via"} & set(names)


def test_the_same_by_a_parent(start_limen, origin) -> None:
    """The next proxy gets what a target would get, and its own credentials."""
    with Parent() as parent:
        text = json.loads(config(SCRUB, egress="out"))
        text["egress"] = {"out": {"parents": [f"http://ann:word@{parent.address}"]}}
        with start_limen(json.dumps(text)).connect() as client:
            client.send(
                f"GET http://{origin.address}/ HTTP/1.1\r\nHost: {origin.address}\r\nVia: 1.1 inside\r\n"
                f"X-Forwarded-For: 10.0.0.1\r\nX-BlueCoat-Via: 1\r\n{FIELDS}\r\n"
            )
            assert client.read_response().status == 200
        assert parent.asked[0].head.decode() == (
            f"GET http://{origin.address}/ HTTP/1.1\r\nHost: {origin.address}\r\n"
            f"Proxy-Authorization: Basic YW5uOndvcmQ=\r\n{EXPECTED}\r\n"
        )


def test_the_same_inside_of_tls(start_bridge, organisation, internet) -> None:
    proxy = start_bridge({}, scrub=SCRUB, anonymity="elite")
    with ScriptedOrigin(lambda *_: [Raw(ANSWER)], tls=internet.serving(internet.issue("b.example"))) as origin:
        host = f"b.example:{origin.port}"
        with proxy.connect() as client:
            client.send(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n")
            assert client.read_response("CONNECT").status == 200
            client.secure(organisation.trusting(), "b.example")
            client.send(f"GET / HTTP/1.1\r\nHost: {host}\r\nX-Real-IP: 10.0.0.1\r\nProxy-Foo: a\r\n{FIELDS}\r\n")
            response = client.read_response()
        assert origin.requests[0].raw_head.decode() == f"GET / HTTP/1.1\r\nHost: {host}\r\n{EXPECTED}\r\n"
        assert response.get("set-cookie") == "id=2"


@pytest.mark.parametrize(
    ("fields", "third"),
    [
        ("Sec-Fetch-Site: cross-site\r\n", True),
        ("Sec-Fetch-Site: same-origin\r\nReferer: http://other.test/\r\n", False),
        ("Sec-Fetch-Site: same-site\r\n", False),
        ("Sec-Fetch-Site: none\r\n", False),
        ("Referer: http://other.test/page\r\n", True),
        ("Referer: http://www.example.test/\r\n", False),
        ("Referer: http://EXAMPLE.test\r\n", False),
        ("Origin: null\r\n", True),
        ("Origin: https://img.example.test:444\r\nReferer: http://other.test/\r\n", False),
        ("Origin: https://192.0.2.1\r\n", True),
        ("Referer: about:blank\r\n", False),
        ("Referer: http://\r\n", False),
        ("Referer: http:///\r\n", False),
        ("", False),
    ],
)
def test_who_is_a_third_party(start_limen, fields: str, third: bool, third_party_proxy) -> None:
    proxy, _, target = third_party_proxy
    target.requests.clear()
    with proxy.connect() as client:
        client.send(f"GET http://api.example.test/ HTTP/1.1\r\nHost: api.example.test\r\nCookie: a=b\r\n{fields}\r\n")
        response = client.read_response()
    assert response.status == 200
    request = target.requests[0]
    assert (request.get("cookie") is None) == third
    assert (response.get("set-cookie") is None) == third
    referer = [line for line in fields.split("\r\n") if line.startswith("Referer")]
    assert (request.get("referer") is not None) == (bool(referer) and not third)


@pytest.fixture(scope="module")
def third_party_proxy():
    from tests.support import LimenProcess

    with ScriptedOrigin(lambda *_: [Reply(fields=[("Set-Cookie", "c=d")])]) as target, Parent() as parent:
        parent.manner.hosts = {"api.example.test": ("127.0.0.1", target.port)}
        text = json.loads(config({"cookies": "third_party", "referer": "third_party"}, egress="out"))
        text["egress"] = {"out": {"parents": [f"http://{parent.address}"]}}
        with LimenProcess(json.dumps(text)) as proxy:
            yield proxy, parent, target


def test_all_gone_and_nothing_else(start_limen, origin) -> None:
    proxy = start_limen(config({"user_agent": "", "language": "", "referer": "drop", "cookies": "drop"}))
    with proxy.connect() as client:
        target = f"http://{origin.address}/"
        client.send(f"PUT {target} HTTP/1.1\r\nHost: {origin.address}\r\nContent-Length: 0\r\n{FIELDS}\r\n")
        assert client.read_response().get("set-cookie") is None
    left = FIELDS.split("\r\n")
    left = [
        line for line in left if not line.lower().startswith(("user-agent", "accept-language", "referer", "cookie"))
    ]
    head = origin.requests[0].raw_head.decode().split("\r\n")
    assert [line for line in left if line] == [
        line for line in head[1:] if line and not line.startswith(("Host", "Content-Length"))
    ]


def test_conditions_of_other_methods_stay(start_limen, origin) -> None:
    proxy = start_limen(config({"validators": True}))
    with proxy.connect() as client:
        target = f"http://{origin.address}/"
        fields = "Content-Length: 0\r\nIf-None-Match: *\r\n"
        client.send(f"PUT {target} HTTP/1.1\r\nHost: {origin.address}\r\n{fields}\r\n")
        assert client.read_response().status == 200
    assert origin.requests[0].get("if-none-match") == "*"
