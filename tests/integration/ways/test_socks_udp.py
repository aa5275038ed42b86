"""UDP ASSOCIATE: datagrams between a client and the targets that it asked for, and nobody else; BIND."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.integration.ways.speaking import (
    GREETING,
    faults,
    open5,
    read_reply4,
    read_reply5,
    request4,
    request5,
    target,
)
from tests.support import LimenProcess, RawClient, json_lines, wait_until

TEXT = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
log: {access: {path: "@DIR@/access.jsonl"}}
resolver: {hosts: true, servers: ["127.0.0.1:1"], timeout: 200ms}
listeners:
  - bind: 127.0.0.1:@PORT@
    socks:
      udp: {targets: 3, idle: 1h, largest: 1000B}
      bind: {wait: 4s}
      targets: {allow: [127.0.0.0/8]}
      access:
        - {name: no-telnet, deny: {ports: [23]}}
        - {name: no-ads, deny: {hosts: [.ads.example]}}
        - {name: no-bind-to-two, deny: {methods: [BIND], addresses: [127.0.0.2]}}
        - allow: {methods: [UDP, BIND]}
  - bind: 127.0.0.1:@SHORT@
    socks: {udp: {idle: 1s}, targets: {private: allow}, access: [{allow: {}}]}
  - bind: 127.0.0.1:@SAFE@
    socks: {udp: true, bind: true}
"""


@pytest.fixture(scope="module")
def proxy():
    with LimenProcess(TEXT) as started:
        yield started


@contextlib.contextmanager
def udp(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind((host, 0))
        made.settimeout(60)
        yield made


@contextlib.contextmanager
def echo_target(host: str = "127.0.0.1") -> Iterator[tuple[int, list[tuple[bytes, tuple[str, int]]]]]:
    """A target that sends back what it gets: its port, and what came from where."""
    seen: list[tuple[bytes, tuple[str, int]]] = []
    with udp(host) as server:

        def serve() -> None:
            while True:
                try:
                    data, sender = server.recvfrom(65535)
                except OSError:
                    return
                if data == b"end":
                    return
                seen.append((data, sender))
                server.sendto(b"echo " + data, sender)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        try:
            yield port, seen
        finally:
            with udp() as last:
                last.sendto(b"end", (host, port))
            thread.join(10)


def associate(proxy: LimenProcess, name: str = "PORT", port: int = 0) -> tuple[RawClient, tuple[str, int]]:
    """The connection that keeps an association, and where its relay is."""
    client = open5(proxy, "127.0.0.1" if port else "0.0.0.0", port, name=name, command=3)
    code, host, relay = read_reply5(client)
    assert (code, host) == (0, "127.0.0.1")
    return client, (host, relay)


def datagram(host: str, port: int, content: bytes) -> bytes:
    return bytes(3) + target(host, port) + content


@pytest.mark.sanitize
def test_there_and_back(proxy):
    descriptors = proxy.open_files()
    with echo_target() as (port, seen), udp() as local:
        client, relay = associate(proxy)
        for host in ("127.0.0.1", "localhost", "127.0.0.1"):
            for content in (b"hello", b"", b"x" * 995):
                local.sendto(datagram(host, port, content), relay)
                answer, sender = local.recvfrom(65535)
                assert sender == relay
                assert answer == datagram("127.0.0.1", port, b"echo " + content)
        assert len(seen) == 9
        # what comes on the connection is nothing
        client.send(b"x" * 10_000)
        local.sendto(datagram("127.0.0.1", port, b"still here"), relay)
        assert local.recvfrom(65535)[0].endswith(b"still here")
        client.close()
    # the association ends with its connection, and its sockets with it
    wait_until(lambda: proxy.open_files() <= descriptors)
    log = proxy.directory / "access.jsonl"
    sent = 3 * (5 + 995) + 10

    def told():
        # (other tests may have had associations before)
        return [one for one in json_lines(log) if one["method"] == "UDP" and one["received"] == sent]

    wait_until(told, what="the record")
    (record,) = told()
    assert (record["protocol"], record["status"], record["tunnel"]) == ("socks5", 200, True)
    assert record["sent"] == sent + 5 * 10


@pytest.mark.sanitize
def test_what_is_dropped_is_counted(proxy):
    """Each of these would reach somebody who did not ask for it, or a target that the rules close."""
    with echo_target() as (port, seen), udp() as local, udp("127.0.0.2") as other, udp() as stranger:
        client, relay = associate(proxy)
        local.sendto(datagram("127.0.0.1", port, b"hello"), relay)
        assert local.recvfrom(100)[0] == datagram("127.0.0.1", port, b"echo hello")
        outside = seen[0][1]
        bad = [
            ("datagram", other, datagram("127.0.0.1", port, b"another address"), relay),
            ("datagram", stranger, datagram("127.0.0.1", port, b"another port"), relay),
            ("datagram", stranger, b"an answer that nobody asked for", outside),
            ("datagram", local, b"\0\0\1" + target("127.0.0.1", port) + b"a fragment", relay),
            ("datagram", local, b"\0\0\0\7malformed", relay),
            ("datagram", local, b"", relay),
            ("datagram", local, datagram("127.0.0.1", port, b"x" * 1001), relay),
            ("target", local, datagram("a b", port, b"no host"), relay),
            ("target", local, datagram("127.0.0.1", 0, b"no port"), relay),
            ("denied", local, datagram("127.0.0.1", 23, b"by a rule"), relay),
            ("denied", local, datagram("track.ads.example", port, b"by name"), relay),
            ("target_address", local, datagram("10.0.0.1", port, b"a private address"), relay),
            ("target_address", local, datagram("224.0.0.1", port, b"everybody"), relay),
            ("target_address", local, datagram("255.255.255.255", port, b"everybody"), relay),
            ("loop", local, datagram("127.0.0.1", proxy.port(), b"ourselves"), relay),
        ]
        for label, sender, data, where in bad:
            before = faults(proxy, label)
            sender.sendto(data, where)
            wait_until(lambda label=label, before=before: faults(proxy, label) == before + 1, what=f"{label}: {data!r}")
        # a target by number is not one by name, whose rule has said yes
        local.sendto(datagram("127.0.0.1", port, b"last"), relay)
        assert local.recvfrom(100)[0] == datagram("127.0.0.1", port, b"echo last")
        assert [data for data, _ in seen] == [b"hello", b"last"]
        client.close()


def test_targets_of_one_association_are_bounded(proxy):
    with contextlib.ExitStack() as stack:
        local = stack.enter_context(udp())
        ports = [stack.enter_context(echo_target())[0] for _ in range(4)]
        client, relay = associate(proxy)
        before = faults(proxy, "datagram_targets")
        for port in [*ports[:3], *ports[:3]]:
            local.sendto(datagram("127.0.0.1", port, b"x"), relay)
            assert local.recvfrom(100)[0] == datagram("127.0.0.1", port, b"echo x")
        local.sendto(datagram("127.0.0.1", ports[3], b"x"), relay)
        wait_until(lambda: faults(proxy, "datagram_targets") == before + 1)
        client.close()


def test_only_the_port_that_the_client_named(proxy):
    with echo_target() as (port, seen), udp() as local, udp() as other:
        client, relay = associate(proxy, port=local.getsockname()[1])
        before = faults(proxy, "datagram")
        other.sendto(datagram("127.0.0.1", port, b"first"), relay)
        wait_until(lambda: faults(proxy, "datagram") == before + 1)
        local.sendto(datagram("127.0.0.1", port, b"x"), relay)
        assert local.recvfrom(100)[0].endswith(b"echo x")
        assert len(seen) == 1
        client.close()


def test_silent_associations_end(proxy):
    client, _ = associate(proxy, "SHORT")
    with client:
        client.expect_end()


def test_a_flood_is_bounded(proxy):
    """Ten thousand datagrams to names that nobody knows: memory stays, and others are served."""
    client, relay = associate(proxy)
    before = proxy.memory()
    with udp() as local, echo_target() as (port, _):
        for number in range(10_000):
            with contextlib.suppress(BlockingIOError):
                local.sendto(datagram(f"a{number % 50}.invalid", 53, b"x" * 900), relay)

        def answered() -> bool:
            # the buffer of the relay may be full of the flood
            local.settimeout(0.5)
            local.sendto(datagram("127.0.0.1", port, b"x"), relay)
            with contextlib.suppress(TimeoutError):
                return local.recvfrom(100)[0].endswith(b"echo x")
            return False

        wait_until(answered)
    assert proxy.memory() - before < 8 << 20
    client.close()


def test_safe_defaults(proxy):
    with udp() as local:
        client, relay = associate(proxy, "SAFE")
        for label, data in (
            ("denied", datagram("192.0.2.1", 123, b"x")),
            ("target_address", datagram("127.0.0.1", 53, b"x")),
            ("target_address", datagram("localhost", 443, b"x")),
        ):
            before = faults(proxy, label)
            local.sendto(data, relay)
            wait_until(lambda label=label, before=before: faults(proxy, label) == before + 1, what=label)
        client.close()
    with open5(proxy, "127.0.0.1", 21, name="SAFE", command=2) as client:
        assert read_reply5(client)[0] == 2


# BIND --------------------------------------------------------------------------------------------------------


@pytest.mark.sanitize
@pytest.mark.parametrize("version", [4, 5])
def test_a_peer_connects(proxy, version):
    descriptors = proxy.open_files()
    with proxy.connect() as client:
        if version == 5:
            client.send(GREETING + request5("127.0.0.1", 21, 2) + b"sent ahead")
            assert client.read_exactly(2) == b"\x05\x00"
            code, host, port = read_reply5(client)
            assert (code, host) == (0, "127.0.0.1")
        else:
            client.send(request4("localhost", 21, 2) + b"sent ahead")
            reply = client.read_exactly(8)
            assert reply[:2] == b"\x00\x5a"
            assert reply[4:] == bytes([127, 0, 0, 1])
            port = int.from_bytes(reply[2:4], "big")
        # somebody else is closed at once, and the peer may still come
        with socket.create_connection(("127.0.0.1", port), 10, source_address=("127.0.0.3", 0)) as stranger:
            assert stranger.recv(1) == b""
        with RawClient(("127.0.0.1", port)) as peer:
            where = peer.socket.getsockname()
            if version == 5:
                assert read_reply5(client) == (0, *where)
            else:
                assert read_reply4(client) == 0x5A
            assert peer.read_exactly(10) == b"sent ahead"
            peer.send(b"x" * 100_000)
            assert client.read_exactly(100_000) == b"x" * 100_000
            # one connection, then nobody listens any more
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), 10)
            client.half_close()
            peer.expect_end()
    wait_until(lambda: proxy.open_files() <= descriptors)


def test_a_peer_that_does_not_come_or_may_not(proxy):
    descriptors = proxy.open_files()
    with open5(proxy, "127.0.0.1", 21, command=2) as client:
        assert read_reply5(client)[0] == 0
        assert read_reply5(client) == (6, "0.0.0.0", 0)
        client.expect_end()
    for host, port in (("127.0.0.2", 21), ("127.0.0.1", 23), ("10.0.0.1", 21)):
        with open5(proxy, host, port, command=2) as client:
            assert read_reply5(client)[0] == 2
    with open5(proxy, "127.0.0.1", 21, command=2) as client:
        assert read_reply5(client)[0] == 0
        client.reset()
    wait_until(lambda: proxy.open_files() <= descriptors)


@pytest.mark.sanitize
def test_datagrams_count_are_listed_and_judged_again(one_month):
    config = {
        "workers": 1,
        "admin": {"bind": "127.0.0.1:@ADMIN@"},
        "limits": {"quota_file": "quotas.state"},
        "listeners": [
            {
                "bind": "127.0.0.1:@PORT@",
                "socks": {
                    "udp": True,
                    "targets": {"private": "allow"},
                    "access": [{"allow": {}}],
                    "limit": [{"name": "month", "quota": "20KiB/month"}, {"name": "line", "bandwidth": "10MiB/s"}],
                },
            }
        ],
    }
    with LimenProcess(json.dumps(config)) as proxy, echo_target() as (port, seen), udp() as local:
        client, relay = associate(proxy)
        with client:
            local.sendto(datagram("127.0.0.1", port, b"x" * 995), relay)
            assert len(local.recvfrom(65535)[0]) == 10 + 1000
            (row,) = json.loads(proxy.admin("/exchanges?protocol=udp").content)["exchanges"]
            assert (row["received"], row["sent"], row["phase"]) == (995, 1000, "tunnel")
            # rules in force now are asked about the next datagram, though the target was allowed before
            rules = config["listeners"][0]["socks"]["access"]
            rules.insert(0, {"deny": {"ports": [port]}})
            proxy.reload(json.dumps(config))
            wait_until(lambda: denied(proxy, local, relay, port, seen), what="datagrams denied")
            del rules[0]
            proxy.reload(json.dumps(config))
            count = len(seen)
            # until the quota is used up, which ends the association
            wait_until(lambda: pushed(proxy, local, relay, port), what="the quota used up")
            client.expect_end()
        assert 8 <= len(seen) - count <= 10
        wait_until(lambda: faults(proxy, "quota") == 1, what="one fault")


def denied(proxy, local, relay, port, seen):
    """Whether a datagram is dropped for a rule."""
    before = faults(proxy, "denied")
    local.sendto(datagram("127.0.0.1", port, b""), relay)
    return faults(proxy, "denied") > before


def pushed(proxy, local, relay, port):
    """Sends one more; whether that was too much."""
    local.sendto(datagram("127.0.0.1", port, b"x" * 995), relay)
    return faults(proxy, "quota") > 0
