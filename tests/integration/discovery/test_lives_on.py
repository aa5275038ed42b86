"""Start without an answer, lists that outlive restarts and handovers, and a storm of changes under load."""

import contextlib
import json
import os
import re
import signal

import pytest

from tests.support import NginxOrigin, available, wait_until
from tests.support.load import Load
from tests.support.origins import Reply
from tests.support.registry import Registry

from .conftest import fields_of

CHANGED = "discovered endpoints of web are in force"


def polled(registry, **discover):
    """Who has an answer to wait for waits long, and starts as soon as it is there; the others say so."""
    return {"http": {"url": registry.address, "interval": "100ms", "timeout": "5s"}, "wait": "20s", **discover}


def test_start_without_an_answer_serves_503_until_there_is_one(start, loopback):
    with Registry([f"127.0.0.2:{loopback.port}"]) as registry:
        registry.status = 500
        gateway = start(polled(registry, wait="300ms"))
        gateway.wait_for_log("upstream web: no answer of http .* within 0.3 s, it has no endpoints of it yet")
        response = gateway.get("/")
        assert response.status == 503
        registry.status = 200
        gateway.wait_for_log(CHANGED)
        assert gateway.answers(4) == {f"127.0.0.2:{loopback.port}"}


def test_initial_endpoints_stand_in(start, loopback):
    with Registry([f"127.0.0.2:{loopback.port}"]) as registry:
        registry.status = 500
        gateway = start(polled(registry, wait="300ms", initial=[f"127.0.0.3:{loopback.port}"]))
        assert gateway.answers(4) == {f"127.0.0.3:{loopback.port}"}
        assert gateway.discovery()["origin"] == "initial"
        registry.status = 200
        gateway.wait_for_log(CHANGED)
        assert gateway.answers(4) == {f"127.0.0.2:{loopback.port}"}


def test_the_last_list_outlives_a_restart(start, loopback, tmp_path):
    with Registry([f"127.0.0.2:{loopback.port}"]) as registry:
        initial = [f"127.0.0.9:{loopback.port}"]
        options = {"directory": tmp_path, "values": {"PORT": 0}}
        first = start(polled(registry, wait="1s", initial=initial), options=options)
        registry.put([f"127.0.0.3:{loopback.port}"])
        first.wait_for_log(CHANGED)
        kept = tmp_path / "state" / "limen" / "discovery"
        wait_until(lambda: any(f"127.0.0.3:{loopback.port}" in one.read_text() for one in kept.glob("*.json")))
        assert all(one.stat().st_mode & 0o777 == 0o600 for one in kept.iterdir())
        first.stop()
        registry.status = 500
        second = start(polled(registry, wait="1s", initial=initial), options=options)
        assert second.answers(4) == {f"127.0.0.3:{loopback.port}"}
        assert second.discovery()["origin"] == "kept"
        second.stop()
        for one in kept.iterdir():
            one.write_text("{")
        third = start(polled(registry, wait="1s", initial=initial), options=options)
        third.wait_for_log("cannot be used")
        assert third.answers(4) == {f"127.0.0.9:{loopback.port}"}


def test_a_handover_passes_the_list_on(start, loopback, tmp_path):
    with Registry([f"127.0.0.2:{loopback.port}"]) as registry:
        # no place to keep it but the handover
        options = {"directory": tmp_path, "env": {"XDG_STATE_HOME": "/dev/null"}}
        gateway = start(polled(registry), options=options)
        assert gateway.answers(2) == {f"127.0.0.2:{loopback.port}"}
        registry.status = 500
        with Load(gateway.port()) as load:
            load.wait(50)
            gateway.signal(signal.SIGUSR2)
            gateway.wait_for_log(r"process (\d+) has taken over", timeout=120)
            load.wait(100)
        try:
            assert load.failures == []
            assert gateway.discovery()["origin"] == "handover"
            assert gateway.wait_for_exit() == 0
        finally:
            for pid in re.findall(r"process (\d+) has taken over", gateway.log):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGTERM)


def test_a_worker_that_is_started_again_has_the_list(start, loopback):
    with Registry([f"127.0.0.2:{loopback.port}"]) as registry:
        gateway = start(polled(registry), workers=1, options={"allow": ["worker 0 died"]})
        registry.put([f"127.0.0.3:{loopback.port}"])
        gateway.wait_for_log(CHANGED)
        registry.status = 500
        (before,) = gateway.worker_pids()
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: gateway.worker_pids() not in ([], [before]), what="another worker")
        assert gateway.answers(4) == {f"127.0.0.3:{loopback.port}"}
        registry.status = 200
        registry.put([f"127.0.0.4:{loopback.port}"])
        gateway.wait_for_log(CHANGED, count=2)
        assert gateway.answers(4) == {f"127.0.0.4:{loopback.port}"}


def test_a_reload_to_a_silent_source_takes_nothing_away(start, loopback):
    with Registry() as registry:
        registry.status = 500
        static = fields_of(None, upstreams={"web": {"endpoints": [f"127.0.0.2:{loopback.port}"]}})
        gateway = start(text=static)
        line = gateway.reload(fields_of(polled(registry, wait="300ms")), expect="reloaded: |reload refused")
        assert "reloaded" in line
        assert gateway.answers(4) == {f"127.0.0.2:{loopback.port}"}
        assert gateway.discovery()["origin"] == "before"
        registry.status = 200
        registry.put([f"127.0.0.3:{loopback.port}"])
        gateway.wait_for_log(CHANGED)
        assert gateway.answers(4) == {f"127.0.0.3:{loopback.port}"}
        assert "reloaded" in gateway.reload(static)
        assert gateway.answers(4) == {f"127.0.0.2:{loopback.port}"}
        asked = len(registry.asked)
        gateway.answers(20)
        assert len(registry.asked) <= asked + 1


def test_what_stays_keeps_its_connections(start, start_origin):
    stays, leaves = start_origin(Reply(content=b"stays")), start_origin(Reply(content=b"leaves"))
    with Registry([stays.address, leaves.address]) as registry:
        gateway = start(polled(registry), workers=1)
        assert gateway.answers(8) == {"stays", "leaves"}
        registry.put([stays.address])
        gateway.wait_for_log(CHANGED)
        assert gateway.answers(8) == {"stays"}
        assert len(stays.connections) == 1
        # its idle connection was closed, and its counts are still there
        wait_until(lambda: leaves.connections[0].ended, what="the end")
        registry.put([leaves.address, stays.address])
        gateway.wait_for_log(CHANGED, count=2)
        assert gateway.answers(8) == {"stays", "leaves"}
        assert gateway.metrics()[f'limen_endpoint_requests_total{{upstream="web",endpoint="{leaves.address}"}}'] == 8


@pytest.mark.slow
@pytest.mark.skipif(not available("nginx"), reason="nginx is not installed")
@pytest.mark.parametrize("ended", [False, True], ids=["workers stay", "workers end"])
def test_a_storm_of_reloads_and_changes_fails_no_request(start, tmp_path, ended):
    files = {"index.html": b"x" * 3000, "file": b"y" * 100}
    with contextlib.ExitStack() as stack:
        origins = [stack.enter_context(NginxOrigin(files)) for _ in range(3)]
        registry = stack.enter_context(Registry([origins[0].address]))
        listed = tmp_path / "list.yaml"
        listed.write_text(f"- {origins[0].address}\n")
        upstreams = {
            "web": {"discover": polled(registry), "balance": "least_requests"},
            "file": {"discover": {"file": {"path": str(listed), "interval": "100ms"}}},
        }

        def text(round_):
            routes = [{"match": {"path": "/file"}, "upstream": "file"}]
            routes += [{"match": {"path": f"/r{round_}"}, "upstream": "file"}, {"upstream": "web"}]
            return fields_of(None, listeners=[{"bind": "127.0.0.1:@PORT@", "routes": routes}], upstreams=upstreams)

        gateway = start(text=text(0), options={"allow": ["worker . died", "worker . did not"]})
        load = stack.enter_context(Load(gateway.port(), kept=3, fresh=2))
        other = stack.enter_context(Load(gateway.port(), kept=2, fresh=1, target="/file"))
        for round_ in range(1, 13):
            chosen = [origins[(round_ + one) % 3].address for one in range(1 + round_ % 3)]
            registry.put([{"address": one, "weight": 1 + round_ % 4} for one in chosen])
            listed.write_text("".join(f"- {one}\n" for one in chosen[::-1]))
            if round_ % 3 == 0:
                # a worker that ends in the middle of it has it refused
                line = gateway.reload(text(round_))
                assert ended or "reloaded" in line
            if ended and round_ % 4 == 2:
                # it finishes what it has; what waits is served by its successor
                (oldest, *_) = gateway.worker_pids()
                os.kill(oldest, signal.SIGTERM)
                wait_until(lambda oldest=oldest: oldest not in gateway.worker_pids(), 40, what="its end")
            load.wait(40)
            wait_until(
                lambda chosen=chosen: gateway.endpoints() == {"web": {*chosen}, "file": {*chosen}}, what="the lists"
            )
        for one in (load, other):
            one.stop()
            assert one.failures == []
        assert json.loads(gateway.admin("/status").text)["revision"]["number"] > 12
