"""Heads as bytes: runs of canonical lines, lines of any other form, framing, chunk lines, trailers."""

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.engine import _engine_probe as probe
from limen.engine.engine import Engine
from limen.engine.http1._probe import parse_trailers

ENGINE = Engine()
NONE, LENGTH, CHUNKED, CLOSE = 0, 1, 2, 3


@pytest.fixture
def engine():
    return ENGINE


def laid(*lines):
    """A block of field lines as a peer sent them, and where its names and values are."""
    block = b""
    places = []
    for name, gap, value, end in lines:
        places.append((len(block), len(name), len(block) + len(name) + len(gap), len(value)))
        block += name + gap + value + end
    return block + b"\0", places


def test_request_line_and_canonical_fields(engine):
    block, places = laid(
        (b"Host", b": ", b"a", b"\r\n"), (b"X-One", b": ", b"1", b"\r\n"), (b"X-Two", b": ", b"", b"\r\n")
    )
    written = probe.request(engine, block, places, method=b"PUT", target=[b"/a", b"b", b"", b"?q"])
    assert written == b"PUT /ab?q HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nX-Two: \r\n\r\n"


@pytest.mark.parametrize(
    "line",
    [
        (b"X", b":", b"1", b"\r\n"),
        (b"X", b":   ", b"1", b"\r\n"),
        (b"X", b":\t", b"1", b"\r\n"),
        (b"X", b": ", b"1", b" \t\r\n"),
        (b"X", b": ", b"1", b"\n"),
    ],
)
def test_lines_of_another_form_are_written_anew(engine, line):
    block, places = laid((b"A", b": ", b"1", b"\r\n"), line, (b"B", b": ", b"2", b"\r\n"))
    assert probe.request(engine, block, places) == b"GET / HTTP/1.1\r\nA: 1\r\nX: 1\r\nB: 2\r\n\r\n"


def test_gaps_between_lines_do_not_go_out(engine):
    block, places = laid(*[(b"N%d" % i, b": ", b"v", b"\r\n") for i in range(6)])
    left = [places[i] for i in (0, 1, 3, 5)]
    assert probe.request(engine, block, left) == b"GET / HTTP/1.1\r\nN0: v\r\nN1: v\r\nN3: v\r\nN5: v\r\n\r\n"
    left = [places[i] for i in (5, 0, 1)]
    assert probe.request(engine, block, left) == b"GET / HTTP/1.1\r\nN5: v\r\nN0: v\r\nN1: v\r\n\r\n"


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({}, b""),
        ({"framing": LENGTH, "length": 0}, b"Content-Length: 0\r\n"),
        ({"framing": LENGTH, "length": 2**64 - 1}, b"Content-Length: 18446744073709551615\r\n"),
        ({"framing": CHUNKED}, b"Transfer-Encoding: chunked\r\n"),
        ({"te_trailers": True}, b"TE: trailers\r\nConnection: TE\r\n"),
        ({"upgrade": True}, b"Connection: upgrade\r\n"),
        ({"upgrade": True, "te_trailers": True}, b"Connection: upgrade\r\n"),
    ],
)
def test_framing_of_requests(engine, options, lines):
    assert probe.request(engine, b"\0", [], **options) == b"GET / HTTP/1.1\r\n" + lines + b"\r\n"


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({"status": 200, "framing": LENGTH, "length": 12}, b"Content-Length: 12\r\n"),
        ({"status": 200, "framing": CHUNKED, "chunked": True}, b"Transfer-Encoding: chunked\r\n"),
        ({"status": 200, "framing": CHUNKED, "close": True}, b"Connection: close\r\n"),
        ({"status": 200, "framing": CLOSE, "chunked": True}, b"Transfer-Encoding: chunked\r\n"),
        ({"status": 204}, b""),
        (
            {"status": 200, "minor": 0, "framing": LENGTH, "length": 1},
            b"Content-Length: 1\r\nConnection: keep-alive\r\n",
        ),
        ({"status": 200, "minor": 0, "close": True}, b"Connection: close\r\n"),
        ({"status": 101, "upgrade": True}, b"Connection: upgrade\r\n"),
        ({"status": 103, "minor": 0, "close": True}, b""),
    ],
)
def test_framing_of_responses(engine, options, lines):
    status = b"%d" % options["status"]
    written = probe.response(engine, b"\0", [], reason=b"Why", **options)
    assert written == b"HTTP/1.1 " + status + b" Why\r\n" + lines + b"\r\n"


def test_a_head_that_cannot_fit_is_refused(engine):
    block, places = laid((b"X", b": ", b"v" * 300_000, b"\r\n"))
    assert probe.request(engine, block, places) is None
    assert probe.request(engine, b"\0", []) is not None


names = st.text("abcXYZ-", min_size=1, max_size=8).map(str.encode)
values = st.text("az09 ;,=", max_size=12).map(lambda text: text.strip().encode())
gaps = st.sampled_from([b": ", b":", b":  ", b": \t"])
ends = st.sampled_from([b"\r\n", b" \r\n", b"\n"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(names, gaps, values, ends), max_size=12), st.data())
def test_any_choice_of_lines_reads_as_chosen(lines, data):
    block, places = laid(*lines)
    chosen = data.draw(st.lists(st.sampled_from(range(len(lines))), max_size=15)) if lines else []
    written = probe.request(ENGINE, block, [places[i] for i in chosen])
    expected = b"".join(lines[i][0] + b": " + lines[i][2] + b"\r\n" for i in chosen)
    assert written == b"GET / HTTP/1.1\r\n" + expected + b"\r\n"


@given(st.integers(0, 2**64 - 1))
def test_chunk_lines(size):
    assert probe.chunk_line(size) == b"%x\r\n" % size


def test_trailers(engine):
    block, places = laid((b"X-Sum", b": ", b"1", b"\r\n"), (b"Y", b":", b"", b"\r\n"))
    written = probe.trailers(engine, block, places)
    assert written == b"0\r\nX-Sum: 1\r\nY: \r\n\r\n"
    assert parse_trailers(written[3:])[0] == len(written) - 3
    assert probe.trailers(engine, b"\0", []) == b"0\r\n\r\n"


def test_another_implementation_reads_it(engine):
    block, places = laid((b"Host", b": ", b"a", b"\r\n"), (b"A", b":", b"b c", b" \r\n"))
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(
        probe.request(engine, block, places, method=b"POST", framing=CHUNKED)
        + probe.chunk_line(3) + b"abc\r\n" + probe.trailers(engine, b"\0", [])
    )  # fmt: skip
    event = connection.next_event()
    assert (event.method, event.target) == (b"POST", b"/")
    assert list(event.headers) == [(b"host", b"a"), (b"a", b"b c"), (b"transfer-encoding", b"chunked")]
    assert bytes(connection.next_event().data) == b"abc"
    assert isinstance(connection.next_event(), h11.EndOfMessage)
