"""Probes of real origins that die, hang, refuse and come back, with two workers that must all hear of it."""

import json
import os
import signal

import pytest

from tests.support import NginxOrigin, Reply, ScriptedOrigin, available, free_port, wait_until
from tests.support.certificates import Authority
from tests.support.health import endpoints, upstream, wait_for_states

FAST = {"path": "/healthz", "interval": "100ms", "timeout": "2s", "rise": 2, "fall": 2}
WORKERS = {"workers": 2}


class Patient:
    """An origin whose health can be told; exchanges are answered in any case."""

    def __init__(self, status=200):
        self.status = status
        self.fields = []

    def __call__(self, request, _):
        if request.target.startswith("/healthz"):
            return Reply(self.status, fields=self.fields)
        return Reply()


def exchanges(origin):
    return [request for request in origin.requests if not request.target.startswith("/healthz")]


def probes(origin):
    return [request for request in origin.requests if request.target.startswith("/healthz")]


def get_many(gateway, count=20):
    """Each on a connection of its own, so that every worker has some."""
    statuses = {gateway.get("/").status for _ in range(count)}
    assert statuses == {200}


def test_who_does_not_answer_gets_nothing_and_comes_back(start_gateway, start_origin):
    sick, well = Patient(503), Patient()
    origins = [start_origin(sick), start_origin(well)]
    gateway = start_gateway(*origins, upstream={"probe": FAST, "slow_start": "1m"}, root=WORKERS)
    rows = wait_for_states(gateway, "down", "up")
    assert rows[0]["reason"] == "probe: status 503 is not 200-399"
    assert (rows[0]["probe"], rows[1]["probe"]) == ("failed", "passed")
    assert rows[1]["probe_reason"] == "status 200"
    before = len(exchanges(origins[0]))
    get_many(gateway)
    assert len(exchanges(origins[0])) == before
    sick.status = 204
    rows = wait_for_states(gateway, "warming", "up")
    assert rows[0]["reason"].startswith("slow start, at ")
    wait_until(
        lambda: gateway.get("/").status == 200 and len(exchanges(origins[0])) > before, what="its first exchange"
    )
    gateway.wait_for_log(r"endpoint web/127\.0\.0\.1:\d+ is down: status 503")
    gateway.wait_for_log(r"endpoint web/127\.0\.0\.1:\d+ is up: status 204")
    assert gateway.total("limen_probes_failed_total", endpoint=origins[0].address) >= 1
    assert gateway.total("limen_probes_total", endpoint=origins[1].address) >= 2
    assert gateway.total("limen_endpoint_state", endpoint=origins[1].address, state="up") == 1


def test_so_many_probes_bring_it_back_and_no_more(start_gateway, start_origin):
    """Back after `rise` intervals, out after `fall`: by the number of probes, whose times the schedule's tests hold."""
    answers = [503]
    asked = []

    def script(request, _):
        if request.target != "/healthz":
            return Reply()
        status = answers.pop(0) if len(answers) > 1 else answers[0]
        asked.append(status)
        return Reply(status)

    origins = [start_origin(script), start_origin(Patient())]
    gateway = start_gateway(*origins, upstream={"probe": {**FAST, "rise": 3, "fall": 2}}, root=WORKERS)
    wait_for_states(gateway, "down", "up")
    # one short of what is needed, then failures again: it stays down
    answers[:] = [200, 200, 503]
    wait_until(lambda: "200 200 503 503" in " ".join(map(str, asked)), what="the probes")
    assert gateway.log.count("is up: status 200") == 0
    answers[:] = [200, 200, 200, 503, 200]
    gateway.wait_for_log("is up: status 200")
    # one failure is not two
    wait_until(lambda: "200 503 200 200 200" in " ".join(map(str, asked)), what="the probes")
    assert gateway.log.count("is down: ") == 1
    wait_for_states(gateway, "up", "up")


@pytest.mark.skipif(not available("nginx"), reason="nginx is not installed")
def test_nginx_is_stopped_killed_and_comes_back(start_gateway):
    probe = {**FAST, "path": "/hello"}
    with NginxOrigin() as first, NginxOrigin() as second:
        gateway = start_gateway(first, second, upstream={"probe": probe}, root=WORKERS)
        wait_for_states(gateway, "up", "up")
        os.kill(first.pid, signal.SIGSTOP)
        try:
            rows = wait_for_states(gateway, "down", "up")
            assert rows[0]["reason"] == "probe: no answer within 2 s"
            for _ in range(20):
                assert gateway.get("/hello").status == 200
        finally:
            os.kill(first.pid, signal.SIGCONT)
        wait_for_states(gateway, "up", "up")
        second.kill()
        rows = wait_for_states(gateway, "up", "down")
        assert rows[1]["reason"] == "probe: connection refused"
        for _ in range(20):
            assert gateway.get("/hello").status == 200
        second.start()
        wait_for_states(gateway, "up", "up")


def test_before_its_first_probe_an_endpoint_may_be_kept_out(start_gateway, start_origin):
    patient = Patient(503)
    upstream_keys = {"probe": {**FAST, "initial": "down"}, "panic_below": 0}
    gateway = start_gateway(start_origin(patient), upstream=upstream_keys, root=WORKERS)
    wait_for_states(gateway, "down")
    response = gateway.get("/")
    assert response.status == 503
    assert gateway.faults() == {"no_endpoint"}
    patient.status = 200
    wait_for_states(gateway, "up")
    get_many(gateway, 4)


def test_when_too_few_are_well_all_are_used(start_gateway, start_origin):
    patients = [Patient(), Patient(503), Patient(503)]
    origins = [start_origin(patient) for patient in patients]
    gateway = start_gateway(*origins, upstream={"probe": FAST}, root=WORKERS)
    rows = wait_for_states(gateway, "up", "down", "down")
    assert "used all the same" in rows[1]["reason"]
    assert upstream(gateway)["panic"] is True
    assert gateway.total("limen_upstream_panic", upstream="web") == 1
    get_many(gateway)
    assert all(exchanges(origin) for origin in origins)
    patients[1].status = 200
    wait_for_states(gateway, "up", "up", "down")
    assert upstream(gateway)["panic"] is False
    assert gateway.total("limen_upstream_panic", upstream="web") == 0
    before = len(exchanges(origins[2]))
    get_many(gateway)
    assert len(exchanges(origins[2])) == before
    gateway.wait_for_log("upstream web panics: ")
    gateway.wait_for_log("upstream web panics no longer")


def test_a_backup_helps_before_doubtful_ones_are_used(start_gateway, start_origin):
    origins = [start_origin(Patient(503)), start_origin(Patient(503)), start_origin(Patient())]
    addresses = ["@ORIGINA@", "@ORIGINB@", {"address": "@ORIGINC@", "backup": True}]
    gateway = start_gateway(*origins, upstream={"probe": FAST, "endpoints": addresses}, root=WORKERS)
    wait_for_states(gateway, "down", "down", "up")
    before = [len(exchanges(origin)) for origin in origins]
    get_many(gateway)
    after = [len(exchanges(origin)) for origin in origins]
    assert [now - then for now, then in zip(after, before, strict=True)] == [0, 0, 20]


def test_a_reload_keeps_turns_and_verdicts(start_gateway, start_origin):
    origins = [start_origin(Patient(503)), start_origin(Patient()), start_origin(Patient())]
    probe = {"path": "/healthz", "interval": "1h"}
    gateway = start_gateway(*origins, upstream={"probe": probe, "endpoints": ["@ORIGINA@", "@ORIGINB@"]})
    wait_for_states(gateway, "down", "up")
    text = gateway.path.read_text(encoding="utf-8")
    changed = json.loads(text)
    changed["upstreams"]["web"]["balance"] = "least_requests"
    changed["upstreams"]["web"]["endpoints"].append(origins[2].address)
    assert "reloaded" in gateway.reload(json.dumps(changed))
    rows = wait_for_states(gateway, "down", "up", "up")
    wait_until(lambda: probes(origins[2]), what="the new endpoint's first probe")
    assert [len(probes(origin)) for origin in origins] == [1, 1, 1]
    assert rows[0]["reason"] == "probe: status 503 is not 200-399"
    changed["upstreams"]["web"]["probe"]["path"] = "/healthz/other"
    assert "reloaded" in gateway.reload(json.dumps(changed))
    wait_until(lambda: [len(probes(origin)) for origin in origins] == [2, 2, 2], what="probes of another path")
    del changed["upstreams"]["web"]["probe"]
    assert "reloaded" in gateway.reload(json.dumps(changed))
    assert [row["probe"] for row in endpoints(gateway)] == [None, None, None]
    wait_for_states(gateway, "up", "up", "up")


def test_probes_speak_tls_as_the_upstream_does(start_gateway, tmp_path):
    authority = Authority(tmp_path)
    good, other = authority.issue("127.0.0.1"), authority.issue("other.example")
    with (
        ScriptedOrigin(Patient(), tls=authority.serving(good)) as trusted,
        ScriptedOrigin(Patient(), tls=authority.serving(other)) as strange,
    ):
        gateway = start_gateway(trusted, strange, upstream={"probe": FAST, "tls": {"ca": str(authority.file)}})
        rows = wait_for_states(gateway, "up", "down")
        assert rows[1]["reason"].startswith("probe: certificate refused: IP address mismatch")
        get_many(gateway, 4)
        assert not exchanges(strange)


def test_streams_are_probed_by_connecting(start_limen, start_origin):
    origin = start_origin()
    text = """
    workers: 2
    admin: {bind: "127.0.0.1:@ADMIN@"}
    listeners: [{bind: "127.0.0.1:@PORT@", stream: {upstream: db}}]
    upstreams:
      db: {endpoints: ["@GONE@", "@ORIGIN@"], probe: {type: tcp, interval: 100ms}}
    """
    limen = start_limen(text, values={"ORIGIN": origin, "GONE": f"127.0.0.1:{free_port()}"})
    rows = wait_for_states(limen, "down", "up", name="db")
    assert rows[1]["probe_reason"] == "connected"
    for _ in range(6):
        assert limen.get("/").status == 200
    assert endpoints(limen, "db")[0]["requests"] == 0


def test_load_that_endpoints_report_weighs_in(start_gateway, start_origin):
    busy = Patient()
    busy.fields = [("X-Load", "0.8")]
    origins = [start_origin(busy), start_origin(Patient())]
    gateway = start_gateway(*origins, upstream={"probe": {**FAST, "load": "X-Load"}})
    wait_until(lambda: endpoints(gateway)[0]["load"] == 0.8, what="a load")
    before = [len(exchanges(origin)) for origin in origins]
    get_many(gateway, 60)
    after = [len(exchanges(origin)) for origin in origins]
    assert [now - then for now, then in zip(after, before, strict=True)] == [10, 50]
    busy.fields = [("X-Load", "0")]
    wait_until(lambda: endpoints(gateway)[0]["load"] == 0, what="no load")
    before = len(exchanges(origins[0]))
    get_many(gateway, 60)
    assert len(exchanges(origins[0])) == before + 30
