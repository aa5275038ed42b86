"""Limits of access rules: bandwidth, quotas and life of what one rule lets pass, beside those of the listener."""

import json

import pytest

from tests.integration.bounds.conftest import written
from tests.integration.bounds.test_quota import read_to_end
from tests.integration.identity.test_proxy import basic, hashed
from tests.integration.ways.speaking import faults
from tests.integration.ways.test_socks_udp import associate, datagram, echo_target, udp
from tests.support import LimenProcess, wait_until

MIB = 1024**2
pytestmark = pytest.mark.usefixtures("one_month")
LOG = {"access": {"path": "access.jsonl", "flush": "20ms"}}


def rules(port, bound, **forward):
    """What goes to this port is bounded by a rule of its own."""
    access = [{"name": "bounded", "allow": {"ports": [port]}, "limit": bound}, {"name": "rest", "allow": {}}]
    return {"access": access, **forward}


def root(tmp_path, **more):
    return {"limits": {"quota_file": str(tmp_path / "quotas.state")}, "log": LOG, **more}


def is_about(size, expected):
    return expected * 0.98 <= size <= expected * 1.02


def moved(proxy, count):
    return [record["received"] + record["sent"] for record in proxy.wait_for_records(count)]


@pytest.mark.sanitize
def test_a_rules_quota_and_the_listeners_count_together(tmp_path, start_proxy, origin):
    bounded, free = origin("flood"), origin("flood")
    forward = rules(
        bounded.port,
        {"name": "there", "quota": "1MiB/month", "by": "route"},
        limit={"name": "all", "quota": "3MiB/month"},
    )
    proxy = start_proxy(forward, root(tmp_path))
    client, head = proxy.tunnel(bounded.port)
    assert head.status == 200
    read_to_end(client)
    wait_until(lambda: faults(proxy, "quota") == 1, what="its rule's quota used up")
    (record,) = proxy.wait_for_records(1)
    assert (record["limit"], record["rule"]) == ("there", "bounded")
    assert is_about(record["received"] + record["sent"], MIB)
    client, refused = proxy.tunnel(bounded.port)
    assert refused.status == 429
    assert b"limit: there" in client.read_exactly(int(refused.get("content-length")))
    # what the other rule lets pass has what the listener's quota has left
    client, head = proxy.tunnel(free.port)
    assert head.status == 200
    read_to_end(client)
    # (workers write when they come to it)
    limits = {record["rule"]: record["limit"] for record in proxy.wait_for_records(3)}
    assert limits == {"bounded": "there", "rest": "all"}
    assert is_about(sum(moved(proxy, 3)), 3 * MIB)


@pytest.mark.sanitize
@pytest.mark.parametrize("target", ["/4194304", "/chunked/4194304"])
def test_bodies(tmp_path, start_proxy, origin, target):
    source = origin("http")
    limits = [{"name": "line", "bandwidth": "4MiB/s", "burst": "64KiB"}, {"name": "there", "quota": "1MiB/month"}]
    proxy = start_proxy(rules(source.port, limits), root(tmp_path))
    with proxy.connect() as client:
        client.send_request("GET", f"http://127.0.0.1:{source.port}{target}", [])
        read_to_end(client)
    wait_until(lambda: faults(proxy, "quota") == 1, what="the quota used up")
    assert is_about(moved(proxy, 1)[0], MIB)
    assert proxy.total("limen_limit_held_total", limit="line") > 0
    with proxy.connect() as client:
        response = client.request("GET", f"http://127.0.0.1:{source.port}/1")
        assert response.status == 429
        assert b"limit: there" in response.content


def test_a_group_has_a_budget(tmp_path, start_proxy, origin):
    source = origin("http")
    (tmp_path / "passwords").write_text("".join(f"{name}:{hashed(name)}\n" for name in ("ann", "bob", "eve")))
    budget = {"name": "pupils", "quota": "3/month", "by": "route"}
    forward = {
        "identity": "staff",
        "access": [
            {"name": "pupils", "allow": {"groups": ["pupils"]}, "limit": budget},
            {"name": "rest", "allow": {"users": ["*"]}},
        ],
    }
    found = {"staff": {"basic": str(tmp_path / "passwords"), "groups": {"pupils": ["ann", "bob"]}}}
    proxy = start_proxy(forward, root(tmp_path, identities=found))

    def ask(name):
        with proxy.connect() as client:
            return client.request("GET", f"http://127.0.0.1:{source.port}/1", [basic(f"{name}:{name}")]).status

    assert [ask(name) for name in ("ann", "bob", "ann", "bob", "ann")] == [200, 200, 200, 429, 429]
    assert [ask("eve") for _ in range(5)] == [200] * 5


def test_quota_of_datagrams_by_rule(tmp_path):
    with echo_target() as (port, seen), echo_target() as (other, _), udp() as local:
        rule = {"name": "there", "allow": {"ports": [port]}, "limit": {"name": "there", "quota": "8KiB/month"}}
        config = {
            "workers": 1,
            "admin": {"bind": "127.0.0.1:@ADMIN@"},
            **root(tmp_path),
            "listeners": [
                {
                    "bind": "127.0.0.1:@PORT@",
                    "socks": {"udp": True, "targets": {"private": "allow"}, "access": [rule, {"allow": {}}]},
                }
            ],
        }
        with LimenProcess(json.dumps(config)) as proxy:
            client, relay = associate(proxy)
            with client:
                for _ in range(12):
                    # its own rule has no quota
                    local.sendto(datagram("127.0.0.1", other, b"x" * 995), relay)
                    assert len(local.recvfrom(65535)[0]) == 10 + 1000
                while faults(proxy, "quota") == 0:
                    assert len(seen) < 8
                    count = len(seen)
                    local.sendto(datagram("127.0.0.1", port, b"x" * 995), relay)
                    wait_until(lambda count=count: len(seen) > count or faults(proxy, "quota"), what="it there, or cut")
                client.expect_end()
            assert 3 <= len(seen) <= 5
            # another association is not told no, its datagrams are
            client, relay = associate(proxy)
            with client, udp() as anew:
                before = faults(proxy, "quota")
                anew.sendto(datagram("127.0.0.1", port, b"x"), relay)
                wait_until(lambda: faults(proxy, "quota") > before, what="a datagram over the quota")
                anew.sendto(datagram("127.0.0.1", other, b"x"), relay)
                assert len(anew.recvfrom(65535)[0]) == 10 + 6


@pytest.mark.sanitize
def test_a_tunnel_ends_when_its_life_is_over(start_proxy, origin):
    short, long = origin("flood"), origin("echo")
    proxy = start_proxy(rules(short.port, {"life": "1s"}, limit={"life": "1h"}))
    kept, _ = proxy.tunnel(long.port)
    client, head = proxy.tunnel(short.port)
    assert head.status == 200
    read_to_end(client)
    wait_until(lambda: faults(proxy, "tunnel_idle") == 1, what="its end counted")
    # what is under way has the life that is in force
    proxy.reload(written(rules(long.port, {"life": "1s"})))
    kept.expect_end()
    (first, second) = proxy.wait_for_records(2)
    assert {first["rule"], second["rule"]} == {"bounded", "rest"}


@pytest.mark.sanitize
def test_live_tunnels_get_the_limits_of_the_rule_in_force(tmp_path, start_proxy, origin):
    source = origin("echo")
    proxy = start_proxy({"limit": {"name": "line", "bandwidth": "64MiB/s"}}, root(tmp_path))
    client, _ = proxy.tunnel(source.port)
    client.send(b"ping")
    assert client.read_exactly(4) == b"ping"
    for quota in ("1MiB", "2MiB"):
        limit = {"name": "there", "quota": f"{quota}/month"}
        proxy.reload(written(rules(source.port, limit, limit={"name": "line", "bandwidth": "64MiB/s"}), root(tmp_path)))
        client.send(b"pong")
        assert client.read_exactly(4) == b"pong"
    sent = 0
    try:
        while sent < 8 * MIB:
            client.send(bytes(16384))
            sent += 16384
            client.read_exactly(16384)
    except (ConnectionError, AssertionError, EOFError):
        pass
    wait_until(lambda: faults(proxy, "quota") == 1, what="the quota used up")
    (record,) = proxy.wait_for_records(1)
    assert is_about(record["received"] + record["sent"], 2 * MIB)


def test_warnings_tell_no_more_than_the_logs_may(tmp_path, start_proxy, origin):
    source = origin("http")
    forward = rules(
        source.port,
        [
            {"name": "there", "quota": "4/month", "warn": [50]},
            {"name": "host", "quota": "4/month", "by": "host", "warn": [50]},
        ],
    )
    hidden = {**LOG, "privacy": {"clients": "pseudonym", "targets": "none"}}
    proxy = start_proxy(forward, root(tmp_path, log=hidden))
    for _ in range(2):
        with proxy.connect() as client:
            assert client.request("GET", f"http://127.0.0.1:{source.port}/1").status == 200
    proxy.wait_for_log(r"limit there: ~[0-9a-f]{16} has used 2 of 4 requests$")
    proxy.wait_for_log(r"limit host: - has used 2 of 4 requests$")
