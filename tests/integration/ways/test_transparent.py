"""Transparent listeners, where the kernel really redirects: they go where the client was going, and nowhere else."""

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.ways.network import OTHER, ROUTER, ROUTER6, TARGET, TARGET6, Network
from tests.support import LimenProcess, RawClient, RawOrigin, Reply, ScriptedOrigin, echo, json_lines, wait_until

TEXT = """
workers: 1
log: {access: {path: "@DIR@/access.jsonl"}}
resolver: {hosts: false, servers: ["127.0.0.1:1"], timeout: 200ms}
listeners:
  - {bind: "0.0.0.0:3129", name: four, forward: &rules {transparent: @KIND@, targets: {allow: [203.0.113.0/24, "2001:db8:10::/48"]},
      access: [{name: never, deny: {addresses: 203.0.113.66}},
               {name: safe, allow: {hosts: www.safe.example}, redirect: 203.0.113.20},
               {name: unsafe, allow: {hosts: www.unsafe.example}, redirect: 203.0.113.66}, {name: blocked, deny: {hosts: [.blocked.example]}}, {name: high, deny: {ports: ["1024-65535"]}}, {allow: {}}],
      open: true}}
  - {bind: "[::]:3129", name: six, forward: *rules}
"""
WHY_NOT = Network.why_not()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


@pytest.fixture(scope="module", params=["redirect", "tproxy"])
def network(request):
    with Network() as made:
        lead = getattr(made, request.param)
        for port in (80, 443, 8080):
            lead(port, 3129)
        with contextlib.ExitStack() as stack:
            with made.router:
                made.proxy = stack.enter_context(LimenProcess(TEXT, values={"KIND": request.param}, fresh=True))
                made.kind = request.param
            yield made


@pytest.fixture(params=[TARGET, TARGET6])
def target(request):
    return request.param


def hello(name: str) -> bytes:
    """A client hello that names a host."""
    context = ssl.create_default_context()
    inside, outside = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(inside, outside, server_hostname=name).do_handshake()
    return outside.read()


def at(port: int, origin: Any) -> Any:
    """The origin, not yet started, on a port of its own choice."""
    origin.port = port
    return origin


def connect(network: Network, address: str, port: int) -> RawClient:
    with network.client:
        return RawClient((address, port))


def records(network: Network) -> list[dict]:
    return json_lines(network.proxy.directory / "access.jsonl")


def test_plain_http_goes_where_the_client_was_going(network, target):
    """Names that nobody could resolve, and addresses of others in Host: only rules look at them (CVE-2009-0801)."""
    with network.router, contextlib.ExitStack() as stack:
        origin = stack.enter_context(at(80, ScriptedOrigin(lambda *_: [Reply(content=b"the target")], host=target)))
        with connect(network, target, 80) as client:
            for host in ("www.example.com", "203.0.113.99", "www.example.com:8080"):
                response = client.request("GET", "/path?query", host=host)
                assert (response.status, response.content) == (200, b"the target")
                assert (origin.requests[-1].target, origin.requests[-1].get("host")) == ("/path?query", host)
            response = client.request("GET", "/", host="www.blocked.example")
            assert (response.status, "rule: blocked" in response.text) == (403, True)
            # no proxy to be asked for tunnels
            assert client.request("CONNECT", "203.0.113.10:443", host="203.0.113.10:443").status == 405
        with connect(network, target, 80) as client:
            client.send("GET / HTTP/1.0\r\n\r\n")
            assert client.read_response().content == b"the target"


def test_a_rule_leads_to_another_host_whose_address_is_judged(network, target):
    """Although the address where the client was going is known from the beginning."""
    with network.router, at(80, ScriptedOrigin(Reply(content=b"safe"), host=OTHER)) as origin:
        with connect(network, target, 80) as client:
            response = client.request("GET", "/x", host="www.safe.example")
            assert (response.status, response.content) == (200, b"safe")
            response = client.request("GET", "/x", host="www.unsafe.example")
            assert (response.status, "rule: never" in response.text) == (403, True)
        assert [request.get("host") for request in origin.requests] == ["www.safe.example"]


def test_tls_goes_unopened_and_its_name_is_looked_at(network, target):
    with network.router, at(443, RawOrigin(echo, host=target)) as origin:
        for send in (RawClient.send, RawClient.send_bytewise):
            with connect(network, target, 443) as client:
                greeting = hello("www.example.com")
                send(client, greeting)
                assert client.read_exactly(len(greeting)) == greeting
                client.send(b"x" * 100_000)
                assert client.read_exactly(100_000) == b"x" * 100_000
        served = len(origin.connections)
        with connect(network, target, 443) as client:
            client.send(hello("www.blocked.example"))
            client.expect_end()
        with connect(network, target, 443) as client:
            client.send(b"\x16\x03\x01\x00\x05nonsense")
            client.expect_end()
        assert len(origin.connections) == served

    def found(condition: Callable[[dict], bool]) -> list[dict]:
        return [one for one in records(network) if condition(one)]

    # (other tests have denied that name, too, to clients of plain HTTP)
    wait_until(lambda: bool(found(lambda one: one.get("host") == "www.blocked.example" and "protocol" in one)))
    (denied, *_) = found(lambda one: one.get("host") == "www.blocked.example" and "protocol" in one)
    assert (denied["protocol"], denied["target"], denied["fault"]) == ("tls", "www.blocked.example:443", "denied")
    wait_until(lambda: bool(found(lambda one: bool(one.get("tunnel")) and one["endpoint"].endswith(":443"))))
    (passed, *_) = found(lambda one: bool(one.get("tunnel")) and one["endpoint"].endswith(":443"))
    assert (passed["host"], passed["endpoint"].strip("[]").startswith("203.0.113.10") or TARGET6 in passed["endpoint"]) == (
        "www.example.com", True,
    )  # fmt: skip


def test_the_port_that_rules_see_is_the_one_that_is_dialled(network, target):
    with network.router, at(8080, ScriptedOrigin(Reply(), host=target)) as origin:
        with connect(network, target, 8080) as client:
            assert client.request("GET", "/", host="www.example.com:80").status == 403
        assert not origin.requests


def test_clients_that_nobody_has_redirected(network, target):
    """Who connects to the listener itself reaches neither it nor anything."""
    own = ROUTER6 if ":" in target else ROUTER
    with connect(network, own, 3129) as client:
        response = client.request("GET", "/", host="www.example.com")
        # with TPROXY it looks like a request for the listener's own port
        assert (response.status, "not redirected" in response.text) == (
            (400, True) if network.kind == "redirect" else (403, False)
        )


def test_targets_that_are_not_there(network):
    """The client's connection stands all the same: it is Limen that has taken it, in the name of an address not its own."""
    with connect(network, "203.0.113.77", 80) as client:
        assert client.request("GET", "/", host="www.example.com").status == 502


def test_tproxy_without_the_right_to_it_is_told():
    from limen.config.addresses import parse_address
    from limen.runtime.sockets import BindError, ListenerSockets, make_transparent

    with socket.socket(socket.AF_UNIX) as wrong:
        # a socket that can be nothing of the kind
        with pytest.raises(BindError, match="tproxy"):
            make_transparent(ListenerSockets("key", parse_address("127.0.0.1:1"), (wrong,)))
