"""The end of an audit log: whole lines, the newest first, however large the file is."""

import json
import os

from limen.observe.audit_tail import TAIL, recent


def lines(*numbers):
    return b"".join(json.dumps({"n": number}).encode() + b"\n" for number in numbers)


def numbers(path, limit=100):
    return [record["n"] for record in recent(str(path), limit)]


def test_the_newest_come_first(tmp_path):
    path = tmp_path / "audit.jsonl"
    assert recent(str(path), 5) == []
    path.write_bytes(b"")
    assert recent(str(path), 5) == []
    path.write_bytes(lines(1, 2, 3))
    assert numbers(path) == [3, 2, 1]
    assert numbers(path, 2) == [3, 2]


def test_what_is_no_whole_record_is_left_out(tmp_path):
    path = tmp_path / "audit.jsonl"
    path.write_bytes(lines(1) + b"broken}\n[1]\n\n" + lines(2) + b'{"n": 3')
    assert numbers(path) == [2, 1]


def test_only_the_end_of_a_large_file_is_looked_at(tmp_path):
    path = tmp_path / "audit.jsonl"
    count = TAIL // 10
    path.write_bytes(lines(*range(count)))
    found = numbers(path, count)
    assert found == list(range(count - 1, count - 1 - len(found), -1))
    assert 0 < len(found) < count


def test_a_pipe_is_not_waited_for(tmp_path):
    path = tmp_path / "audit.pipe"
    os.mkfifo(path)
    assert recent(str(path), 5) == []
