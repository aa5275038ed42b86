"""The exchange as a hook sees it, over a handle in memory."""

from __future__ import annotations

import asyncio

import pytest

from limen.exchange import BodyTooLarge, BodyUndeclared, Exchange
from limen.terms import Phase
from tests.support.handles import MemoryHandle


def responding(handle: MemoryHandle) -> Exchange:
    exchange = Exchange(handle)
    exchange._enter(Phase.RESPONSE)
    return exchange


def test_what_is_not_looked_at_is_not_asked_for() -> None:
    handle = MemoryHandle()
    exchange = Exchange(handle)
    assert (exchange.client, exchange.listener, exchange.route) == (("192.0.2.7", 1234), "entry", "api")
    exchange._apply()
    assert handle.looks == 0 and handle.calls == []


def test_reading_a_request_changes_nothing() -> None:
    handle = MemoryHandle()
    request = Exchange(handle).request
    assert (request.method, request.target, request.path, request.query) == ("GET", "/path?a=1", "/path", "a=1")
    assert (request.host, request.version, request.fields["accept"]) == ("example.com", "1.1", "a")
    request._apply()
    assert handle.calls == []


@pytest.mark.parametrize(
    ("method", "target", "path", "query"),
    [
        ("GET", "/", "/", ""),
        ("GET", "/a?", "/a", ""),
        ("GET", "/a?b?c", "/a", "b?c"),
        ("GET", "http://h/a?b", "/a", "b"),
        ("GET", "http://h", "/", ""),
        ("GET", "http://h?b=/c", "/", "b=/c"),
        ("GET", "/http://h/a", "/http://h/a", ""),
        ("CONNECT", "h:443", "", ""),
        ("OPTIONS", "*", "*", ""),
    ],
)
def test_path_and_query(method: str, target: str, path: str, query: str) -> None:
    request = Exchange(MemoryHandle(method, target)).request
    assert (request.path, request.query) == (path, query)


def test_edits_are_handed_over_together() -> None:
    handle = MemoryHandle("GET", "http://example.com/old?a=1")
    exchange = Exchange(handle)
    request = exchange.request
    request.method = "POST"
    request.path = "/new"
    request.query = "b=2"
    request.host = "other.example:8080"
    request.fields.set("Accept", "c")
    request.fields.remove("X-Old")
    request.body = b"content"
    exchange.target = ("[2001:db8::1]", 8443)
    assert exchange.target == ("2001:db8::1", 8443)
    assert handle.calls == []
    exchange._apply()
    fields = [("Host", "example.com"), ("Accept", "c")]
    assert handle.calls == [
        ("request", "POST", "http://example.com/new?b=2", "other.example:8080", fields),
        ("body", b"content"),
        ("target", "2001:db8::1", 8443),
    ]
    exchange._apply()
    assert len(handle.calls) == 3, "what was handed over is not handed over again"
    assert request.body == b"content"


def test_unchanged_fields_stay_the_engines() -> None:
    handle = MemoryHandle()
    exchange = Exchange(handle)
    exchange.request.query = ""
    exchange._apply()
    assert handle.calls == [("request", "GET", "/path", "example.com", None)]


@pytest.mark.parametrize(
    "target",
    ["", "a", "/a b", "/a\r\nb", "/é", "/#f", "*", "http://", "http://u@h/", "http://a b/", "ftp://h/", "http://h#", "h:80",
     "/" + "a" * 40_000],
)  # fmt: skip
def test_malformed_targets_are_refused(target: str) -> None:
    request = Exchange(MemoryHandle()).request
    with pytest.raises(ValueError, match="target"):
        request.target = target
    assert request.target == "/path?a=1"


def test_other_malformed_edits_are_refused() -> None:
    handle = MemoryHandle()
    exchange = Exchange(handle)
    request = exchange.request
    for name, values in {
        "method": ["", "GE T", "GET\r\n", "CONNECT", "M" * 65],
        "path": ["", "a", "/a?b", "/a b", "*"],
        "query": ["a b", "a\nb", "#"],
        "host": ["", "a b", "a/b", "u@h", "h:123456", "[::1", "h\r\n"],
    }.items():
        for value in values:
            with pytest.raises(ValueError, match=r"not a|CONNECT"):
                setattr(request, name, value)
    for target in [("", 80), ("a b", 80), ("h", 0), ("h", 65536), ("h", True), ("h", "80"), ("u@h", 80)]:
        with pytest.raises(ValueError, match=r"not a port|neither"):
            exchange.target = target  # type: ignore[assignment]
    with pytest.raises(TypeError):
        request.body = "text"  # type: ignore[assignment]
    exchange._apply()
    assert handle.calls == []


def test_connect_keeps_its_method_and_target() -> None:
    exchange = Exchange(MemoryHandle("CONNECT", "h:443"))
    with pytest.raises(ValueError, match="CONNECT"):
        exchange.request.method = "GET"
    with pytest.raises(ValueError, match=r"exchange\.target"):
        exchange.request.target = "/"
    exchange.target = ("other.example", 443)


def test_content_is_read_once_and_within_its_bound() -> None:
    async def main() -> None:
        handle = MemoryHandle(body=b"12345")
        request = Exchange(handle).request
        with pytest.raises(BodyUndeclared):
            await request.read()
        with pytest.raises(BodyUndeclared):
            request.body  # noqa: B018 it raises
        request._allow(4)
        with pytest.raises(BodyTooLarge):
            await request.read()
        request._allow(5)
        assert await request.read() == await request.read() == request.body == b"12345"
        assert handle.reads == 2
        request.body = b"new"
        assert await request.read() == b"new"

    asyncio.run(main())


def test_the_response() -> None:
    handle = MemoryHandle()
    exchange = Exchange(handle)
    with pytest.raises(AttributeError, match="no response in the phase request"):
        exchange.response  # noqa: B018 it raises
    exchange._enter(Phase.RESPONSE)
    response = exchange.response
    assert (response.status, response.version, response.fields["content-type"]) == (200, "1.1", "text/html")
    response.status = 404
    response.fields.add("X-New", "1")
    response.body = b"gone"
    for wrong in (199, 600, 101, "200"):
        with pytest.raises(ValueError, match="final status"):
            response.status = wrong  # type: ignore[assignment]
    exchange._apply()
    assert handle.calls == [("response", 404, [*handle.response_fields, ("X-New", "1")]), ("body", b"gone")]
    with pytest.raises(ValueError, match="fixed"):
        exchange.target = ("h", 80)


def test_replies_come_instead_of_edits() -> None:
    handle = MemoryHandle()
    exchange = Exchange(handle)
    exchange.request.method = "POST"
    exchange.reply(403, "nein, schön", {"X-Why": "rule"})
    assert exchange.replied
    exchange._apply()
    fields = [("X-Why", "rule"), ("Content-Type", "text/plain; charset=utf-8")]
    assert handle.calls == [("reply", 403, fields, "nein, schön".encode())]


def test_wrong_replies_are_refused() -> None:
    exchange = responding(MemoryHandle())
    for status, body, fields in [
        (100, b"", {}),
        (200, b"", {"Content-Length": "3"}),
        (200, b"", {"A": "b\nc"}),
        (200, 3, {}),
    ]:
        with pytest.raises((ValueError, TypeError)):
            exchange.reply(status, body, fields)  # type: ignore[arg-type]
    assert not exchange.replied


def test_state_and_repr() -> None:
    exchange = Exchange(MemoryHandle(target="/p?secret=1"))
    exchange.state["tenant"] = 7
    assert repr(exchange) == "<Exchange GET /p in request>"
    exchange._enter(Phase.RESPONSE)
    exchange.reply(200)
    assert exchange.state == {"tenant": 7} and repr(exchange) == "<Exchange GET /p in response, replied>"
