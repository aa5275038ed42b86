"""The access log of a running instance: formats, the flush interval, rotation under load."""

import json
import re
import signal

import pytest

from tests.support import wait_until, whole_lines
from tests.support.load import Load

SITE = """
workers: 2
admin: {bind: "127.0.0.1:@ADMIN@"}
log: {access: {path: access.log, format: @FORMAT@, flush: @FLUSH@}}
listeners:
  - bind: 127.0.0.1:@PORT@
    routes:
      - {match: {path: /web}, upstream: web}
      - {match: {path: /own}, respond: {status: 200, body: own}}
upstreams:
  web: {endpoints: ["@ORIGIN@"]}
"""
COMBINED = re.compile(r'127\.0\.0\.1 - - \[[^]]+\] "GET /\w+ HTTP/1\.1" (\d{3}) \d+ "-" "-"')


@pytest.fixture
def start(start_limen, start_origin):
    def start(**values):
        return start_limen(SITE, values={"ORIGIN": start_origin(), "FORMAT": "json", "FLUSH": "100ms", **values})

    return start


def records(site, name="access.log"):
    return whole_lines(site.directory / name)


def test_one_json_record_per_exchange(start):
    site = start()
    with site.connect() as client:
        for target in ("/web", "/own", "/absent", "/web"):
            client.request("GET", target)
    with site.connect() as client:
        client.send(b"BAD\r\n\r\n").read_response()
    wait_until(lambda: len(records(site)) >= 5, what="five records")
    found = [json.loads(line) for line in records(site)]
    assert sorted(record["status"] for record in found) == [200, 200, 200, 400, 404]
    assert len({record["request_id"] for record in found if record["status"] != 400}) == 4


def test_the_combined_format(start):
    site = start(FORMAT="combined")
    for target in ("/web", "/own", "/absent"):
        site.get(target)
    wait_until(lambda: len(records(site)) == 3, what="three records")
    assert sorted(COMBINED.fullmatch(line)[1] for line in records(site)) == ["200", "200", "404"]


def test_records_wait_for_the_flush_and_are_all_there_at_the_end(start):
    site = start(FLUSH="1m")
    for _ in range(10):
        site.get("/own")
    assert records(site) == []
    site.signal(signal.SIGTERM)
    assert site.wait_for_exit() == 0
    assert len(records(site)) == 10


def test_rotation_under_load_loses_nothing(start):
    site = start()
    names = ["access.log"]
    with Load(site.port(), target="/web") as load:
        for number in range(3):
            load.wait(80)
            rotated = f"access.{number}"
            (site.directory / "access.log").rename(site.directory / rotated)
            site.signal(signal.SIGUSR1)
            site.wait_for_log("logs reopened", count=number + 1)
            names.append(rotated)
        load.wait(80)
    assert load.failures == []
    wait_until(lambda: sum(len(records(site, name)) for name in names) >= len(load.answers), what="all records")
    lines = [line for name in names for line in records(site, name)]
    assert len(lines) == len(load.answers)
    assert all(json.loads(line)["status"] == 200 for line in lines)
    assert len({json.loads(line)["request_id"] for line in lines}) == len(lines)


def test_a_reload_that_changes_the_log_loses_nothing(start):
    site = start()
    with Load(site.port(), target="/own") as load:
        for number in range(4):
            load.wait(50)
            text = SITE.replace("path: access.log", f"path: other{number}.log")
            assert "reloaded" in site.reload(text)
        load.wait(50)
    names = ["access.log", *(f"other{number}.log" for number in range(4))]
    assert load.failures == []
    wait_until(lambda: sum(len(records(site, name)) for name in names) >= len(load.answers), what="all records")
    assert sum(len(records(site, name)) for name in names) == len(load.answers)
    # what was under way at the last reload may be told in the log before
    assert records(site, "other3.log")
