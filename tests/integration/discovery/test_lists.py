"""Endpoints from files and from a registry over HTTP: changes, mistakes, silence."""

import os
import ssl
import threading
import time

import pytest

from tests.support import run_limen, wait_until
from tests.support.certificates import Authority
from tests.support.origins import Reply
from tests.support.registry import Registry

CHANGED = "discovered endpoints of web are in force"


@pytest.fixture
def listed(tmp_path):
    """A file, put into force in one step or written in place."""
    path = tmp_path / "list.yaml"

    def put(text, *, in_place=False):
        if in_place:
            path.write_text(text)
        else:
            fresh = tmp_path / "fresh"
            fresh.write_text(text)
            os.replace(fresh, path)

    put.path = path
    return put


def source(listed):
    return {"file": {"path": str(listed.path), "interval": "100ms"}}


@pytest.mark.parametrize("in_place", [False, True])
def test_a_file_is_watched(start, listed, loopback, in_place):
    listed(f"- 127.0.0.2:{loopback.port}\n")
    gateway = start(source(listed))
    assert gateway.answers(4) == {f"127.0.0.2:{loopback.port}"}
    listed(f"- {{address: '127.0.0.3:{loopback.port}', weight: 2, region: eu, max_requests: 9}}\n", in_place=in_place)
    gateway.wait_for_log(CHANGED)
    assert gateway.answers(4) == {f"127.0.0.3:{loopback.port}"}
    assert gateway.discovery()["source"] == f"file {listed.path}"


def test_a_list_that_is_being_written_is_not_taken(start, listed, loopback):
    listed("".join(f"- 127.0.0.{n}:{loopback.port}\n" for n in (2, 3)))
    gateway = start({"file": {"path": str(listed.path), "interval": "1s"}})
    longest, before = 0.0, time.monotonic()
    with listed.path.open("w") as file:
        for n in range(2, 102):
            # valid at any moment, and never the same at two looks
            file.write(f"- 127.0.0.{n}:{loopback.port}\n")
            file.flush()
            now = time.monotonic()
            longest, before = max(longest, now - before), now
            threading.Event().wait(0.03)
    wait_until(lambda: gateway.discovery()["endpoints"] == 100, what="the whole list")
    # (who was held up for that long himself has shown the same twice)
    assert gateway.discovery()["changes"] <= 2 or longest > 0.9


def test_a_mistake_has_its_line_and_takes_nothing_away(start, listed, loopback):
    listed(f"- 127.0.0.2:{loopback.port}\n")
    gateway = start(source(listed))
    listed(f"- 127.0.0.3:{loopback.port}\n- {{address: 'a:1', weight: heavy}}\n")
    gateway.wait_for_log(r"upstream web: file .*list.yaml:2:28: \[1\].weight: expected a whole number")
    assert gateway.answers(4) == {f"127.0.0.2:{loopback.port}"}
    listed.path.unlink()
    gateway.wait_for_log("no such file or directory; the last list stays")
    listed("[]")
    gateway.wait_for_log("it has no endpoints")
    assert gateway.answers(4) == {f"127.0.0.2:{loopback.port}"}
    table = gateway.command("status", str(gateway.path)).stdout
    assert "DISCOVERY" in table and "it has no endpoints" in table
    listed(f"- 127.0.0.3:{loopback.port}\n")
    gateway.wait_for_log("answers again")
    gateway.wait_for_log(CHANGED)
    assert gateway.answers(4) == {f"127.0.0.3:{loopback.port}"}
    # told once each
    assert gateway.log.count("list.yaml:2:28") == 1


def test_a_loop_is_refused(start, listed, loopback):
    listed(f"- 127.0.0.2:{loopback.port}\n")
    gateway = start(source(listed))
    listed(f"- 127.0.0.2:{loopback.port}\n- 127.0.0.1:{gateway.port()}\n")
    gateway.wait_for_log("is the own listener listeners.0.: a loop")
    assert gateway.answers(4) == {f"127.0.0.2:{loopback.port}"}


def test_written_endpoints_stand_beside_it(start, listed, loopback):
    listed(f"- 127.0.0.2:{loopback.port}\n- 127.0.0.3:{loopback.port}\n")
    web = {"endpoints": [f"127.0.0.2:{loopback.port}", f"127.0.0.4:{loopback.port}"], "discover": source(listed)}
    gateway = start(upstreams={"web": web})
    assert gateway.answers() == {f"127.0.0.{n}:{loopback.port}" for n in (2, 3, 4)}


def test_check_asks_nobody(tmp_path):
    path = tmp_path / "limen.yaml"
    path.write_text(
        "listeners: [{bind: 127.0.0.1:1, routes: [{upstream: web}]}]\n"
        "upstreams: {web: {discover: {http: 'http://127.0.0.1:1/'}}}\n"
    )
    done = run_limen("check", str(path))
    assert (done.returncode, done.stdout) == (0, "ok: 1 listener, 1 route, 1 upstream with 0 endpoints\n")


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        ("- 127.0.0.1:8001\n- {address: '127.0.0.1:8002', weight: 2}\n", 0, "ok: 1 listener"),
        ("- 127.0.0.1:8001\n- {address: 'b', weight: 2}\n", 2, "list.yaml:2:13: "),
        ("- {address: 'a:1', wieght: 2}\n", 2, "wieght"),
        ("[]\n", 0, "the list is empty"),
        (None, 0, "there is no such file"),
        (b"\xff\xfe", 2, "not UTF-8 text"),
    ],
)
def test_check_reads_lists_in_files(tmp_path, content, status, words):
    """A running instance would make do with what it had: so it is said before."""
    path = tmp_path / "limen.yaml"
    path.write_text(
        "listeners: [{bind: 127.0.0.1:1, routes: [{upstream: web}]}]\nupstreams: {web: {discover: {file: list.yaml}}}\n"
    )
    if content is not None:
        (tmp_path / "list.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    done = run_limen("check", str(path))
    assert (done.returncode, words in done.stdout + done.stderr) == (status, True), done.stdout + done.stderr
    if status:
        assert "upstreams.web.discover.file" in done.stderr


def test_masks_follow_the_list(start, listed, start_origin):
    """What an origin tells of itself is changed however its address came here, and however late."""
    first, second = (
        start_origin(lambda _request, connection: Reply(302, fields=[("Location", own(connection))])) for _ in range(2)
    )
    listed(f"- {first.address}\n")
    routes = [{"upstream": "web", "mask": True}]
    gateway = start(source(listed), listeners=[{"bind": "127.0.0.1:@PORT@", "routes": routes}])
    for origin in (first, second):
        if origin is second:
            listed(f"- {origin.address}\n")
            gateway.wait_for_log(CHANGED)
        # new ones in every worker
        for _ in range(8):
            assert gateway.get("/").get("location") == "http://test.example/login"
        assert origin.requests


def own(connection):
    """A URL of the origin itself."""
    address, port = connection.socket.getsockname()[:2]
    return f"http://{address}:{port}/login"


def polled(registry, **settings):
    return {"http": {"url": registry.address, "interval": "100ms", **settings}}


def test_a_registry_is_polled(start, loopback):
    with Registry([f"127.0.0.2:{loopback.port}"]) as registry:
        gateway = start(polled(registry, token="let me in"))
        assert gateway.answers(4) == {f"127.0.0.2:{loopback.port}"}
        wait_until(lambda: registry.unchanged > 1, what="answers 304")
        assert registry.asked[0]["authorization"] == "Bearer let me in"
        assert registry.asked[0]["host"] == f"localhost:{registry.port}"
        registry.put([{"targets": [f"127.0.0.3:{loopback.port}"], "labels": {"weight": "5"}}])
        gateway.wait_for_log(CHANGED)
        assert gateway.answers(4) == {f"127.0.0.3:{loopback.port}"}
        found = gateway.discovery()
        assert found["source"] == f"http http://localhost:{registry.port}/v1/endpoints"
        assert "let me in" not in gateway.admin("/status").text + gateway.log


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda registry: setattr(registry, "status", 500), "the answer is 500"),
        (lambda registry: setattr(registry, "status", 302), "the answer is 302"),
        (lambda registry: setattr(registry, "content", b"<html>"), "the text is not JSON"),
        (lambda registry: registry.put({"a": 1}), "expected a list, found a mapping"),
        (lambda registry: registry.put(["a:1", "b"]), "'b' has no port"),
        (lambda registry: registry.put([]), "it has no endpoints"),
        (lambda registry: registry.put(["a.test:1"] * 2000), "the answer is larger than 4096 bytes"),
        (lambda registry: registry.put([f"a:{n}" for n in range(1, 40)]), "more than 20 endpoints"),
        (lambda registry: registry.fields.update({"Content-Encoding": "gzip"}) or registry.put(["c:1"]), "compressed"),
        (lambda registry: registry.silent.set(), "no answer within 2 s"),
    ],
    ids=["500", "302", "html", "mapping", "address", "empty", "large", "many", "compressed", "silent"],
)
def test_a_registry_that_fails_takes_nothing_away(start, loopback, change, message):
    with Registry([f"127.0.0.2:{loopback.port}"]) as registry:
        gateway = start({**polled(registry, max="4KiB", timeout="2s"), "most": 20})
        change(registry)
        gateway.wait_for_log(message)
        assert gateway.answers(4) == {f"127.0.0.2:{loopback.port}"}
        wait_until(lambda: message in (gateway.discovery()["error"] or ""), what="the error")


def test_a_registry_behind_tls_is_verified(start, loopback, tmp_path):
    authority = Authority(tmp_path)
    pair = authority.issue("localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.chain, pair.key)
    with Registry([f"127.0.0.2:{loopback.port}"], tls=tls) as registry:
        good, bad = polled(registry, ca=str(authority.file)), {**polled(registry), "wait": "1s"}
        routes = [{"match": {"path": "/bad"}, "upstream": "bad"}, {"upstream": "web"}]
        gateway = start(
            upstreams={"web": {"discover": good}, "bad": {"discover": bad}},
            listeners=[{"bind": "127.0.0.1:@PORT@", "routes": routes}],
        )
        assert gateway.answers(2) == {f"127.0.0.2:{loopback.port}"}
        assert gateway.get("/bad").status == 503
        wait_until(lambda: "certificate verify failed" in (gateway.discovery("bad")["error"] or ""), what="the error")
