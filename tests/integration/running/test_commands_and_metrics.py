"""The command line and the metrics with the real engine."""

import argparse
import json
import os
import re
import shlex
import signal
import ssl
import subprocess
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.support import LimenProcess, RawClient, available, free_port, run_limen
from tests.support.certificates import Authority

SITE = """
workers: 2
admin: {bind: "127.0.0.1:@ADMIN@"}
listeners:
  - name: site
    bind: 127.0.0.1:@PORT@
    routes: [{name: web, upstream: web}]
upstreams:
  web: {endpoints: ["@ORIGIN@"]}
"""


def test_status_and_top(start_limen, start_origin):
    site = start_limen(SITE, values={"ORIGIN": start_origin()})
    with site.connect() as client:
        client.request()
        shown = site.command("status", str(site.path))
        assert shown.returncode == 0, shown.stderr
        assert re.search(r"live: 1 connections, 0 exchanges, 0 tunnels", shown.stdout)
        assert re.search(r"^web +127\.0\.0\.1:\d+ +1 +0 +\d+ +1 +1 +0 +0 +0 +\S+s +- +up ", shown.stdout, re.MULTILINE)
        data = json.loads(site.command("status", str(site.path), "--json").stdout)
        assert [worker["state"] for worker in data["workers"]] == ["ready", "ready"]
        assert data["upstreams"][0]["endpoints"][0]["requests"] == 1
    top = site.command("top", "--once", str(site.path))
    assert top.returncode == 0, top.stderr
    assert "UPSTREAM" in top.stdout
    assert "PER SECOND" in top.stdout


def test_metrics_are_prometheus_text(start_limen, start_origin):
    parser = pytest.importorskip("prometheus_client.parser")
    site = start_limen(SITE, values={"ORIGIN": start_origin()})
    for _ in range(3):
        site.get()
    with site.connect() as client:
        client.send(b"BAD\r\n\r\n").read_response()
    site.catch_up()
    families = {family.name: family for family in parser.text_string_to_metric_families(site.admin("/metrics").text)}
    exchanges = {sample.labels["code"]: sample.value for sample in families["limen_exchanges"].samples if sample.value}
    assert exchanges == {"2xx": 3, "4xx": 1}
    buckets = [sample for sample in families["limen_exchange_duration_seconds"].samples if "le" in sample.labels]
    assert sum(sample.value for sample in buckets if sample.labels["le"] == "+Inf") == 4
    assert all(family.documentation for family in families.values())
    for metric in families.values():
        assert metric.type in {"counter", "gauge", "histogram"}, metric


def test_reverse(start_origin):
    origin = start_origin()
    port = free_port()
    arguments = ["reverse", "--listen", f"127.0.0.1:{port}", "--to", f"http://{origin.address}/under"]
    with _Running(arguments) as running:
        assert running.get("/page").status == 200
        assert origin.requests[0].target == "/under/page"


def test_reverse_with_tls(start_origin, tmp_path):
    """One made for trials, or one that is given; what is wrong with it is said before anything listens."""
    authority = Authority(tmp_path)
    site = authority.issue("localhost")
    port = free_port()
    base = ["reverse", "--listen", f"127.0.0.1:{port}", "--to", str(start_origin().address)]
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    for more, context in (
        (["--self-signed"], unverified),
        (["--certificate", str(site.chain), "--key", str(site.key)], authority.trusting()),
    ):
        with _Running([*base, *more]) as running, running.connect().secure(context, "localhost") as client:
            assert client.request("GET", "/", host="localhost").status == 200
    done = run_limen(*base, "--certificate", str(tmp_path / "nowhere.pem"), "--key", str(site.key))
    assert done.returncode == 2
    assert "listeners[0].tls.certificates[0].chain" in done.stderr and "nowhere.pem" in done.stderr


def test_forward(start_origin):
    origin = start_origin()
    port = free_port()
    listen = ["forward", "--listen", f"127.0.0.1:{port}"]
    with _Running(listen) as running, running.connect() as client:
        assert client.request("GET", f"http://{origin.address}/", host=origin.address).status == 403
    assert not origin.requests
    with _Running([*listen, "--allow-private"]) as running, running.connect() as client:
        assert client.request("GET", f"http://{origin.address}/page", host=origin.address).status == 200
    assert origin.requests[0].target == "/page"


class _Running(LimenProcess):
    """A command that takes no file."""

    def __init__(self, arguments):
        super().__init__("", arguments=arguments)
        self.files = []


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        (SITE, 0, "ok: 1 listener, 1 route, 1 upstream with 1 endpoint"),
        (SITE.replace("upstream: web}", "upstream: wbe}"), 2, "unknown upstream 'wbe'"),
        (SITE + "tls: {}\n", 2, "not available in this version"),
        (SITE.replace("[{name: web", "[{upstream: web}, {name: web"), 0, "no request reaches the route 'web'"),
        ("listeners: [{bind: 0.0.0.0:3128, forward: {access: [{allow: {}}]}}]", 2, "open: true"),
        (SITE.replace("upstream: web}", "respond: {body: {file: /absent}}}"), 2, "/absent"),
    ],
)
def test_check(tmp_path, text, status, words):
    path = tmp_path / "limen.yaml"
    path.write_text(
        re.sub("@ORIGIN@", "127.0.0.1:9", re.sub("@(PORT|ADMIN)@", lambda found: str(len(found[0]) + 8000), text))
    )
    done = run_limen("check", str(path))
    assert (done.returncode, words in done.stdout + done.stderr) == (status, True), done.stdout + done.stderr


def test_every_line_of_the_demo_works():
    ports = [free_port() for _ in range(3)]
    arguments = ["demo"]
    for name, port in zip(("gateway", "proxy", "admin"), ports, strict=True):
        arguments += [f"--{name}", str(port)]
    with _Running(arguments) as running:
        running.wait_for_log("End with Ctrl-C")
        lines = [line.strip() for line in running.log.splitlines() if line.startswith("  ")]
        assert len(lines) >= 9
        for line in lines:
            if "example.com" in line or line == "limen top":
                # the world is not there in a test; top does not end
                continue
            expected = 403 if "192.168" in line else 200
            assert curl(line.replace("seconds=5", "seconds=0.1")) == expected, line
        top = run_limen("top", "--once", env={"XDG_RUNTIME_DIR": str(running.directory)})
        assert top.returncode == 0, top.stderr
        running.signal(signal.SIGINT)
        assert running.wait_for_exit() == 0


def curl(line):
    """The status that a curl command gets; without curl, what it would ask for is asked by hand."""
    if available("curl"):
        command = [*shlex.split(line), "--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code}"]
        done = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "no_proxy": ""})
        return int(done.stdout[-3:])
    parser = argparse.ArgumentParser()
    parser.add_argument("-x", dest="proxy")
    parser.add_argument("-d", dest="content", default="")
    parser.add_argument("-o", dest="output")
    parser.add_argument("-N", action="store_true")
    parser.add_argument("url")
    options = parser.parse_args(shlex.split(line)[1:])
    url = urlsplit(options.url)
    via = urlsplit(options.proxy) if options.proxy else url
    target = options.url if options.proxy else urlunsplit(("", "", url.path or "/", url.query, ""))
    with RawClient((str(via.hostname), int(via.port or 80)), timeout=60) as client:
        method = "POST" if options.content else "GET"
        return client.request(method, target, content=options.content.encode(), host=url.netloc).status
