"""What an instance tells: status, metrics, and whom the admin address refuses."""

import json
import signal
import socket

import pytest

from tests.support import RawClient, wait_until


def test_status_has_everything(start_site):
    site = start_site()
    status = json.loads(site.command("status", str(site.path), "--json").stdout)
    assert status == json.loads(json.dumps(status))
    assert (status["state"], status["pid"]) == ("running", site.pid)
    assert status["revision"]["number"] == 1
    assert sorted(worker["pid"] for worker in status["workers"]) == site.worker_pids()
    assert {worker["state"] for worker in status["workers"]} == {"ready"}
    assert status["listeners"][0]["address"] == f"127.0.0.1:{site.port()}"
    assert status["listeners"][0]["sockets"] == 2
    assert status["admin"] == f"127.0.0.1:{site.port('ADMIN')}"


def test_the_only_instance_needs_no_name(start_site):
    site = start_site()
    done = site.command("status")
    assert done.returncode == 0
    assert f"pid {site.pid}  running" in done.stdout


def test_live_counts_are_asked_anew(start_site):
    site = start_site()
    with socket.create_connection(("127.0.0.1", site.port()), timeout=60) as sock:
        sock.sendall(b"GET /hold?30 HTTP/1.1\r\n\r\n")
        wait_until(lambda: json.loads(site.admin("/status").text)["live"]["exchanges"] == 1, what="one exchange")
    # the second one ends it at once, if it is not taken for the first
    site.signal(signal.SIGTERM)
    site.wait_for_log("draining")
    site.signal(signal.SIGTERM)


def test_logs_are_reopened(start_site):
    site = start_site()
    site.signal(signal.SIGUSR1)
    site.wait_for_log("logs reopened")

    def reopened():
        # (a worker that is silent for a second is told of without its own word)
        status = json.loads(site.admin("/status").text)
        return [(worker["status"] or {}).get("reopened") for worker in status["workers"]]

    wait_until(lambda: reopened() == [1, 1], what="both workers' logs reopened")


def test_metrics_are_text(start_site):
    site = start_site()
    response = site.admin("/metrics")
    assert response.status == 200
    assert response.get("content-type").startswith("text/plain")


@pytest.mark.parametrize(
    ("method", "fields", "status"),
    [
        ("GET", [], 200),
        ("GET", [("Host", "rebound.example")], 403),
        ("GET", [("Host", "localhost")], 200),
        ("GET", [("Via", "1.1 proxy")], 403),
        ("GET", [("Origin", "http://evil.example")], 403),
        ("GET", [("Sec-Fetch-Site", "cross-site")], 403),
        ("POST", [], 403),
        ("POST", [("X-Limen-Control", "1")], 200),
        ("POST", [("X-Limen-Control", "1"), ("Origin", "http://evil.example")], 403),
        ("DELETE", [("X-Limen-Control", "1")], 405),
    ],
)
def test_the_admin_address_is_guarded(start_site, method, fields, status):
    site = start_site()
    port = site.port("ADMIN")
    hosts = [] if any(name == "Host" for name, _ in fields) else [("Host", f"127.0.0.1:{port}")]
    target = "/reload" if method == "POST" else "/healthz"
    head = "".join(f"{name}: {value}\r\n" for name, value in [*hosts, *fields])
    with RawClient(("127.0.0.1", port)) as client:
        client.send(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode())
        response = client.read_response()
    assert response.status == status
    assert response.get("access-control-allow-origin") is None
