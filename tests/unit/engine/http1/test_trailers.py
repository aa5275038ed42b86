"""Trailer sections: the same field lines as in a head, without those that may not come late."""

import pytest

from limen.engine.http1 import _probe
from tests.support.codec import named, trailers

IDS = _probe.FIELD_IDS


def test_none():
    assert trailers(b"\r\n") == (2, [])


def test_some():
    data = b'Server-Timing: a;dur=1\r\nx-checksum:abc\r\nETag: "x"\r\n\r\n'
    assert trailers(data) == (
        len(data),
        [
            (b"Server-Timing", b"a;dur=1", 0, True, False),
            (b"x-checksum", b"abc", 0, False, False),
            (b"ETag", b'"x"', 0, True, False),
        ],
    )


@pytest.mark.parametrize(
    "name", ["grpc-status", "grpc-message", "Digest", "Proxy-Status", "X-Request-Id", "Server", "Authentication-Info"]
)
def test_allowed(name):
    assert trailers(name.encode() + b": v\r\n\r\n")[1][0][0] == name.encode()


REFUSED_TEXT = """
    Transfer-Encoding Content-Length Host Connection Keep-Alive TE Trailer Upgrade Expect Max-Forwards Via
    Authorization Cookie Set-Cookie Set-Cookie2 WWW-Authenticate Proxy-Authenticate Proxy-Authorization
    Proxy-Authentication-Info Proxy-Connection Proxy-Anything Forwarded X-Forwarded-For X-Forwarded-Host
    X-Forwarded-Proto X-Forwarded-Port X-Forwarded-Prefix X-Real-IP Client-IP True-Client-IP X-Client-IP
    X-Original-URL X-Rewrite-URL HTTP2-Settings Content-Type Content-Encoding Content-Range Cache-Control Pragma
    Age Vary Expires Warning Date Location Retry-After Range If-Match If-None-Match If-Modified-Since
    If-Unmodified-Since If-Range
"""
REFUSED = REFUSED_TEXT.split()


@pytest.mark.parametrize("name", REFUSED)
def test_refused_names(name):
    for spelt in (name, name.upper(), name.lower()):
        assert named(trailers(b"a: b\r\n" + spelt.encode() + b": 1\r\n\r\n")) == "TRAILER"


@pytest.mark.parametrize(
    "name",
    [
        "agf",
        "varz",
        "rangf",
        "pragmb",
        "expiret",
        "warninh",
        "if-matci",
        "cache-controm",
        "if-none-matc1",
        "www-authenticat_",
    ],
)
def test_names_that_are_nearly_refused(name):
    assert named(trailers(name.replace("_", "x").encode() + b": 1\r\n\r\n")) == "ok"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\n", "LINE_ENDING"),
        (b"\rX", "LINE_ENDING"),
        (b"a: b\n\r\n", "LINE_ENDING"),
        (b"a: b\r\n\n", "LINE_ENDING"),
        (b" a: b\r\n\r\n", "OBS_FOLD"),
        (b"a: b\r\n c\r\n\r\n", "OBS_FOLD"),
        (b"a : b\r\n\r\n", "FIELD_NAME"),
        (b": b\r\n\r\n", "FIELD_NAME"),
        (b"a: \x00\r\n\r\n", "FIELD_VALUE"),
        (b"a_b: c\r\n\r\n", "UNDERSCORE"),
        (b"GET / HTTP/1.1\r\n", "FIELD_NAME"),
        (b"0\r\n\r\n", "FIELD_NAME"),
    ],
)
def test_refused_lines(data, expected):
    assert named(trailers(data)) == expected


def test_limits():
    two = b"a: b\r\nc: d\r\n\r\n"
    assert named(trailers(two, _probe.Limits(trailers=2))) == "ok"
    assert named(trailers(two, _probe.Limits(trailers=1))) == "FIELDS_TOO_LARGE"
    assert named(trailers(two, _probe.Limits(trailers=0))) == "FIELDS_TOO_LARGE"
    assert named(trailers(b"\r\n", _probe.Limits(trailers=0))) == "ok"
    assert named(trailers(two, _probe.Limits(fields=12))) == "ok"
    assert named(trailers(two, _probe.Limits(fields=11))) == "FIELDS_TOO_LARGE"
    assert named(trailers(b"a: " + b"b" * 50, _probe.Limits(fields=20))) == "FIELDS_TOO_LARGE"


@pytest.mark.parametrize("data", [b"", b"\r", b"a", b"a:", b"a: b\r\n", b"a: b\r\n\r"])
def test_incomplete(data):
    assert trailers(data) == 0
