"""The audit log has what never became an exchange, too: connections and datagrams that were refused."""

import json
import time

import pytest

from tests.integration.ways.speaking import faults, open5, read_reply5
from tests.integration.ways.test_socks_udp import associate, datagram, udp
from tests.support import LimenProcess, json_lines, wait_until

TEXT = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
log: {audit: {path: "@DIR@/audit.jsonl"}, privacy: {clients: network}}
identities: {robots: {bearer: {tokens: "@DIR@/tokens"}}}
listeners:
  - {bind: "127.0.0.1:@DENIED@", name: denied, deny: {networks: 127.0.0.0/8}, forward: {access: [{allow: {}}]}}
  - {bind: "127.0.0.1:@NOT@", name: not-there, allow: {networks: 192.0.2.0/24}, routes: [{respond: {status: 204}}]}
  - {bind: "127.0.0.1:@ONE@", name: one, per_client: 1, routes: [{respond: {status: 204}}]}
  - {bind: "127.0.0.1:@FEW@", name: few, connections: 1, routes: [{respond: {status: 204}}]}
  - bind: 127.0.0.1:@PORT@
    name: socks
    socks: {udp: true, targets: {private: allow}, access: [{name: no-dns, deny: {ports: [53]}}, {allow: {}}]}
  - {bind: "127.0.0.1:@WHO@", name: who, socks: {identity: robots, access: [{allow: {}}]}}
"""


def lines(site):
    return json_lines(site.directory / "audit.jsonl")


@pytest.mark.sanitize
def test_connections_and_datagrams(tmp_path):
    (tmp_path / "tokens").write_text("")
    with LimenProcess(TEXT, directory=tmp_path) as site:
        for name in ("DENIED", "NOT"):
            with site.connect(name) as client:
                client.expect_end()
        with site.connect("ONE") as first, site.connect("FEW") as second:
            assert first.request("GET", "/").status == 204
            assert second.request("GET", "/").status == 204
            for name in ("ONE", "FEW"):
                with site.connect(name) as client:
                    client.expect_end()
        with site.connect("WHO") as client:
            client.send(b"\x05\x01\x00")
            assert client.read_to_end() == b"\x05\xff"
        client, relay = associate(site)
        with client, udp() as local:
            # denied again and again: counted each time, written down once in a second
            for _ in range(20):
                local.sendto(datagram("127.0.0.1", 53, b"x"), relay)
            wait_until(lambda: faults(site, "denied") == 20, what="all datagrams refused")
        with open5(site, "127.0.0.1", 53) as client:
            assert read_reply5(client)[0] == 2
        wait_until(lambda: len(lines(site)) >= 7, what="the audit log")
        found = lines(site)
        # (one more may be written meanwhile)
        assert found[::-1] == json.loads(site.admin("/refused").content)["refused"][-len(found) :]
        assert len(json.loads(site.admin("/refused?limit=2").content)["refused"]) == 2
        for query in ("limit=0", "limit=x", "limit=1001", "most=1"):
            assert site.admin(f"/refused?{query}").status == 400
        assert "listener_connections" in site.command("top", str(site.path), "--once", "--refused").stdout
    told = [(one["fault"], one["route"], one.get("rule")) for one in found]
    assert told[:5] == [
        ("client_denied", "denied", None),
        ("client_denied", "not-there", None),
        ("client_connections", "one", None),
        ("listener_connections", "few", None),
        ("socks_method", "who", None),
    ]
    datagrams = [one for one in found if one.get("method") == "UDP"]
    assert 1 <= len(datagrams) < 20
    assert (datagrams[0]["rule"], datagrams[0]["host"], datagrams[0]["protocol"]) == ("no-dns", "127.0.0.1", "socks5")
    assert told[-1] == ("denied", "socks", "no-dns")
    assert {one["client"].rpartition(":")[0] or one["client"] for one in found} == {"127.0.0.0"}


def test_a_flood_does_not_fill_the_disk(tmp_path):
    (tmp_path / "tokens").write_text("")
    with LimenProcess(TEXT, directory=tmp_path) as site:
        began = time.monotonic()
        for _ in range(400):
            with site.connect("DENIED") as client:
                client.expect_end()
        assert faults(site, "client_denied") == 400
        seconds = time.monotonic() - began
        wait_until(lambda: len(lines(site)) >= 100, what="the audit log")
    # how long it took is the machine's business: no more than so many in each second that was begun
    assert len(lines(site)) <= 100 * (int(seconds) + 2)
