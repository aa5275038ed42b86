"""Messages to and from ICAP services, without any."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.exchange import icap
from limen.exchange.icap import AdaptationFailed, Head


def test_a_request_is_written() -> None:
    head = icap.message_head("GET http://a/ HTTP/1.1", [("Host", "a")])
    written = icap.adaptation(
        "REQMOD",
        "icap://s/x",
        "s",
        heads=[("req-hdr", head)],
        has_body=True,
        preview=4,
        fields=[("X-Client-IP", "::1")],
    )
    assert written == (
        b"REQMOD icap://s/x ICAP/1.0\r\nHost: s\r\nAllow: 204\r\nPreview: 4\r\nX-Client-IP: ::1\r\n"
        b"Encapsulated: req-hdr=0, req-body=35\r\n\r\nGET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    assert len(head) == 35
    without = icap.adaptation(
        "RESPMOD", "icap://s/x", "s", heads=[("req-hdr", head), ("res-hdr", b"x" * 9)], has_body=False, preview=4
    )
    assert b"Encapsulated: req-hdr=0, res-hdr=35, null-body=44\r\n\r\n" in without
    assert b"Preview" not in without
    assert icap.chunk(b"0123456789") == b"a\r\n0123456789\r\n"
    assert icap.chunk(b"") == b""


def test_answers_are_read() -> None:
    answer = icap.read_answer(
        b"ICAP/1.0 200 OK\r\nISTag: a\r\nX-Found: 1\r\n\t- more\r\nConnection: close\r\n"
        b"Encapsulated: res-hdr=0, res-body=46\r\n\r\n"
    )
    assert (answer.status, answer.heads_size, answer.has_body, answer.is_kept) == (200, 46, True, False)
    assert answer.fields["x-found"] == "1 - more"
    heads = icap.split_heads(answer, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\n")
    assert heads == {"res-hdr": Head(status=403, fields=(("Content-Length", "10"),))}
    terms = icap.read_terms(
        icap.read_answer(
            b"ICAP/1.0 200 OK\r\nMethods: RESPMOD, reqmod\r\nPreview: 9999999\r\nAllow: 204\r\nOptions-TTL: 60\r\n"
            b"Max-Connections: 5\r\n\r\n"
        ),
        longest=300,
    )
    assert terms == icap.Terms(frozenset(("REQMOD", "RESPMOD")), icap.LONGEST_PREVIEW, True, 60, 5)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"ICAP/1.0 2000 OK\r\n\r\n",
        b"ICAP/1.0 200 OK\r\nnonsense\r\n\r\n",
        b"ICAP/1.0 200 OK\r\nName : x\r\n\r\n",
        b"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=1, null-body=5\r\n\r\n",
        b"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-hdr=9, res-body=5\r\n\r\n",
        b"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0\r\n\r\n",
        b"ICAP/1.0 200 OK\r\nEncapsulated: res-body=0, res-body=4\r\n\r\n",
        b"ICAP/1.0 200 OK\r\nEncapsulated: any=0\r\n\r\n",
        b"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=9999999\r\n\r\n",
    ],
)
def test_answers_that_are_none(head: bytes) -> None:
    with pytest.raises(AdaptationFailed):
        icap.read_answer(head)


@pytest.mark.parametrize("line", [b"", b"-1", b"0x5", b"zz", b"5 5", b"123456789", b"\xff"])
def test_chunks_that_are_none(line: bytes) -> None:
    with pytest.raises(AdaptationFailed):
        icap.chunk_size(line)


@given(st.binary(max_size=300), st.integers(0, 200))
def test_any_bytes_raise_nothing_else(noise: bytes, at: int) -> None:
    good = b"ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0, res-hdr=30, res-body=60\r\n\r\n"
    for head in (noise, good[:at] + noise + good[at:]):
        with contextlib.suppress(AdaptationFailed):
            answer = icap.read_answer(head)
            icap.split_heads(answer, noise * 10)
            icap.read_terms(answer, longest=10)
    with contextlib.suppress(AdaptationFailed):
        assert icap.chunk_size(noise) >= 0
