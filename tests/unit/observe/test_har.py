"""Documents made of lines: filters, bounds, lines that are none, content that was compressed."""

import base64
import gzip
import json
import os
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.observe import har
from limen.observe.har import Export, Wanted, WrongCondition, wanted_of
from tests.support.har import check_document

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def entry(host: str = "a.example", status: int = 200, seconds: float = 0, **content: Any) -> dict[str, Any]:
    message = {"httpVersion": "HTTP/1.1", "cookies": [], "headers": [], "headersSize": 1, "bodySize": 0}
    return {
        "startedDateTime": (NOW + timedelta(seconds=seconds)).isoformat(),
        "time": 0,
        "request": {"method": "GET", "url": f"http://{host}/", "queryString": [], **message},
        "response": {
            "status": status,
            "statusText": "",
            "redirectURL": "",
            "content": {"size": 0, "mimeType": "text/plain", **content},
            **message,
        },
        "cache": {},
        "timings": {"send": 0, "wait": 0, "receive": 0},
    }


def write(path, entries) -> None:
    path.write_text("".join(json.dumps(one) + "\n" for one in entries))


def exported(export: Export) -> list[dict[str, Any]]:
    return check_document(b"".join(export.pieces()))


HOSTS = st.sampled_from(["a.example", "b.example", "a.test", "[2001:db8::1]:80", "A.example:8080"])
ENTRIES = st.lists(st.tuples(HOSTS, st.sampled_from([0, 200, 204, 404, 502]), st.integers(-5, 5)), max_size=20)
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "host": st.sampled_from(["a.example", "*.example", "A.*", "[2001:db8::1]", "2001:*"]),
        "status": st.sampled_from(["0", "200", "2xx", "4XX", "502"]),
        "since": st.integers(-6, 6),
        "until": st.integers(-6, 6),
    },
)


def meant(host: str, status: int, seconds: int, filters: dict[str, Any]) -> bool:
    name = {"[2001:db8::1]:80": "2001:db8::1", "A.example:8080": "a.example"}.get(host, host)
    hosts = {
        "a.example": name == "a.example",
        "*.example": name.endswith(".example"),
        "A.*": name.startswith("a."),
        "[2001:db8::1]": name == "2001:db8::1",
        "2001:*": name.startswith("2001:"),
    }
    statuses = {"2xx": 200 <= status < 300, "4XX": 400 <= status < 500}
    return (
        hosts.get(filters.get("host", ""), True)
        and ("status" not in filters or statuses.get(filters["status"], str(status) == filters["status"]))
        and seconds >= filters.get("since", -99)
        and seconds < filters.get("until", 99)
    )


@given(ENTRIES, FILTERS, st.integers(1, 4), st.none() | st.integers(1, 8))
def test_a_document_has_what_fits_in_its_order(tmp_path_factory, entries, filters, parts, most):
    directory = tmp_path_factory.mktemp("har")
    paths = [directory / str(number) for number in range(parts)]
    for number, path in enumerate(paths):
        write(path, [entry(*one) for one in entries[number::parts]])
    text = {
        key: (NOW + timedelta(seconds=value)).isoformat() if isinstance(value, int) else value
        for key, value in filters.items()
    }
    export = Export([*paths, directory / "missing"], wanted_of(text, NOW), most=most)
    wanted = [entry(*one) for number in range(parts) for one in entries[number::parts] if meant(*one, filters)]
    assert exported(export) == wanted[:most]
    assert export.cut == (most is not None and len(wanted) > most)
    assert (export.unreadable, export.entries) == (0, len(wanted[:most]))


def test_lines_that_are_no_entries_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(har, "LINE_MOST", 4096)
    whole = json.dumps(entry())
    lines = [whole, "", whole[:100], "[]", "7", '{"request":1}', '"' + "x" * 10_000, whole, '{"a":' * 700, whole[:50]]
    (tmp_path / "flows").write_text("\n".join(lines))
    export = Export([tmp_path / "flows"], Wanted(status="200"))
    assert len(exported(export)) == 2
    assert export.unreadable == 7


def test_size_is_bounded_too(tmp_path):
    write(tmp_path / "flows", [entry(text="x" * 1000) for _ in range(10)])
    export = Export([tmp_path / "flows"], size_most=2500)
    assert len(exported(export)) == 2
    assert export.cut


def test_one_file_under_two_names_is_read_once(tmp_path):
    write(tmp_path / "flows", [entry()])
    (tmp_path / "flows.1").hardlink_to(tmp_path / "flows")
    assert len(exported(Export([tmp_path / "flows.1", tmp_path / "flows"]))) == 1


def bare_deflate(data: bytes) -> bytes:
    machine = zlib.compressobj(wbits=-15)
    return machine.compress(data) + machine.flush()


@pytest.mark.parametrize(
    ("coding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", bare_deflate)]
)
@pytest.mark.parametrize("content", [b"<p>text</p>" * 100, os.urandom(3000)], ids=["text", "binary"])
def test_compressed_content_is_decompressed(tmp_path, coding, compress, content):
    sent = compress(content)
    text = base64.b64encode(sent).decode()
    write(tmp_path / "flows", [entry(text=text, encoding="base64", _coding=coding, size=len(sent))])
    (found,) = exported(Export([tmp_path / "flows"]))
    told = found["response"]["content"]
    assert (told["size"], told["compression"]) == (len(content), len(content) - len(sent))
    assert (base64.b64decode(told["text"]) if "encoding" in told else told["text"].encode()) == content


@pytest.mark.parametrize(
    "told",
    [
        {"_coding": "gzip", "text": base64.b64encode(gzip.compress(b"x" * 99)[:-9]).decode()},
        {"_coding": "gzip", "text": base64.b64encode(b"no gzip").decode()},
        {"_coding": "gzip", "_truncated": 3, "text": base64.b64encode(gzip.compress(b"x")).decode()},
        {"_coding": "br", "text": "Gw=="},
    ],
    ids=["cut", "wrong", "truncated", "unknown"],
)
def test_what_cannot_be_decompressed_stays_as_it_came(tmp_path, told):
    written = entry(**told, encoding="base64", size=9)
    write(tmp_path / "flows", [written])
    assert exported(Export([tmp_path / "flows"])) == [written]


def test_a_small_content_that_becomes_huge_stays_as_it_came(tmp_path, monkeypatch):
    monkeypatch.setattr(har, "_CONTENT_MOST", 1000)
    sent = gzip.compress(b"x" * 1001)
    written = entry(_coding="gzip", text=base64.b64encode(sent).decode(), encoding="base64", size=len(sent))
    write(tmp_path / "flows", [written])
    assert exported(Export([tmp_path / "flows"])) == [written]


@pytest.mark.parametrize(
    "filters",
    [
        {"status": "20"},
        {"status": "xx"},
        {"status": "20x"},
        {"since": "soon"},
        {"until": "9999999d"},
        {"colour": "red"},
    ],
)
def test_filters_that_mean_nothing(filters):
    with pytest.raises(WrongCondition):
        wanted_of(filters, NOW)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("15m", NOW - timedelta(minutes=15)),
        ("2026-02-28", datetime(2026, 2, 28, tzinfo=UTC)),
        ("2026-02-28T01:02:03Z", datetime(2026, 2, 28, 1, 2, 3, tzinfo=UTC)),
        ("2026-02-28T03:02:03+02:00", datetime(2026, 2, 28, 1, 2, 3, tzinfo=UTC)),
    ],
)
def test_times(text, time):
    assert wanted_of({"since": text}, NOW).since == time
