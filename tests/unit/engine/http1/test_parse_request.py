"""Request heads: the request line, limits and incomplete heads; the fields are in test_request_fields.py."""

import pytest

from limen.engine.http1 import _probe
from tests.support.codec import first_ready, named, request

IDS = _probe.FIELD_IDS
HOST = b"Host: a.example\r\n"
TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
VISIBLE = bytes(range(0x21, 0x7F))


def line(target=b"/", method=b"GET", version=b"HTTP/1.1", fields=HOST):
    return method + b" " + target + b" " + version + b"\r\n" + fields + b"\r\n"


def test_a_small_request():
    data = b"GET /small?x=1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept: */*\r\n\r\n"
    head = request(data)
    assert head["size"] == len(data)
    assert (head["method"], head["method_id"]) == (b"GET", _probe.METHODS["GET"])
    assert (head["target"], head["path"], head["query"]) == (b"/small?x=1", b"/small", b"x=1")
    assert (head["form"], head["scheme"], head["authority"], head["host"]) == ("origin", None, b"", b"127.0.0.1:8080")
    assert (head["framing"], head["length"], head["minor"], head["keep_alive"]) == ("none", 0, 1, True)
    assert head["seen"] == {IDS["HOST"]}
    assert head["fields"] == [
        (b"Host", b"127.0.0.1:8080", IDS["HOST"], True, False),
        (b"Accept", b"*/*", IDS["OTHER"], True, False),
    ]
    assert not head["upgrade"] and not head["expect_continue"] and not head["te_trailers"]


# --- method ---


@pytest.mark.parametrize("method", [name for name in _probe.METHODS if name not in ("OTHER", "CONNECT")])
def test_known_methods(method):
    head = request(line(method=method.encode()))
    assert (head["method"], head["method_id"]) == (method.encode(), _probe.METHODS[method])


@pytest.mark.parametrize(
    "method",
    [
        b"get",
        b"Get",
        b"GETT",
        b"PURGE",
        b"VERSION-CONTROL",
        b"connect",
        b"A" * 32,
        TOKEN[:32],
        b"DELETX",
        b"XELETE",
        b"OPTIONX",
        b"POSX",
        b"HEAX",
        b"PUX",
        b"PATCX",
        b"TRACX",
    ],
)
def test_other_methods(method):
    head = request(line(method=method))
    assert (head["method"], head["method_id"]) == (method, _probe.METHODS["OTHER"])


@pytest.mark.parametrize("method", [b"", b"A" * 33, b"G(T", b"G\x00T", b"G\xc3T", b"G\tT", b"G:T", b"\x16\x03\x01"])
def test_refused_methods(method):
    assert named(request(line(method=method))) == "START_LINE"


def test_every_byte_in_a_method():
    for byte in range(256):
        found = named(request(line(method=b"G" + bytes([byte]) + b"T")))
        expected = {b"\r": "LINE_ENDING", b"\n": "LINE_ENDING", b" ": "TARGET"}.get(bytes([byte]), "START_LINE")
        assert found == ("ok" if byte in TOKEN else expected), byte


# --- target ---


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", b"/", None),
        (b"//x", b"//x", None),
        (b"/?", b"/", b""),
        (b"/a?b?c=/d", b"/a", b"b?c=/d"),
        (b"/a%20b%2F%5c%7E", b"/a%20b%2F%5c%7E", None),
        (b"/a?100%&b=%zz%", b"/a", b"100%&b=%zz%"),
        (b"/a|b{c}^`\"[d]'(e);,@:!$*+=", b"/a|b{c}^`\"[d]'(e);,@:!$*+=", None),
        (b"/http://a/b", b"/http://a/b", None),
        (b"/" + b"x" * 3000, b"/" + b"x" * 3000, None),
    ],
)
def test_origin_form(target, path, query):
    head = request(line(target))
    assert (head["form"], head["target"], head["path"], head["query"]) == ("origin", target, path, query)


def test_every_byte_in_a_path_and_a_query():
    for byte in range(256):
        one = bytes([byte])
        allowed = byte in VISIBLE and one not in b"#<>\\"
        for target in (b"/a" + one + b"b", b"/a?" + one + b"b"):
            found = named(request(line(target)))
            if (one == b"%" and b"?" not in target) or (not allowed and one not in b" \r\n\t"):
                assert found == "TARGET", (byte, target)
            elif allowed:
                assert found == "ok", (byte, target)
            else:
                assert found == ("LINE_ENDING" if one in b"\r\n" else "START_LINE"), (byte, target)


@pytest.mark.parametrize(
    "target", [b"/%", b"/%4", b"/%4g", b"/%g4", b"/%00", b"/a%00b", b"/%%41", b"/a%", b"/a%?x", b"/%\xff1"]
)
def test_broken_percent_encoding_in_a_path(target):
    assert named(request(line(target))) == "TARGET"


@pytest.mark.parametrize(
    "target", [b"a", b"a/b", b"*", b"*/", b"?x", b"#", b"www.example.com:80", b"[::1]:80", b".", b"%2f", b"\x80", b"=/"]
)
def test_targets_of_no_form(target):
    assert named(request(line(target))) == "TARGET"


@pytest.mark.parametrize(
    ("target", "scheme", "authority", "path", "query"),
    [
        (b"http://a.example/", "http", b"a.example", b"/", None),
        (b"http://a.example", "http", b"a.example", b"", None),
        (b"http://a.example?x", "http", b"a.example", b"", b"x"),
        (b"HTTP://A.example:8080/b?c", "http", b"A.example:8080", b"/b", b"c"),
        (b"hTTps://[::1]:443/", "https", b"[::1]:443", b"/", None),
        (b"http://a.example:/", "http", b"a.example:", b"/", None),
        (b"ftp://a.example/b", "other", b"a.example", b"/b", None),
        (b"coap+tcp://a/b", "other", b"a", b"/b", None),
        (b"httpx://a/", "other", b"a", b"/", None),
    ],
)
def test_absolute_form(target, scheme, authority, path, query):
    head = request(line(target))
    found = [head[key] for key in ("form", "scheme", "authority", "path", "query", "target")]
    assert found == ["absolute", scheme, authority, path, query, target]


def test_an_absolute_form_may_differ_from_host():
    head = request(line(b"http://b.example/"))
    assert (head["authority"], head["host"]) == (b"b.example", b"a.example")


@pytest.mark.parametrize(
    "target",
    [
        b"http://",
        b"http:///x",
        b"http://:80/",
        b"http:/a",
        b"http:a",
        b"http://u@a/",
        b"http://u:p@a/",
        b"http://a:b/",
        b"http://a:65536/",
        b"http://a:123456/",
        b"http://[::1/",
        b"http://[::1]x/",
        b"http://a%41/",
        b"http://a\\b/",
        b"http://a#b",
        b"http://a<b/",
        b"1http://a/",
        b"urn:isbn:1",
        b"ht_tp://a/",
        b"http://a/%0",
        b"http://a/#f",
    ],
)
def test_refused_absolute_forms(target):
    assert named(request(line(target))) == "TARGET"


@pytest.mark.parametrize("target", [b"a.example:443", b"10.0.0.1:1", b"[2001:db8::1]:65535", b"a:80"])
def test_authority_form(target):
    head = request(line(target, method=b"CONNECT"))
    assert [head[key] for key in ("form", "authority", "target", "path", "query")] == [
        "authority",
        target,
        target,
        b"",
        None,
    ]
    assert head["method_id"] == _probe.METHODS["CONNECT"]


def test_connect_has_no_content():
    head = b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n"
    assert request(head + b"Content-Length: 0\r\n\r\n")["method"] == b"CONNECT"
    assert named(request(head + b"Content-Length: 5\r\n\r\nhello")) == "LENGTH"
    assert named(request(head + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")) == "CODING"


@pytest.mark.parametrize(
    "target",
    [
        b"a.example",
        b"a.example:",
        b"a.example:0",
        b"a.example:65536",
        b":443",
        b"/",
        b"http://a/",
        b"*",
        b"u@a:443",
        b"a:443/",
        b"a:443?x",
        b"a:+1",
        b"a:1:2",
        b"::1:443",
        b"[::1]",
        b"a:00443x",
    ],
)
def test_refused_authority_forms(target):
    assert named(request(line(target, method=b"CONNECT"))) == "TARGET"


def test_asterisk_form():
    assert request(line(b"*", method=b"OPTIONS"))["form"] == "asterisk"
    assert request(line(b"/", method=b"OPTIONS"))["form"] == "origin"
    assert named(request(line(b"*a", method=b"OPTIONS"))) == "TARGET"
    assert named(request(line(b"**", method=b"OPTIONS"))) == "TARGET"


# --- version and shape of the line ---


@pytest.mark.parametrize(("version", "minor"), [(b"HTTP/1.0", 0), (b"HTTP/1.1", 1), (b"HTTP/1.2", 1), (b"HTTP/1.9", 1)])
def test_versions(version, minor):
    assert request(line(version=version))["minor"] == minor


@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/0.9", b"HTTP/3.1", b"HTTP/9.9"])
def test_other_versions(version):
    assert named(request(line(version=version))) == "VERSION"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / http/1.1\r\n",
        b"GET / HTTP/1\r\n\r\n",
        b"GET / HTTP/1.\r\n\r\n",
        b"GET / HTTP/1.10\r\n",
        b"GET / HTTP/11.1\r\n",
        b"GET / HTTP/1,1\r\n",
        b"GET / HTTPS/1.1\r\n",
        b"GET / HTTP /1.1\r\n",
        b"GET / HTTP/1.1 \r\n",
        b"GET / HTTP/1.1\t\r\n",
        b"GET  / HTTP/1.1\r\n",
        b"GET /  HTTP/1.1\r\n",
        b"GET\t/ HTTP/1.1\r\n",
        b"GET /\tHTTP/1.1\r\n",
        b" GET / HTTP/1.1\r\n",
        b"GET /\r\nHost: a\r\n",
        b"GET\r\n\r\n",
        b"GET \r\n\r\n",
        b"GET / \r\n\r\n",
        b"GET / a HTTP/1.1\r\n",
        b"\r\nGET / HTTP/1.1\r\n",
        b"GET / HTTP/\xb1.1\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"\x00GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1x\r\n",
    ],
)
def test_start_lines_of_another_shape(data):
    assert named(request(data)) == "START_LINE"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\rHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\n",
        b"GET / HTTP/1.1\r\nHost: a\rb: c\r\n\r\n",
        b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\rX",
        b"GET /\nHost: a\r\n\r\n",
        b"GET\n/ HTTP/1.1\r\n",
        b"\nGET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nHost\n: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:\n a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
        b"CONNECT a:1\n HTTP/1.1\r\n",
        b"GET http://a\n/ HTTP/1.1\r\n",
        b"GET / HTTP\n/1.1\r\n",
        b"GET / HTTP/1.1\r\n\n",
    ],
)
def test_bare_line_endings(data):
    assert named(request(data)) == "LINE_ENDING"


# --- limits ---


def test_the_length_of_the_line():
    limits = _probe.Limits(line=30)
    target = b"/" + b"x" * (30 - len("GET  HTTP/1.1") - 1)
    assert named(request(line(target), limits)) == "ok"
    assert named(request(line(target + b"x"), limits)) == "URI_TOO_LONG"
    assert named(request(line(target + b"x" * 9), limits)) == "URI_TOO_LONG"
    assert named(request(b"GET /" + b"x" * 40, limits)) == "URI_TOO_LONG"
    assert named(request(b"GET /" + b"x" * 24, limits)) == "more"
    assert named(request(b"CONNECT " + b"x" * 40, limits)) == "URI_TOO_LONG"


def test_the_bytes_of_the_fields():
    fields = HOST + b"X: " + b"y" * 20 + b"\r\n"
    assert named(request(line(fields=fields), _probe.Limits(fields=len(fields)))) == "ok"
    for less in range(1, len(fields)):
        assert named(request(line(fields=fields), _probe.Limits(fields=len(fields) - less))) == "FIELDS_TOO_LARGE"
    assert named(request(b"GET / HTTP/1.1\r\nX: " + b"y" * 100, _probe.Limits(fields=50))) == "FIELDS_TOO_LARGE"
    assert named(request(b"GET / HTTP/1.1\r\n" + b"y" * 100, _probe.Limits(fields=50))) == "FIELDS_TOO_LARGE"


def test_the_number_of_fields():
    two = HOST + b"X: y\r\n"
    assert named(request(line(fields=two), _probe.Limits(count=2))) == "ok"
    assert named(request(line(fields=two), _probe.Limits(count=1))) == "FIELDS_TOO_LARGE"
    assert named(request(line(fields=two), _probe.Limits(count=0))) == "FIELDS_TOO_LARGE"
    many = HOST + b"X: y\r\n" * 255
    assert len(request(line(fields=many), _probe.Limits(count=256))["fields"]) == 256
    # more than MAX_FIELDS is never promised, whatever the limit says
    assert named(request(line(fields=many + b"X: y\r\n"), _probe.Limits(count=1000))) == "FIELDS_TOO_LARGE"


def test_limits_over_the_upper_bound_count_as_it():
    limits = _probe.Limits(line=10**9, fields=10**9)
    big = b"v" * (65535 - len(HOST) - len(b"X: \r\n"))
    head = request(line(fields=HOST + b"X: " + big + b"\r\n"), limits)
    assert head["fields"][1][1] == big
    assert named(request(line(fields=HOST + b"X: " + big + b"v\r\n"), limits)) == "FIELDS_TOO_LARGE"
    assert named(request(line(b"/" + b"x" * 65535), limits)) == "URI_TOO_LONG"


# --- incomplete heads ---


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"G",
        b"GET",
        b"GET ",
        b"GET /",
        b"GET / HTTP/1.1",
        b"GET / HTTP/1.1\r",
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r",
        b"GET http",
        b"GET http://a",
        b"CONNECT a:1",
    ],
)
def test_incomplete(data):
    assert request(data) == 0


@pytest.mark.parametrize(
    ("data", "ready"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27),
        (b"\r\n", 2),
        (b"a\r\n\r\n", 5),
        (b"a\r\nb\r\n", None),
        (b"a\nb", 2),
        (b"a\rb", 3),
        (b"a\x00b", 2),
        (b"a" * 100 + b"\x7f", 101),
        (b"", None),
        (b"a\r", None),
        (b"x\ty\xff" * 20, None),
        (b"\x16\x03", 1),
    ],
)
def test_head_ready(data, ready):
    assert first_ready(data) == ready
    if ready is None:
        assert not _probe.head_ready(data)[0]
    else:
        assert _probe.head_ready(data)[0]
