"""Quotas: cut within 2 %, shared by workers, outliving reloads, restarts and SIGKILL, and told of."""

import os
import signal

import pytest

from tests.integration.bounds.conftest import written
from tests.support import free_port, json_lines, run_limen, wait_until

AMOUNT = 4 * 1024**2
pytestmark = pytest.mark.usefixtures("one_month")


def config(tmp_path, quota="4MiB/month", **more):
    limit = {"name": "family", "quota": quota, "by": "client", "warn": [50, 100], **more}
    root = {
        "limits": {"quota_file": str(tmp_path / "quotas.state")},
        "log": {"access": {"path": "access.jsonl", "flush": "20ms"}, "audit": {"path": "audit.jsonl"}},
    }
    return {"forward": {"limit": limit}, "root": root}


def read_to_end(client):
    got = 0
    try:
        while found := client.socket.recv(65536):
            got += len(found)
    except ConnectionResetError:
        pass
    return got


@pytest.mark.sanitize
def test_tunnels_are_cut_and_it_outlives_every_process(tmp_path, origin, start_proxy):
    source = origin("flood")
    proxy = start_proxy(**config(tmp_path))
    opened = [proxy.tunnel(source.port) for _ in range(4)]
    # (what the kernel holds for a client that does not read counts, too: the last one may come too late)
    assert opened[0][1].status == 200
    got = sum(read_to_end(client) for client, head in opened if head.status == 200)
    wait_until(lambda: proxy.total("limen_faults_total", fault="quota") == 4, what="all tunnels cut")
    passed = sum(record["received"] + record["sent"] for record in proxy.wait_for_records(4))
    assert AMOUNT * 0.98 <= passed <= AMOUNT * 1.02
    # (what a client had not read when it was cut may be lost: the more, the slower it is)
    assert AMOUNT * 0.5 <= got <= passed
    wait_until(lambda: proxy.total("limen_limit_warned_total", limit="family") == 2, what="both warnings counted")
    (half,) = proxy.wait_for_log(r"limit family: 127\.0\.0\.1 has used (\d+) of 4194304 bytes$", count=2)[:1]
    assert half

    # new ones are answered until the month ends
    client, refused = proxy.tunnel(source.port)
    assert refused.status == 429
    assert 0 < int(refused.get("retry-after")) <= 31 * 86400
    client.close()
    # a reload that raises the quota keeps what was used; another limit of the same name would count on
    proxy.reload(written(**config(tmp_path, quota="5MiB/month")))
    client, head = proxy.tunnel(source.port)
    assert head.status == 200
    assert read_to_end(client) <= 1.02 * 1024**2
    client.close()

    wait_until(lambda: len(audit(proxy)) == 6, what="the audit log")
    assert {(one["fault"], one["limit"]) for one in audit(proxy)} == {("quota", "family")}

    proxy.kill()
    again = start_proxy(**config(tmp_path, quota="5MiB/month"))
    client, refused = again.tunnel(source.port)
    assert refused.status == 429
    client.close()


def audit(proxy):
    return json_lines(proxy.directory / "audit.jsonl")


def test_a_killed_worker_loses_nothing(tmp_path, origin, start_proxy):
    source = origin("http")
    proxy = start_proxy(**config(tmp_path, quota="10/month"), allow=["died"])

    def ask():
        with proxy.connect() as client:
            return client.request("GET", f"http://127.0.0.1:{source.port}/10").status

    assert [ask() for _ in range(6)] == [200] * 6
    killed = set(proxy.worker_pids())
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    # one that is on its way out may still count what it does not answer
    wait_until(lambda: len(set(proxy.worker_pids()) - killed) == 2 and works(ask), what="fresh workers")
    counted = [200] * 7
    while (status := ask()) == 200:
        counted.append(status)
    assert status == 429
    assert len(counted) == 10


def works(ask):
    try:
        return ask() == 200
    except (OSError, AssertionError):
        return False


def test_bodies_are_cut_within_two_percent(tmp_path, origin, start_proxy):
    source = origin("http")
    proxy = start_proxy(**config(tmp_path))
    with proxy.connect() as client:
        client.send_request("GET", f"http://127.0.0.1:{source.port}/{2 * AMOUNT}", [])
        assert AMOUNT * 0.98 <= read_to_end(client) <= AMOUNT * 1.02
    with proxy.connect() as client:
        response = client.request("GET", f"http://127.0.0.1:{source.port}/1")
        assert response.status == 429
        assert b"limit: family" in response.content


def test_a_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "quotas.state").write_bytes(b"something else" * 1000)
    path = tmp_path / "limen.json"
    text = written(**config(tmp_path)).replace("@PORT@", str(free_port())).replace("@ADMIN@", str(free_port()))
    path.write_text(text)
    done = run_limen("run", str(path))
    assert done.returncode != 0
    assert "no file of quotas" in done.stdout + done.stderr
    assert (tmp_path / "quotas.state").read_bytes().startswith(b"something else")
