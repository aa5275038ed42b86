"""Response heads: status line, framing by status and method, persistence."""

import pytest

from limen.engine.http1 import _probe
from tests.support.codec import named, response

IDS = _probe.FIELD_IDS
CL, TE = b"Content-Length: 5", b"Transfer-Encoding: chunked"


def answer(status=b"200", *fields, version=b"HTTP/1.1"):
    return version + b" " + status + b" OK\r\n" + b"".join(one + b"\r\n" for one in fields) + b"\r\n"


def test_a_response():
    data = b"HTTP/1.1 404 Not Found\r\nServer: x\r\nContent-Length: 12\r\nSet-Cookie: a=b\r\nset-cookie: c=d\r\n\r\n"
    head = response(data)
    assert (head["size"], head["status"], head["reason"], head["minor"]) == (len(data), 404, b"Not Found", 1)
    assert (head["framing"], head["length"], head["keep_alive"]) == ("length", 12, True)
    assert [field[:3] for field in head["fields"]] == [
        (b"Server", b"x", IDS["SERVER"]),
        (b"Content-Length", b"12", IDS["CONTENT_LENGTH"]),
        (b"Set-Cookie", b"a=b", IDS["SET_COOKIE"]),
        (b"set-cookie", b"c=d", IDS["SET_COOKIE"]),
    ]


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        (b"HTTP/1.1 200 OK", 200, b"OK"),
        (b"HTTP/1.1 200 ", 200, b""),
        (b"HTTP/1.1 200", 200, b""),
        (b"HTTP/1.0 599 a\tb \xe9\xff", 599, b"a\tb \xe9\xff"),
        (b"HTTP/1.7 100 Go on", 100, b"Go on"),
        (b"HTTP/1.1 200  two", 200, b" two"),
    ],
)
def test_status_lines(line, status, reason):
    head = response(line + b"\r\n\r\n")
    assert (head["status"], head["reason"]) == (status, reason)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"HTTP/1.1 099 x\r\n", "START_LINE"),
        (b"HTTP/1.1 600 x\r\n", "START_LINE"),
        (b"HTTP/1.1 20 x\r\n", "START_LINE"),
        (b"HTTP/1.1 2000 x\r\n", "START_LINE"),
        (b"HTTP/1.1 200x\r\n", "START_LINE"),
        (b"HTTP/1.1 200\tx\r\n", "START_LINE"),
        (b"HTTP/1.1  200 x\r\n", "START_LINE"),
        (b"HTTP/1.1 2x0 x\r\n", "START_LINE"),
        (b"HTTP/1.1 -20 x\r\n", "START_LINE"),
        (b"HTTP/1.1\r\n\r\n", "START_LINE"),
        (b"HTTP/1 200 x\r\n", "START_LINE"),
        (b"http/1.1 200 x\r\n", "START_LINE"),
        (b"ICY 200 OK\r\n\r\n", "START_LINE"),
        (b"<html>", "START_LINE"),
        (b" HTTP/1.1 200 x\r\n", "START_LINE"),
        (b"HTTP/1.1 200 a\x00b\r\n", "START_LINE"),
        (b"HTTP/1.1 200 a\x7fb\r\n", "START_LINE"),
        (b"HTTP/2.0 200 x\r\n", "VERSION"),
        (b"HTTP/0.9 200 x\r\n", "VERSION"),
        (b"HTTP/1.1 200 OK\n\n", "LINE_ENDING"),
        (b"HTTP/1.1 200\n\n", "LINE_ENDING"),
        (b"HTTP/1.1 200 O\rK\r\n", "LINE_ENDING"),
        (b"HTTP/1.1 200 OK\r\n\n", "LINE_ENDING"),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", "START_LINE"),
        (b"HTTP/1.1 200 OK\r\n X: y\r\n\r\n", "OBS_FOLD"),
        (b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", "OBS_FOLD"),
        (b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n", "FIELD_NAME"),
        (b"HTTP/1.1 200 OK\r\nX_y: y\r\n\r\n", "UNDERSCORE"),
        (b"HTTP/1.1 200 OK\r\nX: \x01\r\n\r\n", "FIELD_VALUE"),
    ],
)
def test_refused_heads(data, expected):
    assert named(response(data)) == expected


@pytest.mark.parametrize(
    ("status", "method", "fields", "framing", "length"),
    [
        (b"200", "GET", [], "close", 0),
        (b"200", "GET", [CL], "length", 5),
        (b"200", "GET", [b"Content-Length: 0"], "length", 0),
        (b"200", "GET", [TE], "chunked", 0),
        (b"206", "POST", [TE], "chunked", 0),
        (b"404", "CONNECT", [CL], "length", 5),
        (b"407", "CONNECT", [], "close", 0),
        (b"200", "HEAD", [], "none", 0),
        (b"200", "HEAD", [CL], "none", 0),
        (b"200", "HEAD", [TE], "none", 0),
        (b"304", "GET", [], "none", 0),
        (b"304", "GET", [CL], "none", 0),
        (b"304", "GET", [TE], "none", 0),
        (b"204", "GET", [], "none", 0),
        (b"204", "GET", [b"Content-Length: 0"], "none", 0),
        (b"205", "GET", [CL], "length", 5),
        (b"100", "POST", [], "none", 0),
        (b"103", "GET", [b"Link: </a>"], "none", 0),
        (b"101", "GET", [b"Upgrade: websocket", b"Connection: upgrade"], "none", 0),
        (b"200", "CONNECT", [], "none", 0),
        (b"200", "CONNECT", [CL], "none", 0),
        (b"200", "CONNECT", [CL, TE, b"Content-Length: x", b"Transfer-Encoding: gzip"], "none", 0),
        (b"299", "CONNECT", [TE], "none", 0),
        (b"300", "CONNECT", [TE], "chunked", 0),
    ],
)
def test_framing(status, method, fields, framing, length):
    head = response(answer(status, *fields), method)
    assert (head["framing"], head["length"]) == (framing, length)


@pytest.mark.parametrize(
    ("data", "method", "expected"),
    [
        (answer(b"200", CL, TE), "GET", "LENGTH_AND_CODING"),
        (answer(b"200", TE, CL), "HEAD", "LENGTH_AND_CODING"),
        (answer(b"304", TE, CL), "GET", "LENGTH_AND_CODING"),
        (answer(b"404", TE, CL), "CONNECT", "LENGTH_AND_CODING"),
        (answer(b"200", CL, CL), "GET", "LENGTH"),
        (answer(b"200", CL, b"Content-Length: 6"), "HEAD", "LENGTH"),
        (answer(b"200", b"Content-Length: 5, 5"), "GET", "LENGTH"),
        (answer(b"200", b"Content-Length: -1"), "GET", "LENGTH"),
        (answer(b"304", b"Content-Length: x"), "GET", "LENGTH"),
        (answer(b"200", TE, version=b"HTTP/1.0"), "GET", "CODING"),
        (answer(b"200", b"Transfer-Encoding: gzip, chunked"), "GET", "CODING"),
        (answer(b"200", b"Transfer-Encoding: identity"), "GET", "CODING"),
        (answer(b"200", TE, TE), "GET", "CODING"),
        (answer(b"204", CL), "GET", "LENGTH"),
        (answer(b"204", TE), "GET", "CODING"),
        (answer(b"100", CL), "POST", "LENGTH"),
        (answer(b"100", b"Content-Length: 0"), "POST", "LENGTH"),
        (answer(b"101", TE), "GET", "CODING"),
        (answer(b"103", TE), "GET", "CODING"),
    ],
)
def test_refused_framing(data, method, expected):
    assert named(response(data, method)) == expected


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        (b"HTTP/1.1", [], True),
        (b"HTTP/1.1", [b"close"], False),
        (b"HTTP/1.1", [b"keep-alive", b"close"], False),
        (b"HTTP/1.0", [], False),
        (b"HTTP/1.0", [b"keep-alive"], True),
    ],
)
def test_persistence(version, connection, kept):
    head = response(answer(b"200", CL, *(b"Connection: " + one for one in connection), version=version))
    assert head["keep_alive"] is kept


def test_connection_of_an_origin():
    # Some origins list Transfer-Encoding; it never leaves this hop anyhow.
    head = response(answer(b"200", TE, b"Connection: keep-alive, Transfer-Encoding, x-hop", b"X-Hop: 1"))
    assert head["framing"] == "chunked"
    assert [name for name, *_, hop in head["fields"] if hop] == [b"X-Hop"]
    assert named(response(answer(b"200", CL, b"Connection: Content-Length"))) == "FIELD_VALUE"
    assert named(response(answer(b"200", CL, b"Connection: a b"))) == "FIELD_VALUE"


def test_upgrade():
    assert response(answer(b"101", b"Upgrade: websocket", b"Connection: Upgrade"))["upgrade"]
    assert not response(answer(b"101", b"Upgrade: websocket"))["upgrade"]


def test_request_fields_mean_nothing_here():
    head = response(answer(b"200", b"Host: a b", b"Host: c", b"Expect: x", CL))
    assert head["framing"] == "length"
    assert not head["expect_continue"]


def test_limits():
    assert named(response(b"HTTP/1.1 200 " + b"x" * 50, limits=_probe.Limits(line=40))) == "URI_TOO_LONG"
    assert named(response(answer(b"200", b"X: " + b"y" * 50), limits=_probe.Limits(fields=40))) == "FIELDS_TOO_LARGE"
    assert named(response(answer(b"200", b"X: y", b"X: z"), limits=_probe.Limits(count=1))) == "FIELDS_TOO_LARGE"
    assert response(answer(b"200", b"X_Y: z"), limits=_probe.Limits(underscores=True))["fields"][0][0] == b"X_Y"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"H",
        b"HTTP/1.1",
        b"HTTP/1.1 ",
        b"HTTP/1.1 20",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r",
        b"HTTP/1.1 200 OK\r\n",
    ],
)
def test_incomplete(data):
    assert response(data) == 0
