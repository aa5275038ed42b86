"""The access log's settings give a journal that knows all labels."""

from __future__ import annotations

import json
from pathlib import Path

from limen.engine import _observe_probe as probe
from limen.faults import FAULTS
from limen.observe.access_log import AccessLog
from limen.terms import RetryBlocked


def test_every_label_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "access.jsonl"
    journal = AccessLog(str(path)).open()
    for number in FAULTS:
        probe.record(journal, {"fault": number})
    for reason in RetryBlocked:
        probe.record(journal, {"retry_blocked": reason.value})
    journal.close()
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [record["fault"] for record in records[: len(FAULTS)]] == [fault.label for fault in FAULTS.values()]
    assert [record.get("retry_blocked", "") for record in records[len(FAULTS) :]] == [r.label for r in RetryBlocked]


def test_settings_reach_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    journal = AccessLog(str(path), format="common", query=True).open()
    probe.record(journal, {"method": b"GET", "target": b"/?a=1"})
    journal.close()
    assert b'"GET /?a=1 HTTP/1.1"' in path.read_bytes()
