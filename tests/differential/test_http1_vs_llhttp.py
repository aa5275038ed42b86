"""The HTTP/1.1 codec against llhttp (through httptools): the same verdict and reading, or a documented difference."""

import re

import httptools

from limen.engine.http1 import _probe
from tests.support.codec import decode_chunks, named
from tests.support.codec_inputs import CHUNKED, REQUESTS, RESPONSES, mutated

# Where we refuse and llhttp accepts: fault -> (what must be in the input for that to be the reason, why we refuse).
STRICTER = {
    "LINE_ENDING": (rb"^[\r\n]|[^\r]\n|\r[^\n]", "llhttp skips any CR and LF before a message"),
    "START_LINE": (rb"", "llhttp takes a request line without version as HTTP/0.9 and skips blanks before the target"),
    "UNDERSCORE": (rb"\n[^:\n]*_", "'_' and '-' are the same to CGI and its heirs"),
    "FIELD_VALUE": (rb"(?i:connection)", "Connection that is no list of tokens, or names framing or Host"),
    "HOST": (rb"", "Host is required once and must be uri-host [: port]; llhttp leaves it to its user"),
    "TARGET": (rb"", "sound percent-encoding, no # \\ < >, authority checked; llhttp leaves it to its user"),
    "EXPECTATION": (rb"(?i:expect)", "an unknown expectation is answered with 417"),
    "LENGTH": (rb"(?i:content-length)", "Content-Length on 1xx and 204, over 0 on CONNECT"),
    "CODING": (
        rb"(?i:transfer-encoding)",
        "Transfer-Encoding in HTTP/1.0, in 1xx and 204, on CONNECT, or other than `chunked` alone",
    ),
    "LENGTH_AND_CODING": (
        rb"(?is:content-length.*transfer-encoding|transfer-encoding.*content-length)",
        "both together",
    ),
}
# The other way round: llhttp's message -> why we accept what it refuses.
MORE_LENIENT = {
    "Invalid method encountered": "llhttp knows a list of methods; to us any token is one",
    "Expected space after method": "the same, for a token that begins like a known method",
    "Unexpected char in url schema": "llhttp takes letters only; RFC 3986 allows digits, '+', '-' and '.'",
}


class Reader:
    """Collects what httptools calls back."""

    def __init__(self):
        self.url = b""
        self.reason = b""
        self.fields = []
        self.content = b""
        self.has_head = False
        self.is_whole = False
        self.parser = None
        self.kept = False

    def on_url(self, part):
        self.url += part

    def on_status(self, part):
        self.reason += part

    def on_header(self, name, value):
        if not self.has_head:  # trailers come the same way
            self.fields.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self):
        self.has_head = True
        self.kept = self.parser.should_keep_alive()  # later it also believes Connection in trailers

    def on_body(self, part):
        self.content += part

    def on_message_complete(self):
        self.is_whole = True
        raise StopIteration  # the next message is not asked for


def read(data, kind=httptools.HttpRequestParser):
    """(verdict, reader, parser) of llhttp."""
    reader = Reader()
    parser = reader.parser = kind(reader)
    verdict = ""
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        verdict = str(error)
    if reader.has_head:
        verdict = "ok"
    return verdict or "more", reader, parser


def agree(ours, theirs, data):
    name = named(ours)
    if name == theirs:
        return name == "ok"
    if name == "ok":
        assert theirs in MORE_LENIENT
        return False
    if theirs not in ("ok", "more"):
        # Unknown methods again: llhttp stops at the first letter, we wait for the rest.
        assert name != "more" or theirs in MORE_LENIENT or b"\r\n\r\n" not in data
        return False
    assert name != "more", f"llhttp: {theirs}"
    if theirs == "ok":
        assert name in STRICTER, name
        assert re.search(STRICTER[name][0], data), name
    return False


def listed(head):
    return [(name.lower(), value) for name, value, *_ in head["fields"]]


def test_requests():
    both = 0
    for data in mutated(REQUESTS, 8000, 21):
        ours = _probe.parse_request(data)
        verdict, reader, parser = read(data)
        if not agree(ours, verdict, data):
            continue
        both += 1
        assert (ours["method"], ours["target"], listed(ours)) == (parser.get_method(), reader.url, reader.fields)
        if ours["upgrade"]:
            continue  # llhttp hands everything behind the head to the new protocol; we wait for the answer
        # Of `close` and `keep-alive` in HTTP/1.0, to us `close` wins (RFC 9112, 9.3).
        if ours["keep_alive"] != reader.kept:
            assert not ours["keep_alive"]
            assert re.search(rb"(?is)connection:[^\n]*close.*keep-alive|connection:[^\n]*keep-alive.*close", data)
        rest = data[ours["size"] :]
        if ours["framing"] == "none":
            assert reader.content == b""
        elif ours["framing"] == "length":
            assert reader.content == rest[: ours["length"]]
    assert both > 1000


def test_responses():
    both = 0
    for data in mutated(RESPONSES, 6000, 22):
        ours = _probe.parse_response(data)
        verdict, reader, parser = read(data, httptools.HttpResponseParser)
        if not agree(ours, verdict, data):
            continue
        both += 1
        assert (ours["status"], ours["reason"], listed(ours)) == (
            parser.get_status_code(),
            reader.reason,
            reader.fields,
        )
        rest = data[ours["size"] :]
        if ours["framing"] == "none":
            assert reader.content == b""
        elif ours["framing"] == "length":
            assert reader.content == rest[: ours["length"]]
        elif ours["framing"] == "close":
            assert reader.content == rest
    assert both > 500


def test_contents_in_chunks():
    head = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole = 0
    for data in mutated(CHUNKED, 4000, 23):
        content, taken, event = decode_chunks([data])
        if event != "last" or isinstance(_probe.parse_trailers(data[taken:]), int):
            continue
        whole += 1
        _, reader, _ = read(head + data)
        assert (reader.content, reader.is_whole) == (content, True), data
    assert whole > 300
