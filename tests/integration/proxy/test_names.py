"""Names: what DNS answers is judged and dialled, once; times, faults, and races between addresses."""

import socket
import time

import pytest

from tests.support import (
    LimenProcess,
    NameServerThread,
    RawClient,
    ScriptedOrigin,
    WireResponse,
    blackhole,
    free_port,
    needs_ipv6,
)

# 127.0.0.2 stands for the public internet: opened; every other address of loopback is not.
NAMES = """
workers: 1
resolver: {servers: ["@DNS@"], hosts: false, timeout: 2s, min_ttl: 0s, max_ttl: 1h, negative_ttl: 1s}
listeners:
  - bind: 127.0.0.1:@PORT@
    forward:
      targets: {allow: [127.0.0.2/32, @MORE@]}
      access:
        - {name: by-address, deny: {addresses: [127.0.0.3/32]}}
        - allow: {}
      timeouts: {dial: 2s}
"""


def ask(client: RawClient, host: str, port: int, method: str = "GET") -> WireResponse:
    target = f"{host}:{port}" if method == "CONNECT" else f"http://{host}:{port}/"
    client.send(f"{method} {target} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    return client.read_response(method)


@pytest.fixture
def dns():
    with NameServerThread() as server:
        yield server


def start(start_limen, dns: NameServerThread, more: str = "127.0.0.9/32") -> LimenProcess:
    return start_limen(NAMES, values={"DNS": dns, "MORE": more})


def at(host: str, port: int) -> ScriptedOrigin:
    """On the same port as another one: of those that are dealt out, or somebody else might have it on this address."""
    origin = ScriptedOrigin(host=host)
    origin.port = port
    return origin


def test_rebinding_never_reaches_a_closed_address(start_limen, dns: NameServerThread) -> None:
    proxy = start(start_limen, dns)
    port = free_port()
    with at("127.0.0.2", port) as public, at("127.0.0.1", port) as private:
        dns.server.add("evil.test", "0 A 127.0.0.2")
        with proxy.connect() as client:
            assert ask(client, "evil.test", public.port).status == 200
        dns.server.zone[("evil.test", "A")] = ["0 A 127.0.0.1"]
        time.sleep(0.05)  # an answer without a time to live is still one of its moment
        for method in ("CONNECT", "GET", "GET"):
            with proxy.connect() as client:
                # a pooled connection to the address that was open is no harm
                status = ask(client, "evil.test", public.port, method).status
                assert status == 403 or (method == "GET" and status == 200)
        # both in one answer, either order, many times; also behind a CNAME
        dns.server.zone[("both.test", "A")] = ["0 A 127.0.0.1", "0 A 127.0.0.2"]
        dns.server.zone[("alias.test", "CNAME")] = ["0 CNAME both.test."]
        for number in range(12):
            dns.server.zone[("both.test", "A")].reverse()
            with proxy.connect() as client:
                host = "both.test" if number % 2 else "alias.test"
                response = ask(client, host, public.port, "CONNECT" if number % 3 else "GET")
                assert response.status in {200, 403}
        dns.server.add("home.test", "0 A 127.0.0.1", "0 AAAA ::1", "0 AAAA ::ffff:127.0.0.1")
        with proxy.connect() as client:
            response = ask(client, "home.test", public.port)
            assert response.status == 403
            assert "special address" in response.text
        assert not private.connections


def test_own_listener_by_name(start_limen, dns: NameServerThread) -> None:
    proxy = start(start_limen, dns, "127.0.0.0/8")
    dns.server.add("me.test", "60 A 127.0.0.1")
    with proxy.connect() as client:
        assert ask(client, "me.test", proxy.port()).status == 508
        assert ask(client, "me.test.", proxy.port(), "CONNECT").status == 508


def test_time_to_live(start_limen, dns: NameServerThread) -> None:
    proxy = start(start_limen, dns)
    dns.server.add("long.test", "60 A 127.0.0.2")
    dns.server.add("short.test", "1 A 127.0.0.2")
    with ScriptedOrigin(host="127.0.0.2") as origin:
        for _ in range(3):
            for name in ("long.test", "LONG.test.", "short.test"):
                with proxy.connect() as client:
                    client.send(f"GET http://{name}:{origin.port}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    assert client.read_response().status == 200
        assert dns.asked("long.test") == 2  # A and AAAA, once
        before = dns.asked("short.test")
        time.sleep(1.2)
        with proxy.connect() as client:
            client.send(f"CONNECT short.test:{origin.port} HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.read_response("CONNECT").status == 200
        assert dns.asked("short.test") > before
        assert dns.asked("long.test") == 2


def test_names_that_cannot_be_resolved(start_limen, dns: NameServerThread) -> None:
    proxy = start(start_limen, dns)
    with proxy.connect() as client:
        response = ask(client, "nowhere.test", 80)
        assert response.status == 502
        assert "dns_error" in (response.get("proxy-status") or "")
        assert ask(client, "nowhere.test", 443, "CONNECT").status == 502
        dns.server.silent = {"A", "AAAA"}
        response = ask(client, "silent.test", 80)
        assert response.status == 504
        assert "dns_timeout" in (response.get("proxy-status") or "")


def test_rules_on_addresses_see_the_answer(start_limen, dns: NameServerThread) -> None:
    proxy = start(start_limen, dns, "127.0.0.3/32")
    dns.server.add("ruled.test", "60 A 127.0.0.3")
    dns.server.add("chain.test", "60 CNAME ruled.test.")
    with ScriptedOrigin(host="127.0.0.3") as origin, proxy.connect() as client:
        for name in ("ruled.test", "chain.test", "127.0.0.3", "[::ffff:127.0.0.3]"):
            response = ask(client, name, origin.port)
            assert response.status == 403
            assert "rule: by-address" in response.text
        assert not origin.connections


@needs_ipv6
@pytest.mark.sanitize
def test_a_dead_or_silent_ipv6_address_falls_back(start_limen, dns: NameServerThread) -> None:
    proxy = start(start_limen, dns, "'::1/128'")
    dns.server.add("dual.test", "60 AAAA ::1", "60 A 127.0.0.2")
    with (
        blackhole(socket.AF_INET6) as silent,
        ScriptedOrigin(host="127.0.0.2") as origin,
        at("127.0.0.2", silent) as behind,
    ):
        with proxy.connect() as client:
            assert ask(client, "dual.test", origin.port).status == 200
            assert ask(client, "dual.test", behind.port).status == 200
            assert ask(client, "dual.test", behind.port, "CONNECT").status == 200
        assert len(origin.requests) == len(behind.requests) == 1


def test_a_client_that_leaves_during_the_look_up(start_limen, dns: NameServerThread) -> None:
    proxy = start(start_limen, dns)
    dns.server.silent = {"A", "AAAA"}
    for _ in range(20):
        client = proxy.connect()
        client.send("GET http://slow.test/ HTTP/1.1\r\nHost: slow.test\r\n\r\n")
        client.reset()
    with proxy.connect() as client:
        assert ask(client, "slow.test", 80).status == 504
