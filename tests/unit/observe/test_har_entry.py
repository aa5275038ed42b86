"""Entries: valid whatever was sent, and content that can be had back."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.engine.capture import Capture
from limen.observe.discretion import Discretion
from limen.observe.har_entry import HIDDEN, Terms, line_of
from limen.observe.har_parts import as_text, cookies, query_string, set_cookies
from tests.support.har import check_entry, values


@dataclass
class FakeSide:
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    content: bytes = b""
    size: int = 0
    head_size: int = 40

    @property
    def kept(self) -> int:
        return len(self.content)

    def text(self) -> bytes:
        return self.content


@dataclass
class FakeRecording:
    request: FakeSide
    response: FakeSide | None
    method: bytes = b"GET"
    target: bytes = b"/"
    scheme: bytes = b"http"
    authority: bytes = b"a.example"
    minor: int = 1
    status: int = 200
    reason: bytes = b"OK"
    response_minor: int = 1
    server: bytes = b"192.0.2.1"
    started: int = 1_772_366_400_987_654_321
    total: int = 0
    dial: int = 0
    forwarded: int = 0
    sent: int = 0
    answered: int = 0
    id: str = "1"
    client: bytes = b"192.0.2.7"
    port: int = 4321
    listener: str = "front"
    route: str = "r"
    rule: str = ""
    upstream: str = ""
    endpoint: str = ""
    egress: str = ""
    user: str = "alice"
    told: int = 200
    fault: int = 0
    attempts: int = 1
    tunnel: bool = False


def made(recording: FakeRecording, terms: Terms | None = None) -> dict[str, Any]:
    line = b"".join(line_of(recording, terms or Terms()))  # type: ignore[arg-type]
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return check_entry(json.loads(line))


NAMES = st.sampled_from([b"Content-Type", b"Cookie", b"Set-Cookie", b"Location", b"Content-Encoding", b"X-A"])
VALUES = st.binary(max_size=30).map(lambda value: bytes(c for c in value if c >= 32 and c != 127)) | st.sampled_from(
    [b"text/plain", b"application/json; charset=latin1", b"a=b; Expires=never", b"gzip", b"text/html; charset=nonsense"]
)
SIDES = st.builds(
    lambda fields, content, more: FakeSide(fields, content, len(content) + more),
    st.lists(st.tuples(NAMES, VALUES), max_size=6),
    st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace")),
    st.sampled_from([0, 0, 5]),
)
MOMENTS = st.integers(0, 10**11)


@given(SIDES, st.none() | SIDES, st.binary(min_size=1, max_size=20), st.tuples(*[MOMENTS] * 5), st.booleans())
def test_whatever_was_sent_is_a_valid_entry(request_side, response, target, moments, secrets):
    total, dial, forwarded, sent, answered = moments
    recording = FakeRecording(request_side, response, target=b"/" + target)
    recording.total = total
    # in the order in which these things happen, each of which may not have happened
    recording.forwarded = min(forwarded, total)
    recording.dial = min(dial, recording.forwarded)
    recording.sent = min(sent, total)
    recording.answered = max(recording.forwarded, min(answered, total)) if response is not None else 0
    entry = made(recording, Terms(secrets))
    assert abs(entry["time"] - total / 10**6) < 0.01
    parts = [(request_side, entry["request"].get("postData"), "_encoding")]
    if response is not None:
        parts.append((response, entry["response"]["content"], "encoding"))
    for side, part, encoding in parts:
        if part is None:
            assert side.size == 0
            continue
        if encoding in part:
            assert base64.b64decode(part["text"]) == side.content
        else:
            kind = values(entry["request" if side is request_side else "response"], "content-type")
            charset = "latin-1" if kind and "latin1" in kind[0] else "utf-8"
            # what is cut short may lack a part of its last character
            assert side.content.startswith(part["text"].encode(charset))
            assert len(side.content) - len(part["text"].encode(charset)) < (4 if side.size > len(side.content) else 1)


@pytest.mark.parametrize("content", [("ä€𝄞" * 50_000).encode(), bytes(range(256)) * 1000], ids=["text", "binary"])
def test_long_content_comes_in_pieces(content):
    side = FakeSide([(b"Content-Type", b"text/plain")], content, len(content))
    recording = FakeRecording(FakeSide(), side)
    pieces = list(line_of(recording, Terms()))  # type: ignore[arg-type]
    assert max(map(len, pieces)) < 2_000_000
    assert len(pieces) > 4
    told = json.loads(b"".join(pieces))["response"]["content"]
    assert (base64.b64decode(told["text"]) if "encoding" in told else told["text"].encode()) == content


SENT = [
    (b"authorization", b"told"),
    (b"COOKIE", b"a=told; b"),
    (b"X-Forwarded-For", b"told"),
    (b"Client-Cert", b"told"),
    (b"X-Other", b"other"),
]


@pytest.mark.parametrize(
    ("terms", "hidden"),
    [
        (Terms(), {"authorization", "COOKIE"}),
        (Terms(secrets=True), set()),
        (Terms(discretion=Discretion(clients="none")), {"authorization", "COOKIE", "X-Forwarded-For"}),
        (Terms(discretion=Discretion(users="pseudonym")), {"authorization", "COOKIE", "Client-Cert"}),
    ],
)
def test_fields_that_are_hidden(terms, hidden):
    entry = made(FakeRecording(FakeSide(SENT), None), terms)
    assert {one["name"] for one in entry["request"]["headers"] if one["value"] == HIDDEN} == hidden
    assert [one["name"] for one in entry["request"]["cookies"]] == ["a", "b"]
    assert entry["_limen"].get("client") == ("-" if terms.discretion.clients == "none" else "192.0.2.7")
    assert (entry["_limen"]["user"] == "alice") == (terms.discretion.users == "full")


def test_urls():
    def url(**keys: Any) -> str:
        return str(made(FakeRecording(FakeSide(), None, **keys))["request"]["url"])

    assert url(target=b"/a?b") == "http://a.example/a?b"
    assert url(target=b"http://b.example/") == "http://b.example/"
    assert url(target=b"*", method=b"OPTIONS") == "http://a.example"
    assert url(authority=b"", minor=0) == "http://unknown.invalid/"
    assert url(scheme=b"https", authority=b"[::1]:444") == "https://[::1]:444/"


def test_phases():
    def timings(**keys: int) -> dict[str, float]:
        made_ = made(FakeRecording(FakeSide(), FakeSide(), **{key: value * 10**6 for key, value in keys.items()}))
        return {key: value for key, value in made_["timings"].items() if value != -1}

    assert timings(total=10, dial=2, forwarded=3, sent=5, answered=8) == {
        "blocked": 1,
        "connect": 2,
        "send": 2,
        "wait": 3,
        "receive": 2,
    }
    # answered before the request was whole; never answered; never forwarded
    assert timings(total=10, forwarded=3, sent=9, answered=8)["send"] == 5
    assert timings(total=10, forwarded=3)["wait"] == 7
    assert timings(total=10, dial=4) == {"connect": 4, "send": 0, "wait": 6, "receive": 0}


def test_parts():
    assert query_string("http://a/?x=%20+&y&=z#q?r=1") == [
        {"name": "x", "value": "  "},
        {"name": "y", "value": ""},
        {"name": "", "value": "z"},
    ]
    assert cookies([("Cookie", " a = b=c ;; d")], None) == [{"name": "a", "value": "b=c"}, {"name": "d", "value": ""}]
    assert set_cookies([("set-cookie", ""), ("Set-Cookie", "a=b; expires=x; Domain=d")], None) == [
        {"name": "a", "value": "b", "httpOnly": False, "secure": False, "domain": "d"}
    ]
    assert as_text(b"\xe4", "text/plain; charset=ISO-8859-1", whole=True) == "ä"
    assert as_text(b"\xe2\x82", "text/plain", whole=False) == ""
    assert as_text(b"\xe2\x82", "text/plain", whole=True) is None
    assert as_text(b"{}", "application/problem+json", whole=True) == "{}"
    assert as_text(b"x", "image/png", whole=True) is None


def test_a_capture_says_what_it_is():
    capture = Capture("flows", body=10, held_most=20, take=lambda _: None)
    assert (capture.name, capture.body, capture.held_most, capture.held, capture.lost) == ("flows", 10, 20, 0, 0)
    assert repr(capture) == "<Capture flows held=0 lost=0>"
