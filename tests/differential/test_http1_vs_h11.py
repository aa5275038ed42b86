"""The HTTP/1.1 codec against h11: the same verdict and the same reading, or a documented stricter verdict.

Never may h11 refuse what we accept, or see another message in it: that is the gap smuggling lives in.
"""

import re

import h11
import pytest

from limen.engine.http1 import _probe
from tests.support.codec import decode_chunks, named
from tests.support.codec_inputs import CHUNKED, REQUESTS, RESPONSES, mutated

# Where we refuse and h11 accepts: fault -> (what must be in the input for that to be the reason, why we refuse).
STRICTER = {
    "LINE_ENDING": (
        rb"[^\r]\n|^\n|\r[^\n]",
        "a bare LF (or CR LF LF) is no line end here (RFC 9112, 2.2 lets us choose)",
    ),
    "OBS_FOLD": (rb"\n[ \t]", "obs-fold is refused, not joined (RFC 9112, 5.2)"),
    "UNDERSCORE": (rb"\n[^:\n]*_", "'_' and '-' are the same to CGI and its heirs"),
    "FIELD_VALUE": (
        rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]|(?i:connection:)",
        "control characters; Connection that is no list of tokens, or names framing or Host",
    ),
    "HOST": (rb"(?i:host)", "Host must be uri-host [: port]; h11 does not look into it"),
    "TARGET": (rb"", "the target must have one of the four forms, with sound percent-encoding and without # \\ < >"),
    "VERSION": (rb"HTTP/[02-9]\.[0-9]", "another major version is not spoken here"),
    "START_LINE": (rb"^HTTP[^\n]*[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]", "control characters in a reason phrase"),
    "EXPECTATION": (rb"(?i:expect)", "an unknown expectation is answered with 417"),
    "LENGTH": (
        rb"(?i:content-length)",
        "repeated or listed Content-Length, even if equal; on 1xx and 204, over 0 on CONNECT",
    ),
    "CODING": (rb"(?i:transfer-encoding)", "Transfer-Encoding in HTTP/1.0; in 1xx, 204; on CONNECT"),
    "LENGTH_AND_CODING": (
        rb"(?is:content-length.*transfer-encoding|transfer-encoding.*content-length)",
        "both together",
    ),
}


def read_request(data):
    """(verdict, event, content) of h11."""
    return read(h11.Connection(h11.SERVER), data)


def read_response(data, method="GET"):
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    return read(connection, data)


def read(connection, data):
    connection.receive_data(data)
    head, content, ended = None, b"", False
    try:
        while not ended:
            event = connection.next_event()
            if event in (h11.NEED_DATA, h11.PAUSED):
                break
            if isinstance(event, h11.Data):
                content += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                ended = True
            else:
                head = event
                if isinstance(event, h11.InformationalResponse):
                    break
    except h11.RemoteProtocolError:
        if head is None:
            return "refused", None, content, False
    return "ok" if head else "more", head, content, ended


def agree(ours, theirs, data):
    """Compare two verdicts; whether both are heads."""
    name = named(ours)
    if name == theirs:
        return name == "ok"
    assert name != "ok", f"h11: {theirs}"
    if theirs == "refused":
        # h11 judges whole heads, we as early as we can: no input is left over that only h11 will ever refuse.
        assert name != "more" or b"\r\n\r\n" not in data
        return False
    assert name != "more", f"h11: {theirs}"
    if theirs == "ok":
        assert name in STRICTER, name
        assert re.search(STRICTER[name][0], data), name
    return False


def listed(head):
    return [(name.lower(), value) for name, value, *_ in head["fields"]]


def our_content(head, rest):
    """(content, ended) by our framing."""
    if head["framing"] == "length":
        return rest[: head["length"]], len(rest) >= head["length"]
    if head["framing"] == "chunked":
        content, taken, event = decode_chunks([rest])
        if event != "last":
            return content, False
        return content, not isinstance(_probe.parse_trailers(rest[taken:]), int)
    return (rest, False) if head["framing"] == "close" else (b"", True)


def test_requests():
    both = 0
    for data in mutated(REQUESTS, 6000, 11):
        ours = _probe.parse_request(data)
        verdict, event, content, ended = read_request(data)
        if not agree(ours, verdict, data):
            continue
        both += 1
        assert (ours["method"], ours["target"], listed(ours)) == (event.method, event.target, list(event.headers))
        assert event.http_version == b"1.1" if ours["minor"] else event.http_version == b"1.0"
        mine, whole = our_content(ours, data[ours["size"] :])
        if whole:
            assert (mine, whole) == (content, ended)
    assert both > 1000


def test_responses():
    both = 0
    for data in mutated(RESPONSES, 6000, 12):
        ours = _probe.parse_response(data)
        verdict, event, content, ended = read_response(data)
        if not agree(ours, verdict, data):
            continue
        both += 1
        assert (ours["status"], ours["reason"], listed(ours)) == (event.status_code, event.reason, list(event.headers))
        mine, whole = our_content(ours, data[ours["size"] :])
        if whole and ours["status"] >= 200:
            assert (mine, whole) == (content, ended)
    assert both > 500


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("status", [200, 204, 304, 404])
@pytest.mark.parametrize("field", [b"", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_framing_of_responses(method, status, field):
    data = b"HTTP/1.1 %d x\r\n" % status + field + b"\r\n"
    ours = _probe.parse_response(data, _probe.METHODS[method])
    if isinstance(ours, int):
        assert status == 204 and field
        return
    _, _, _, ended = read_response(data, method)
    assert (ours["framing"] == "none") == ended


def test_contents_in_chunks():
    head = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole = 0
    for data in mutated(CHUNKED, 4000, 13):
        content, taken, event = decode_chunks([data])
        if event != "last" or isinstance(_probe.parse_trailers(data[taken:]), int):
            continue  # incomplete or refused, which we may: h11 passes over what is in extensions
        whole += 1
        assert read_request(head + data)[2:] == (content, True), data
    assert whole > 300
