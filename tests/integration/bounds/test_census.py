"""What is under way: listed, judged again, killed."""

import asyncio
import json
import resource

import pytest

from tests.integration.bounds.conftest import written
from tests.support import wait_until


@pytest.mark.sanitize
def test_a_reload_closes_exactly_what_is_no_longer_allowed(start_proxy, origin):
    kept, gone = origin("echo"), origin("echo")
    proxy = start_proxy()
    clients = [proxy.tunnel(kept.port)[0] for _ in range(3)]
    ended = [proxy.tunnel(gone.port)[0] for _ in range(3)]
    for client in (*clients, *ended):
        client.send(b"ping")
        assert client.read_exactly(4) == b"ping"
    rules = [{"name": "not-that", "deny": {"ports": [gone.port]}}, {"name": "all", "allow": {}}]
    proxy.reload(written({"access": rules}))
    for client in ended:
        client.expect_end()
    wait_until(lambda: proxy.total("limen_faults_total", fault="revoked") == 3, what="three revoked")
    for client in clients:
        client.send(b"pong")
        assert client.read_exactly(4) == b"pong"
    wait_until(lambda: proxy.exchanges()["count"] == 3, what="three tunnels left")
    # by its address as well as by its name
    proxy.reload(written({"access": [{"deny": {"addresses": ["127.0.0.0/8"]}}, {"allow": {}}]}))
    for client in clients:
        client.expect_end()
    records = proxy.wait_for_records(6)
    assert {record["fault"] for record in records} == {"revoked"}


def test_rules_with_effects_are_asked_again_without_having_them_again(start_proxy, origin):
    def rules(port: int, to: str) -> list:
        led = {"name": "led", "allow": {"hosts": "127.0.0.9"}, "redirect": to, "limit": {"rate": "1/h"}}
        return [{"name": "not-that", "deny": {"ports": [port]}}, led, {"name": "all", "allow": {}}]

    there = origin("echo")
    proxy = start_proxy({"access": rules(1, "127.0.0.1")})
    client, answer = proxy.tunnel(there.port, "127.0.0.9")
    assert answer.status == 200
    # new rules of the same: its limit is used up, but by this tunnel; and where it leads has not changed
    proxy.reload(written({"access": rules(2, "127.0.0.1")}))
    client.send(b"ping")
    assert client.read_exactly(4) == b"ping"
    assert proxy.tunnel(there.port, "127.0.0.9")[1].status == 429
    proxy.reload(written({"access": rules(2, "127.0.0.2")}))
    client.expect_end()
    wait_until(lambda: proxy.total("limen_faults_total", fault="revoked") == 1, what="it was revoked")


@pytest.mark.sanitize
def test_listing_and_killing(start_proxy, origin):
    first, second = origin("echo"), origin("echo")
    proxy = start_proxy()
    clients = [proxy.tunnel(first.port)[0], proxy.tunnel(first.port)[0], proxy.tunnel(second.port)[0]]
    clients[0].send(b"x" * 1000)
    assert clients[0].read_exactly(1000)
    wait_until(lambda: sum(row["sent"] for row in proxy.exchanges()["exchanges"]) == 1000, what="bytes of the tunnel")
    found = proxy.exchanges("?top=1")
    assert found["count"] == 3
    assert found["next"] is None
    row = next(row for row in found["exchanges"] if row["sent"])
    assert row["target"] == row["address"] == f"127.0.0.1:{first.port}"
    assert row["client"].startswith("127.0.0.1:")
    assert (row["rule"], row["listener"], row["protocol"], row["phase"]) == ("all", "front", "connect", "tunnel")
    assert (row["received"], row["method"]) == (1000, "CONNECT")
    assert found["talkers"] == [{"name": "127.0.0.1", "bytes": 2000, "exchanges": 3}]
    assert found["targets"][0] == {"name": f"127.0.0.1:{first.port}", "bytes": 2000, "exchanges": 2}

    assert proxy.exchanges(f"?target=127.0.0.1:{second.port}")["count"] == 1
    assert proxy.exchanges("?client=10.0.0.0/8")["count"] == 0
    assert proxy.admin("/exchanges?colour=red").status == 400
    shown = proxy.command("live")
    assert shown.stdout.count("connect") == 3
    assert json.loads(proxy.command("live", "--json", "--client", "127.0.0.1").stdout)["count"] == 3

    assert proxy.command("live", "--kill").returncode == 2
    assert "1 ended" in proxy.command("live", "--kill", "--id", row["id"]).stdout
    clients[0].expect_end()
    assert "1 ended" in proxy.command("live", "--kill", "--target", f"127.0.0.1:{second.port}").stdout
    clients[2].expect_end()
    wait_until(lambda: proxy.exchanges()["count"] == 1, what="one tunnel left")
    clients[1].send(b"still there")
    assert clients[1].read_exactly(11) == b"still there"
    assert "1 ended" in proxy.command("live", "--kill", "--all").stdout
    clients[1].expect_end()
    wait_until(lambda: proxy.total("limen_faults_total", fault="killed") == 3, what="three killed")


def test_two_thousand_tunnels_in_pages(start_proxy, origin):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
    source = origin("echo")
    proxy = start_proxy(root={"limits": {"connections": 5000}})

    async def hold(count):
        opened = []
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port())
            writer.write(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n" % source.port)
            opened.append((reader, writer))
        for reader, _ in opened:
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        found = await asyncio.to_thread(walk)
        for _, writer in opened:
            writer.close()
            await writer.wait_closed()
        return found

    def walk():
        seen, after = [], ""
        while True:
            page = proxy.exchanges(f"?limit=300{after}")
            assert page["count"] == 2000
            seen += [row["id"] for row in page["exchanges"]]
            if page["next"] is None:
                return seen
            after = f"&after={page['next']}"

    try:
        seen = asyncio.run(hold(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(seen) == len(set(seen)) == 2000
    wait_until(lambda: proxy.exchanges()["count"] == 0, what="no tunnel left")


def test_streams_and_gateways_are_listed_and_judged(start_proxy, origin):
    source = origin("echo")
    listeners = [
        {"bind": "127.0.0.1:@PORT@", "name": "raw", "stream": {"upstream": "db"}},
    ]
    root = {"listeners": listeners, "upstreams": {"db": {"endpoints": [f"127.0.0.1:{source.port}"]}}}
    proxy = start_proxy(root=root)
    client = proxy.connect().send(b"hello")
    assert client.read_exactly(5) == b"hello"
    (row,) = proxy.exchanges("?protocol=tcp&upstream=db")["exchanges"]
    assert (row["listener"], row["endpoint"]) == ("raw", f"127.0.0.1:{source.port}")
    listeners[0]["deny"] = {"networks": ["127.0.0.0/8"]}
    proxy.reload(written(root=root))
    client.expect_end()
    wait_until(lambda: proxy.total("limen_faults_total", fault="revoked") == 1, what="it was revoked")
