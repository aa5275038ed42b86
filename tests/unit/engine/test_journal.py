"""The access log: formats, escaping, bounds, and what happens when writing fails."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import threading
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.engine import _observe_probe as probe
from limen.engine.journal import Journal

STARTED = 1_767_323_045_678_999_999  # 2026-01-02T03:04:05.678999999Z
TEXTS = probe.TEXTS
COMBINED = re.compile(
    rb'\A[0-9a-f.:-]+ - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "([^"]*)" (?:\d{3}|-) \d+ "([^"]*)" "([^"]*)"\n\Z'
)


def client(text: str) -> tuple[bytes, int]:
    address = ip_address(text)
    if isinstance(address, IPv4Address):
        return bytes(10) + b"\xff\xff" + address.packed, 4
    return address.packed, 6


def lines(tmp_path: Path, *records: dict[str, Any], **settings: Any) -> list[bytes]:
    path = tmp_path / "access.log"
    path.unlink(missing_ok=True)
    journal = Journal(path, **settings)
    for record in records:
        probe.record(journal, record)
    assert path.read_bytes() == b""
    journal.close()
    assert journal.lost == 0
    return path.read_bytes().splitlines(keepends=True) if len(records) == 1 else path.read_bytes().split(b"\n")


def one(tmp_path: Path, record: dict[str, Any], **settings: Any) -> dict[str, Any]:
    path = tmp_path / "one.log"
    path.unlink(missing_ok=True)
    journal = Journal(path, **settings)
    probe.record(journal, record)
    journal.close()
    line = path.read_bytes()
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    loaded = json.loads(line)
    assert isinstance(loaded, dict)
    return loaded


FULL: dict[str, Any] = {
    "started": STARTED, "total": 1_234_567, "dial": 2_000_001_000, "response_head": 999, "client": client("192.0.2.7"),
    "port": 65535, "direction": b"reverse", "method": b"GET", "target": b"/a/b?key=secret", "host": b"example.com",
    "route": b"api", "upstream": b"web", "endpoint": b"10.0.0.1:80", "user_agent": b'curl "8"\\', "referer":
    b"https://u:p@example.org/from?token=1", "request_id": b"77", "status": 502, "fault": 42, "retry_blocked": 4,
    "received": 2**64 - 1, "sent": 0, "attempts": 2, "minor": 1, "tunnel": 1, "resumed": 1,
    "tls_version": b"TLSv1.3", "tls_cipher": b"TLS_AES_128_GCM_SHA256", "sni": b"a.example", "ja4": b"t13d_a_b",
    "certificate_subject": b'CN="a\\,b"', "certificate_fingerprint": b"00ff",
}  # fmt: skip
LABELS = [b""] * 42 + [b"dial_refused"]
REASONS = [b"", b"attempts", b"method", b"body", b"budget"]


def test_json_record_in_full(tmp_path: Path) -> None:
    assert one(tmp_path, FULL, faults=LABELS, reasons=REASONS) == {
        "time": "2026-01-02T03:04:05.678Z", "direction": "reverse", "client": "192.0.2.7", "port": 65535,
        "method": "GET", "target": "/a/b", "host": "example.com", "version": "1.1", "status": 502,
        "received": 2**64 - 1, "sent": 0, "duration": 0.001234, "dial": 2.000001, "response_head": 0.0,
        "route": "api", "upstream": "web", "endpoint": "10.0.0.1:80", "attempts": 2, "fault": "dial_refused",
        "retry_blocked": "budget", "user_agent": 'curl "8"\\', "referer": "https://example.org/from",
        "request_id": "77", "tls_version": "TLSv1.3", "tls_cipher": "TLS_AES_128_GCM_SHA256", "sni": "a.example",
        "resumed": True, "ja4": "t13d_a_b", "certificate_subject": 'CN="a\\,b"', "certificate_fingerprint": "00ff",
        "tunnel": True,
    }  # fmt: skip


def test_json_record_with_nothing_in_it(tmp_path: Path) -> None:
    assert one(tmp_path, {}) == {
        "time": "1970-01-01T00:00:00.000Z", "client": "-", "port": 0, "version": "1.1", "status": 0,
        "received": 0, "sent": 0, "duration": 0.0,
    }  # fmt: skip


def test_combined_and_common(tmp_path: Path) -> None:
    head = b'192.0.2.7 - - [02/Jan/2026:03:04:05 +0000] "GET /a/b HTTP/1.1" 502 0'
    record = {**FULL, "user_agent": b"curl/8"}
    assert lines(tmp_path, record, format="combined") == [head + b' "https://example.org/from" "curl/8"\n']
    assert lines(tmp_path, record, format="common") == [head + b"\n"]
    assert lines(tmp_path, {}, format="combined") == [b'- - - [01/Jan/1970:00:00:00 +0000] "-" - 0 "-" "-"\n']


def test_gone_clients_are_logged_as_499(tmp_path: Path) -> None:
    assert one(tmp_path, {"fault": 23})["status"] == 499
    assert one(tmp_path, {"fault": 23, "status": 200})["status"] == 200


@pytest.mark.parametrize(("minor", "version"), [(0, "1.0"), (1, "1.1"), (20, "2"), (30, "3")])
def test_version(tmp_path: Path, minor: int, version: str) -> None:
    assert one(tmp_path, {"minor": minor})["version"] == version


@pytest.mark.parametrize("text", ["0.0.0.0", "255.255.255.255", "::", "::1", "2001:db8::1:0:0:1", "fe80::1", "1::"])
def test_client_address(tmp_path: Path, text: str) -> None:
    assert one(tmp_path, {"client": client(text), "port": 1})["client"] == text


@given(address=st.integers(0, 2**128 - 1).map(IPv6Address).filter(lambda address: address.ipv4_mapped is None))
def test_any_ipv6_client(address: IPv6Address, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert one(tmp_path_factory.mktemp("log"), {"client": (address.packed, 6)})["client"] == str(address)


@pytest.mark.parametrize(
    ("url", "written", "asked"),
    [
        (b"/a?b=c", "/a", "/a?b=c"),
        (b"/a?", "/a", "/a?"),
        (b"?", "", "?"),
        (b"/a#token=1", "/a", "/a#token=1"),
        (b"http://user:password@h:80/a?x", "http://h:80/a", "http://h:80/a?x"),
        (b"http://a@b@h/", "http://h/", "http://h/"),
        (b"user:password@h:443", "h:443", "h:443"),
        (b"user@h", "h", "h"),
        (b"/mail/me@example.com", "/mail/me@example.com", "/mail/me@example.com"),
        (b"http://h/mail/me@example.com", "http://h/mail/me@example.com", "http://h/mail/me@example.com"),
        (b"http://h/?a=u@b", "http://h/", "http://h/?a=u@b"),
        (b"@", "", ""),
        (b"*", "*", "*"),
    ],
)
def test_urls_lose_query_and_userinfo(tmp_path: Path, url: bytes, written: str, asked: str) -> None:
    for field in ("target", "referer"):
        assert one(tmp_path, {field: url}).get(field, "") == written
        assert one(tmp_path, {field: url}, query=True).get(field, "") == asked


def as_logged(raw: bytes) -> str:
    """The documented reading: valid UTF-8 as such, every other byte as Latin-1."""
    return raw.decode("utf-8", "surrogateescape").translate({0xDC00 + byte: byte for byte in range(256)})


@given(raw=st.binary(max_size=60) | st.text(max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_one_line_of_json(raw: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("log") / "access.log"
    journal = Journal(path, query=True)
    probe.record(journal, dict.fromkeys(TEXTS, raw))
    journal.close()
    line = path.read_bytes()
    assert line.count(b"\n") == 1
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", line)
    assert line.decode("utf-8").rstrip("\n").splitlines() == [line.decode("utf-8").rstrip("\n")]
    loaded = json.loads(line)
    for name in TEXTS:
        if name not in ("target", "referer"):
            assert loaded.get(name, "") == as_logged(raw)
    if b"@" not in raw:
        assert loaded.get("target", "") == as_logged(raw)


@given(raw=st.binary(max_size=40))
def test_no_bytes_break_out_of_a_combined_record(raw: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("log") / "access.log"
    journal = Journal(path, format="combined", query=True)
    probe.record(journal, {"method": b"GET", "target": raw.replace(b"@", b""), "user_agent": raw, "status": 200})
    journal.close()
    line = path.read_bytes()
    assert line[:-1].isascii() and b"\\" not in re.sub(rb"\\x[0-9a-f]{2}", b"", line)
    parsed = COMBINED.match(line)
    assert parsed
    unescaped = re.sub(rb"\\x([0-9a-f]{2})", lambda hexed: bytes.fromhex(hexed[1].decode()), parsed[3])
    assert unescaped == (raw or b"-")


@pytest.mark.parametrize("point", [0x7F, 0x80, 0x85, 0x9B, 0x9F, 0x2028, 0x2029, 0x202E, 0x2066])
def test_invisible_characters_are_escaped(tmp_path: Path, point: int) -> None:
    (line,) = lines(tmp_path, {"user_agent": b"before " + chr(point).encode() + b" behind"})
    assert f'"before \\u{point:04x} behind"'.encode() in line


@pytest.mark.parametrize(
    "raw", [b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe0\x80\x80", b"\xff", b"\xe2\x82"]
)
def test_what_is_not_utf8_is_written_byte_by_byte(tmp_path: Path, raw: bytes) -> None:
    assert one(tmp_path, {"host": raw})["host"] == raw.decode("latin-1")


@pytest.mark.parametrize("offset", range(18))
@pytest.mark.parametrize("length", [1, 3, 4, 7, 8, 9, 15, 16, 17, 18])
def test_an_escape_at_every_place(tmp_path: Path, length: int, offset: int) -> None:
    text = bytearray(b"abcdefghijklmnopqr"[:length])
    text[min(offset, length - 1)] = 0x22
    assert one(tmp_path, {"host": bytes(text)})["host"] == text.decode()


def test_time_goes_on_and_back(tmp_path: Path) -> None:
    seconds = [0, 951_782_399, 951_782_400, 951_868_800, 4_102_444_799, 1_767_323_045, 1_767_323_044]
    moments = [second * 10**9 + 7_000_000 for second in seconds]
    written = lines(tmp_path, *({"started": moment} for moment in moments))
    times = [json.loads(line)["time"] for line in written if line]
    assert times == [
        "1970-01-01T00:00:00.007Z", "2000-02-28T23:59:59.007Z", "2000-02-29T00:00:00.007Z",
        "2000-03-01T00:00:00.007Z", "2099-12-31T23:59:59.007Z", "2026-01-02T03:04:05.007Z", "2026-01-02T03:04:04.007Z",
    ]  # fmt: skip


@pytest.mark.parametrize("byte", [b"a", b'"', b"\x00", b"\xff", "é".encode()])
def test_an_oversized_record_is_cut(tmp_path: Path, byte: bytes) -> None:
    record = {**FULL, "target": b"/" + byte * (100_000 // len(byte)), "user_agent": byte * 1000, "referer": byte * 1000}
    (line,) = lines(tmp_path, record, query=True)
    assert len(line) <= 65536
    loaded = json.loads(line)
    assert loaded["cut"] is True
    assert len(loaded["target"]) > 4000
    assert set(loaded["target"][1:]) == {byte.decode("utf-8") if byte != b"\xff" else "ÿ"}
    assert loaded["request_id"] == "77" and len(loaded["user_agent"]) == 1000
    (line,) = lines(tmp_path, record, query=True, format="combined")
    assert len(line) <= 65536


def test_a_long_record_that_fits_is_not_cut(tmp_path: Path) -> None:
    target = b"/" + b"x" * 30_000
    record = {"target": target, "user_agent": b"y" * 20_000}
    loaded = one(tmp_path, record)
    assert loaded["target"].encode() == target and len(loaded["user_agent"]) == 20_000
    assert "cut" not in loaded


def test_the_buffer_is_written_at_record_borders(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    journal = Journal(path)
    count = 0
    while not path.stat().st_size:
        probe.record(journal, {**FULL, "request_id": str(count).encode()})
        count += 1
    content = path.read_bytes()
    assert content.endswith(b"}\n") and 32768 < len(content) <= 65536
    assert journal.pending > 0
    journal.flush()
    assert journal.pending == 0
    written = path.read_bytes().splitlines()
    assert [json.loads(line)["request_id"] for line in written] == [str(number) for number in range(count)]


def test_several_writers_of_one_file(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    journals = [Journal(path) for _ in range(4)]

    def write(journal: Journal, name: bytes) -> None:
        for number in range(2000):
            probe.record(journal, {"route": name, "attempts": number % 1000, "user_agent": name * 300})
        journal.close()

    threads = [threading.Thread(target=write, args=(journal, b"abcd"[i : i + 1])) for i, journal in enumerate(journals)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert len(found) == 8000
    for name in "abcd":
        assert [record.get("attempts", 0) for record in found if record["route"] == name] == [*range(1000)] * 2


def test_reopen_follows_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    journal = Journal(path)
    probe.record(journal, {"request_id": b"1"})
    os.rename(path, tmp_path / "old")
    journal.reopen()
    probe.record(journal, {"request_id": b"2"})
    journal.flush()
    assert json.loads((tmp_path / "old").read_bytes())["request_id"] == "1"
    assert json.loads(path.read_bytes())["request_id"] == "2"
    assert path.stat().st_mode & 0o777 & ~0o640 == 0


def test_a_failed_reopen_keeps_the_old_file(tmp_path: Path) -> None:
    directory = tmp_path / "logs"
    directory.mkdir()
    path = directory / "access.log"
    journal = Journal(path)
    os.rename(directory, tmp_path / "moved")
    with pytest.raises(OSError):
        journal.reopen()
    probe.record(journal, {"request_id": b"2"})
    journal.close()
    assert json.loads((tmp_path / "moved" / "access.log").read_bytes())["request_id"] == "2"


def test_closed_journals_count_what_they_lose(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "access.log")
    journal.close()
    journal.close()
    assert journal.fileno() == -1
    probe.record(journal, {})
    journal.flush()
    assert journal.lost == 1


def in_child(action: Callable[[], None]) -> None:
    """Run what changes limits of the process in a child, and see that it succeeds."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(process, 0)[1] == 0


def test_a_full_disk_loses_whole_records_and_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "access.log"

    def action() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        journal = Journal(path)
        for number in range(20):
            probe.record(journal, {"request_id": str(number).encode()})
        journal.flush()  # a short write, then an error: the ninth record or so is cut off
        whole = path.read_bytes().count(b"\n")
        assert path.stat().st_size == 1000 and journal.lost == 20 - whole > 5
        journal.flush()
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        probe.record(journal, {"request_id": b"later"})
        journal.close()
        assert journal.lost == 20 - whole
        last = path.read_bytes().splitlines()[-1]
        assert json.loads(last)["request_id"] == "later"

    in_child(action)


def test_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(OSError):
        Journal(path)  # nobody reads: opening would wait
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    journal = Journal(path)
    for number in range(3000):
        probe.record(journal, {"request_id": str(number).encode(), "user_agent": b"u" * 100})
    assert journal.lost > 0
    content = b""
    while journal.pending:
        journal.flush()
        content += os.read(reader, 1 << 20)
    numbers = [int(json.loads(line)["request_id"]) for line in content.splitlines()]
    assert numbers == [*range(3000 - journal.lost)]
    probe.record(journal, {"target": b"/" * 9000, "request_id": b"r"})
    journal.flush()
    line = os.read(reader, 1 << 20)
    assert len(line) <= 4096 and json.loads(line)["cut"]
    os.close(reader)
    lost = journal.lost
    probe.record(journal, {})
    journal.flush()
    assert journal.lost == lost + 1
    journal.close()


def test_standard_output(tmp_path: Path) -> None:
    def action() -> None:
        file = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
        os.dup2(file, 1)
        journal = Journal("-")
        probe.record(journal, {})
        journal.reopen()
        journal.close()
        os.fstat(1)

    in_child(action)
    assert json.loads((tmp_path / "out").read_bytes())["status"] == 0


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none of json, common, combined"):
        Journal(tmp_path / "x", format="xml")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="label"):
        Journal(tmp_path / "x", faults=[b'a"b'])
    with pytest.raises(OSError):
        Journal(tmp_path / "missing" / "x")


def test_repr_says_how_it_stands(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "access.log")
    probe.record(journal, {})
    assert repr(journal) == f"<Journal '{tmp_path}/access.log': 1 records waiting, 0 lost>"
