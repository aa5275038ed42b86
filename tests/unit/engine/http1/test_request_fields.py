"""Fields of a request head: lines, names, Host, framing, Connection and what hangs on it."""

import pytest

from limen.engine.http1 import _probe
from tests.support.codec import named, request

IDS = _probe.FIELD_IDS
HOST = b"Host: a.example\r\n"
TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def line(target=b"/", method=b"GET", version=b"HTTP/1.1", fields=HOST):
    return method + b" " + target + b" " + version + b"\r\n" + fields + b"\r\n"


def with_fields(*lines, version=b"HTTP/1.1", host=HOST):
    return b"POST / " + version + b"\r\n" + host + b"".join(one + b"\r\n" for one in lines) + b"\r\n"


# --- field lines ---


def test_every_byte_in_a_name():
    for byte in range(256):
        found = named(request(with_fields(b"a" + bytes([byte]) + b"b: c")))
        if byte == ord("_"):
            assert found == "UNDERSCORE"
        elif byte in b"\r\n":
            assert found == ("LINE_ENDING")
        else:
            assert found == ("ok" if byte in TOKEN + b":" else "FIELD_NAME"), byte


def test_every_byte_in_a_value_at_every_offset():
    # Offsets beyond a vector register, so that the wide scan and its tail are both exercised.
    for byte in range(256):
        for before, after in ((0, 0), (1, 40), (15, 1), (16, 3), (17, 20), (31, 0), (40, 40)):
            value = b"v" * before + bytes([byte]) + b"w" * after
            found = request(with_fields(b"X: " + value))
            if byte in b"\r\n":
                assert named(found) in ("LINE_ENDING", "FIELD_NAME")
            elif (byte < 0x20 and byte != 9) or byte == 0x7F:
                assert named(found) == "FIELD_VALUE", byte
            else:
                assert found["fields"][1][1] == value.strip(b" \t"), byte


@pytest.mark.parametrize(
    ("raw", "name", "value", "canonical"),
    [
        (b"X: y", b"X", b"y", True),
        (b"X:y", b"X", b"y", False),
        (b"X:  y", b"X", b"y", False),
        (b"X:\ty", b"X", b"y", False),
        (b"X: \ty", b"X", b"y", False),
        (b"X: y ", b"X", b"y", False),
        (b"X: y\t ", b"X", b"y", False),
        (b"X: y  z", b"X", b"y  z", True),
        (b"X:", b"X", b"", False),
        (b"X: ", b"X", b"", True),
        (b"X:  ", b"X", b"", False),
        (b"X:\t", b"X", b"", False),
        (b"X: \xe9\xff", b"X", b"\xe9\xff", True),
        (b"x-Y.1: a:b", b"x-Y.1", b"a:b", True),
    ],
)
def test_values_and_canonical_lines(raw, name, value, canonical):
    assert request(with_fields(raw))["fields"][1] == (name, value, IDS["OTHER"], canonical, False)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b": y", "FIELD_NAME"),
        (b"X : y", "FIELD_NAME"),
        (b"X\t: y", "FIELD_NAME"),
        (b"X", "FIELD_NAME"),
        (b"X y", "FIELD_NAME"),
        (b"X\x00: y", "FIELD_NAME"),
        (b"X\xe9: y", "FIELD_NAME"),
        (b"(X): y", "FIELD_NAME"),
        (b"X: y\x00", "FIELD_VALUE"),
        (b"X: y\x7f", "FIELD_VALUE"),
        (b"X: \x0b", "FIELD_VALUE"),
        (b"X: y\r\n z", "OBS_FOLD"),
        (b"X: y\r\n\tz", "OBS_FOLD"),
        (b"X:\r\n y", "OBS_FOLD"),
        (b" X: y", "OBS_FOLD"),
        (b"\r\n ", "ok"),
        (b"_x: y", "UNDERSCORE"),
        (b"x_: y", "UNDERSCORE"),
    ],
)
def test_refused_field_lines(raw, expected):
    assert named(request(with_fields(raw))) == expected


def test_a_blank_before_the_first_field():
    assert named(request(b"GET / HTTP/1.1\r\n Host: a\r\n\r\n")) == "OBS_FOLD"


def test_underscores_may_be_allowed():
    limits = _probe.Limits(underscores=True)
    assert request(with_fields(b"_a_b_: y"), limits)["fields"][1][0] == b"_a_b_"
    assert named(request(with_fields(b"_a b: y"), limits)) == "FIELD_NAME"


NAMES = {
    "HOST": ["host"],
    "CONTENT_LENGTH": ["content-length"],
    "TRANSFER_ENCODING": ["transfer-encoding"],
    "X_FORWARDED_OTHER": [
        "x-forwarded-server",
        "x-forwarded-prefix",
        "x-forwarded-f",
        "x-forwarded-fox",
        "x-forwarded-ports",
    ],
    "PROXY_OTHER": ["proxy-x", "proxy-authorizatio", "proxy-features", "proxy-authentication-inf0", "x-bluecoat-via"],
    "CLIENT_IP": [
        "client-ip",
        "x-client-ip",
        "true-client-ip",
        "x-cluster-client-ip",
        "x-originating-ip",
        "cf-connecting-ip",
        "fastly-client-ip",
        "x-remote-ip",
        "x-remote-addr",
        "x-forwarded",
        "forwarded-for",
        "cf-ipcountry",
        "x-proxyuser-ip",
        "x-appengine-user-ip",
        "wl-proxy-client-ip",
        "x-envoy-external-address",
        "x-original-forwarded-for",
    ],
    "X_ORIGINAL_URL": ["x-original-url", "x-rewrite-url"],
}


@pytest.mark.parametrize("name", [name for name in _probe.FIELD_IDS if name != "OTHER"])
def test_recognised_names(name):
    good = {"CONTENT_LENGTH": b"3", "TRANSFER_ENCODING": b"chunked", "EXPECT": b"100-continue", "HOST": b"a"}.get(
        name, b"v"
    )
    for spelt in NAMES.get(name, [name.lower().replace("_", "-")]):
        for written in (spelt, spelt.upper(), spelt.title(), spelt.swapcase()):
            raw = written.encode()
            host = b"" if name == "HOST" else HOST
            head = request(with_fields(raw + b": " + good, host=host))
            assert head["fields"][-1][:3] == (raw, good, IDS[name])
            assert IDS[name] in head["seen"]


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "tf",
        "vib",
        "hosu",
        "cookid",
        "cookies",
        "proxy",
        "proxi-x",
        "content-lengtg",
        "xontent-length",
        "content_length".replace("_", "."),
        "transfer-encodinh",
        "x-forwarded-",
        "proxy-",
        "x-real-iq",
        "usfr-agent",
    ],
)
def test_names_that_are_nearly_recognised(name):
    head = request(with_fields(name.encode() + b": v"))
    assert head["fields"][1][2] == IDS["OTHER"]
    assert head["seen"] == {IDS["HOST"]}


# --- Host ---


@pytest.mark.parametrize(
    "host",
    [
        b"a",
        b"a.example",
        b"A.EXAMPLE.:80",
        b"a:",
        b"a:0",
        b"a:65535",
        b"10.0.0.1",
        b"[::]",
        b"[::1]:80",
        b"[1:2:3:4:5:6:7:8]",
        b"[2001:DB8::ff00:42:8329]",
        b"[::ffff:192.0.2.1]",
        b"[1::]",
        b"[1:2:3:4:5:6:7::]",
        b"[::2:3:4:5:6:7:8]",
        b"[64:ff9b::1.2.3.4]:1",
        b"xn--bcher-kva.example",
        b"a_b.example",
        b"a-b~c!$&'()*+,;=d",
    ],
)
def test_hosts(host):
    assert request(line(fields=b"Host: " + host + b"\r\n"))["host"] == host


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b" ",
        b"a b",
        b"a, b",
        b"a/b",
        b"a@b",
        b"u:p@a",
        b"a?",
        b"a#",
        b"a\\b",
        b"a%41",
        b"a<",
        b"a\xe9",
        b":80",
        b"a:65536",
        b"a:-1",
        b"a:80a",
        b"a:080000",
        b"a:80:80",
        b"::1",
        b"[::1",
        b"[::1]a",
        b"[::1]]",
        b"[]",
        b"[:]",
        b"[:::]",
        b"[1]",
        b"[1:2:3:4:5:6:7]",
        b"[1:2:3:4:5:6:7:8:9]",
        b"[1::2::3]",
        b"[12345::]",
        b"[::g]",
        b"[::1%25eth0]",
        b"[v1.a]",
        b"[1:2:3:4:5:6:7:8::]",
        b"[::1.2.3]",
        b"[::1.2.3.256]",
        b"[::1.2.3.04]",
        b"[1.2.3.4]",
        b"[:1]",
        b"[1:]",
        b"[::1.2.3.4:5]",
        b"[::1.2.3.4.5]",
        b'"a"',
        b"[" + b"0" * 60 + b"]",
    ],
)
def test_refused_hosts(host):
    assert named(request(line(fields=b"Host: " + host + b"\r\n"))) == "HOST"


def test_how_many_hosts():
    assert named(request(line(fields=b""))) == "HOST"
    assert named(request(line(fields=HOST + HOST))) == "HOST"
    assert named(request(line(fields=HOST + b"HOST: b\r\n"))) == "HOST"
    assert named(request(line(fields=b"", version=b"HTTP/1.0"))) == "ok"
    assert named(request(line(fields=HOST, version=b"HTTP/1.0"))) == "ok"
    assert named(request(line(fields=HOST + HOST, version=b"HTTP/1.0"))) == "HOST"
    assert named(request(line(b"http://a/", fields=b""))) == "HOST"
    assert named(request(line(b"a:1", method=b"CONNECT", fields=b""))) == "HOST"


# --- framing ---


@pytest.mark.parametrize(
    ("value", "length"), [(b"0", 0), (b"1", 1), (b"007", 7), (b"9223372036854775807", 2**63 - 1), (b"0" * 19, 0)]
)
def test_content_length(value, length):
    head = request(with_fields(b"Content-Length: " + value))
    assert (head["framing"], head["length"]) == ("length", length)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"+1",
        b"-1",
        b"1 ,1",
        b"5, 5",
        b"5,5",
        b"0x5",
        b"5a",
        b"1.0",
        b"1e3",
        b"9223372036854775808",
        b"1" * 20,
        b"0" * 20,
        b"\xb2",
        b"1 1",
        b"5;a",
        b'"5"',
    ],
)
def test_refused_content_length(value):
    assert named(request(with_fields(b"Content-Length: " + value))) == "LENGTH"


def test_repeated_content_length():
    assert named(request(with_fields(b"Content-Length: 5", b"Content-Length: 6"))) == "LENGTH"
    assert named(request(with_fields(b"Content-Length: 5", b"content-length: 5"))) == "LENGTH"


@pytest.mark.parametrize("value", [b"chunked", b"CHUNKED", b"Chunked", b" chunked\t"])
def test_transfer_encoding(value):
    assert request(with_fields(b"Transfer-Encoding:" + value))["framing"] == "chunked"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"identity",
        b"gzip",
        b"gzip, chunked",
        b"chunked, gzip",
        b"chunked, chunked",
        b"chunked,",
        b",chunked",
        b"chunked;q=1",
        b"xchunked",
        b"chunked chunked",
        b'"chunked"',
        b"chunke\x84",
        b"chunkeD1",
        b"chunke",
    ],
)
def test_refused_transfer_encoding(value):
    assert named(request(with_fields(b"Transfer-Encoding: " + value))) == "CODING"


def test_transfer_encoding_in_company():
    te, cl = b"Transfer-Encoding: chunked", b"Content-Length: 5"
    assert named(request(with_fields(te, te))) == "CODING"
    assert named(request(with_fields(te, b"Transfer-Encoding: identity"))) == "CODING"
    assert named(request(with_fields(te, version=b"HTTP/1.0"))) == "CODING"
    assert named(request(with_fields(te, cl))) == "LENGTH_AND_CODING"
    assert named(request(with_fields(cl, te))) == "LENGTH_AND_CODING"
    assert named(request(with_fields(b"Transfer-Encoding : chunked", cl))) == "FIELD_NAME"
    assert named(request(with_fields(b"Transfer_Encoding: chunked", cl))) == "UNDERSCORE"


# --- persistence, Connection, Upgrade, TE, Expect ---


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        (b"HTTP/1.1", [], True),
        (b"HTTP/1.1", [b"close"], False),
        (b"HTTP/1.1", [b"keep-alive"], True),
        (b"HTTP/1.1", [b"Close"], False),
        (b"HTTP/1.1", [b"keep-alive, close"], False),
        (b"HTTP/1.1", [b"x", b"CLOSE"], False),
        (b"HTTP/1.1", [b",, ,close,"], False),
        (b"HTTP/1.1", [b""], True),
        (b"HTTP/1.0", [], False),
        (b"HTTP/1.0", [b"keep-alive"], True),
        (b"HTTP/1.0", [b"Keep-Alive"], True),
        (b"HTTP/1.0", [b"keep-alive,close"], False),
        (b"HTTP/1.2", [], True),
        (b"HTTP/1.1", [b"closed"], True),
        (b"HTTP/1.1", [b"upgrade\t,\tclose"], False),
    ],
)
def test_persistence(version, connection, kept):
    assert request(with_fields(*(b"Connection: " + one for one in connection), version=version))["keep_alive"] is kept


@pytest.mark.parametrize(
    "value",
    [
        b"a b",
        b"close; x",
        b'"close"',
        b"a/b",
        b"close,(x)",
        b"\xe9",
        b"@",
        b"Host",
        b"x, HOST",
        b"content-length",
        b"Transfer-Encoding",
        b", ".join(b"x%d" % i for i in range(33)),
    ],
)
def test_refused_connection(value):
    assert named(request(with_fields(b"Connection: " + value))) == "FIELD_VALUE"


def test_fields_named_by_connection():
    head = request(
        with_fields(b"X-One: 1", b"Connection: close, x-one, X-TWO, absent", b"x-Two: 2", b"X-Three: 3", b"X-TWO: 4")
    )
    assert [name for name, *_, hop in head["fields"] if hop] == [b"X-One", b"x-Two", b"X-TWO"]
    assert head["connection_names"]
    assert request(with_fields(b"Connection: " + b", ".join(b"x%d" % i for i in range(32))))["connection_names"]


def test_known_options_name_no_field():
    head = request(
        with_fields(b"Connection: close, Keep-Alive, TE, Upgrade", b"Keep-Alive: 5", b"TE: trailers", b"Upgrade: x")
    )
    assert not head["connection_names"]
    assert not any(hop for *_, hop in head["fields"])


@pytest.mark.parametrize(
    "name",
    [
        b"Authorization",
        b"Cookie",
        b"Via",
        b"Forwarded",
        b"X-Forwarded-For",
        b"X-Forwarded-Proto",
        b"Content-Type",
        b"X-Forwarded-Prefix",
    ],
)
def test_fields_that_connection_cannot_take_away(name):
    head = request(with_fields(name + b": v", b"Connection: x, " + name))
    assert not any(hop for *_, hop in head["fields"])


@pytest.mark.parametrize(
    ("fields", "version", "upgrade"),
    [
        ([b"Connection: Upgrade", b"Upgrade: websocket"], b"HTTP/1.1", True),
        ([b"Upgrade: h2c", b"Connection: keep-alive, uPGRADE"], b"HTTP/1.1", True),
        ([b"Connection: Upgrade"], b"HTTP/1.1", False),
        ([b"Upgrade: websocket"], b"HTTP/1.1", False),
        ([b"Connection: Upgrade", b"Upgrade: websocket"], b"HTTP/1.0", False),
    ],
)
def test_upgrade(fields, version, upgrade):
    assert request(with_fields(*fields, version=version))["upgrade"] is upgrade


@pytest.mark.parametrize(
    ("fields", "trailers"),
    [
        ([b"TE: trailers", b"Connection: TE"], True),
        ([b"TE: gzip;q=0.5 , Trailers", b"Connection: close, te"], True),
        ([b"TE: trailers"], False),
        ([b"TE: gzip", b"Connection: te"], False),
        ([b"TE: trailersx", b"Connection: te"], False),
        ([b"TE: gzip", b"TE: trailers", b"Connection: te"], True),
    ],
)
def test_te(fields, trailers):
    assert request(with_fields(*fields))["te_trailers"] is trailers


def test_expect():
    assert request(with_fields(b"Expect: 100-continue"))["expect_continue"]
    assert request(with_fields(b"Expect: 100-Continue"))["expect_continue"]
    assert not request(with_fields(b"Expect: 100-continue", version=b"HTTP/1.0"))["expect_continue"]
    for value in (b"", b"200-ok", b"100-continue, x", b"100-continuE1", b"100"):
        assert named(request(with_fields(b"Expect: " + value))) == "EXPECTATION"
