"""Laws of the HTTP/1.1 codec that hold for every input: totality, independence of the split, bounds, round trips."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from limen.engine.http1 import _probe
from tests.support.codec import decode_chunks, first_ready

codec = settings(max_examples=300)

FAULTS = set(_probe.FAULTS.values())
METHODS = sorted(_probe.METHODS.values())
TOKEN = "!#$%&'*+-.^`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# Fragments that parsers trip over, so that random inputs come past the first byte.
FRAGMENTS = st.sampled_from(
    [
        b"GET ", b"POST ", b"CONNECT ", b"OPTIONS ", b"/", b"*", b"http://a", b"a:1", b"?", b"%41", b"%00", b"#", b" ", b"\t", b" HTTP/1.1",
        b" HTTP/1.0", b" HTTP/2.0", b"HTTP/1.1 200", b"HTTP/1.1 204", b"HTTP/1.1 101 ", b"HTTP/1.0 304 x", b"\r\n", b"\r", b"\n", b"\r\n\r\n",
        b"Host: a\r\n", b"Host:", b"Content-Length: 5\r\n", b"content-length:0\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n",
        b"Connection: ", b"x, ", b"X: y\r\n", b"x_y: z\r\n", b":", b"Expect: 100-continue\r\n", b"TE: trailers\r\n", b"Upgrade: x\r\n", b"a" * 40,
        b"5\r\n", b"hello", b"0\r\n", b";", b"=", b'"', b"\\", b"\x00", b"\x7f", b"\xff", b"ffffffffffffffff",
    ]
)  # fmt: skip
NOISE = st.lists(st.one_of(FRAGMENTS, st.binary(max_size=6)), max_size=24).map(b"".join)
LIMITS = st.builds(
    _probe.Limits,
    line=st.integers(0, 80),
    fields=st.integers(0, 120),
    count=st.integers(0, 6),
    trailers=st.integers(0, 3),
    underscores=st.booleans(),
)

names = st.text(TOKEN, min_size=1, max_size=20).filter(
    lambda name: (
        name.lower() not in {"host", "content-length", "transfer-encoding", "connection", "expect", "te", "upgrade"}
    )
)
values = st.lists(st.sampled_from([bytes([c]) for c in [9, *range(0x20, 0x7F), *range(0x80, 0x100)]]), max_size=60).map(
    lambda parts: b"".join(parts).strip(b" \t")
)
fields = st.lists(st.tuples(names.map(str.encode), values), max_size=12)


def all_parsers(data, limits, method):
    yield _probe.parse_request(data, limits)
    yield _probe.parse_response(data, method, limits)
    yield _probe.parse_trailers(data, limits)


@codec
@given(NOISE, LIMITS, st.sampled_from(METHODS))
def test_any_input_gives_a_size_zero_or_a_known_fault(data, limits, method):
    for found in all_parsers(data, limits, method):
        if isinstance(found, int):
            assert found == 0 or -found in FAULTS
        else:
            size = found[0] if isinstance(found, tuple) else found["size"]
            assert 0 < size <= len(data)
            assert data[:size].endswith(b"\r\n")


@codec
@given(NOISE, LIMITS, st.sampled_from(METHODS), st.data())
def test_a_prefix_never_says_anything_else(data, limits, method, draw):
    cut = draw.draw(st.integers(0, len(data)))
    for part, whole in zip(all_parsers(data[:cut], limits, method), all_parsers(data, limits, method), strict=True):
        if isinstance(part, int):
            if part < 0:
                assert whole == part
        else:
            assert whole == part


@codec
@given(NOISE, st.integers(0, 40), st.integers(0, 60), st.sampled_from(METHODS), st.binary(min_size=1, max_size=40))
def test_nothing_behind_the_limits_counts(data, line, size, method, more):
    limits = _probe.Limits(line=line, fields=size)
    most = line + 2 + size + 2
    cut = data[:most]
    for bounded, longer in zip(
        all_parsers(cut + b"\x00" * (most - len(cut)) + more, limits, method),
        all_parsers(cut + b"\x00" * (most - len(cut)), limits, method),
        strict=True,
    ):
        # With so many bytes there is always a verdict, and it is the same whatever follows.
        assert bounded == longer
        assert bounded != 0


@codec
@given(NOISE)
def test_a_whole_head_is_ready_and_nothing_ready_is_waited_for(data):
    ready = first_ready(data)
    assert _probe.head_ready(data)[0] == (ready is not None)
    for found in all_parsers(data, _probe.Limits(), _probe.METHODS["GET"]):
        if not isinstance(found, int):
            assert ready is not None
            assert ready <= (found[0] if isinstance(found, tuple) else found["size"])


@codec
@given(NOISE, st.lists(st.integers(0, 200), max_size=6))
def test_chunks_do_not_depend_on_the_split(data, cuts):
    whole = decode_chunks([data])
    borders = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[begin:end] for begin, end in itertools.pairwise(borders)]
    assert decode_chunks(pieces) == whole
    assert whole[1] <= len(data)
    assert len(whole[0]) <= len(data)


@codec
@given(
    st.text(TOKEN + "_", min_size=1, max_size=32).filter(lambda method: method != "CONNECT"),
    st.lists(st.sampled_from("abz09-._~!$&'()*+,;=:@/|{}^`\"[]"), max_size=30).map("".join),
    st.none() | st.lists(st.sampled_from("abz09-._~!$&'()*+,;=:@/?%|{}^`\"[]"), max_size=30).map("".join),
    st.sampled_from([0, 1]),
    fields,
    st.sampled_from([None, 0, 1, 5, 2**63 - 1, "chunked"]),
    st.binary(max_size=20),
)
def test_requests_come_back_as_written(method, path, query, minor, extra, framing, content):
    if framing == "chunked":
        minor = 1
    target = b"/" + path.encode() + (b"" if query is None else b"?" + query.encode())
    lines = [(b"Host", b"a.example:80"), *extra]
    if framing == "chunked":
        lines.append((b"Transfer-Encoding", b"chunked"))
    elif framing is not None:
        lines.append((b"Content-Length", b"%d" % framing))
    data = (
        b"%s %s HTTP/1.%d\r\n" % (method.encode(), target, minor)
        + b"".join(b"%s: %s\r\n" % one for one in lines)
        + b"\r\n"
    )
    head = _probe.parse_request(data + content)
    assert head["size"] == len(data)
    assert (head["method"], head["target"], head["minor"]) == (method.encode(), target, minor)
    assert (head["path"], head["query"]) == (b"/" + path.encode(), None if query is None else query.encode())
    assert [(name, value) for name, value, *_ in head["fields"]] == lines
    assert all(canonical for *_, canonical, _ in head["fields"])
    assert head["framing"] == ("none" if framing is None else "chunked" if framing == "chunked" else "length")
    assert head["length"] == (framing if isinstance(framing, int) else 0)
    assert head["keep_alive"] is bool(minor)
    again = b"%s %s HTTP/1.%d\r\n" % (head["method"], head["target"], head["minor"])
    again += b"".join(b"%s: %s\r\n" % one[:2] for one in head["fields"]) + b"\r\n"
    assert again == data


@codec
@given(st.integers(100, 599), values, fields, st.sampled_from(METHODS))
def test_responses_come_back_as_written(status, reason, extra, method):
    data = b"HTTP/1.1 %d %s\r\n" % (status, reason) + b"".join(b"%s: %s\r\n" % one for one in extra) + b"\r\n"
    head = _probe.parse_response(data, method)
    assert (head["size"], head["status"], head["reason"]) == (len(data), status, reason)
    assert [(name, value) for name, value, *_ in head["fields"]] == extra
    empty = status < 200 or status in (204, 304) or method == _probe.METHODS["HEAD"]
    empty = empty or (method == _probe.METHODS["CONNECT"] and status < 300)
    assert head["framing"] == ("none" if empty else "close")


extensions = st.lists(
    st.tuples(
        st.text(TOKEN, min_size=1, max_size=8),
        st.none()
        | st.text(TOKEN, min_size=1, max_size=8)
        | st.text("ab \t!", max_size=8).map(lambda text: f'"{text}"'),
    ),
    max_size=3,
).map(lambda pairs: "".join(f";{name}" + ("" if value is None else f"={value}") for name, value in pairs).encode())


@codec
@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=40), extensions, st.integers(0, 3)), max_size=8),
    extensions,
    st.lists(st.integers(0, 400), max_size=5),
)
def test_chunks_come_back_as_written(parts, last, cuts):
    data = b"".join(b"0" * zeros + b"%x" % len(part) + ext + b"\r\n" + part + b"\r\n" for part, ext, zeros in parts)
    data += b"0" + last + b"\r\n"
    borders = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[begin:end] for begin, end in itertools.pairwise(borders)]
    assert decode_chunks(pieces) == (b"".join(part for part, *_ in parts), len(data), "last")


@codec
@given(st.integers(2**63, 2**70))
def test_sizes_beyond_63_bits_are_refused(size):
    assert decode_chunks([b"%x\r\n" % size])[2] == -_probe.FAULTS["CHUNK"]
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size
    assert _probe.parse_request(head) == -_probe.FAULTS["LENGTH"]
