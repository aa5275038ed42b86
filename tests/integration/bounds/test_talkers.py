"""Who moves most: counted once, over two workers and all ways in, while tunnels live and after; as discreet as the logs."""

import json

import pytest

from tests.integration.bounds.conftest import written
from tests.integration.ways.speaking import open5, read_reply5
from tests.support import LimenProcess, wait_until

TEXT = """
workers: 2
admin: {bind: "127.0.0.1:@ADMIN@"}
log: {talkers: true}
listeners:
  - bind: 127.0.0.1:@PORT@
    name: proxy
    trusted: 127.0.0.0/8
    forward: {targets: {private: allow}, access: [{name: no, deny: {hosts: never.example}}, {allow: {}}]}
  - {bind: "127.0.0.1:@SOCKS@", socks: {targets: {private: allow}, access: [{allow: {}}]}}
  - {bind: "127.0.0.1:@GATE@", name: gate, routes: [{name: web, upstream: web}]}
  - {bind: "127.0.0.1:@RAW@", name: raw, stream: {upstream: web}}
  - {bind: "127.0.0.1:@QUIET@", log: false, routes: [{upstream: web}]}
upstreams: {web: {endpoints: ["127.0.0.1:@ORIGIN@"]}}
"""


def talkers(site, query=""):
    response = site.admin(f"/talkers{query}")
    assert response.status == 200, response.content
    found = json.loads(response.content)
    return found, {one["name"]: one for one in found["clients"]}, {one["name"]: one for one in found["targets"]}


@pytest.mark.sanitize
def test_all_ways_in_are_counted_once(origin):
    with LimenProcess(TEXT, values={"ORIGIN": origin("http").port}) as site:
        port = site.values["ORIGIN"]
        for number in range(6):
            with site.connect() as client:
                fields = [("X-Forwarded-For", f"192.0.2.{number % 2}")]
                assert client.request("GET", f"http://127.0.0.1:{port}/1000", fields).status == 200
                assert client.request("GET", "http://never.example/", fields).status == 403
        for name in ("GATE", "QUIET"):
            with site.connect(name) as client:
                assert client.request("GET", "/2000", host="Shop.Example").status == 200
        with open5(site, "127.0.0.1", port, name="SOCKS") as client:
            assert read_reply5(client)[0] == 0
            client.send(b"GET /3000 HTTP/1.1\r\nHost: a\r\n\r\n")
            assert len(client.read_response().content) == 3000
        with site.connect("RAW") as client:
            assert len(client.request("GET", "/4000").content) == 4000

        def all_there():
            _, clients, targets = talkers(site)
            return clients["127.0.0.1"]["exchanges"] == 3 and "raw" in targets

        wait_until(all_there, what="the last tunnel counted")
        _, clients, targets = talkers(site)
        assert [clients[f"192.0.2.{number}"]["exchanges"] for number in (0, 1)] == [6, 6]
        assert [clients[f"192.0.2.{number}"]["refused"] for number in (0, 1)] == [3, 3]
        assert targets["never.example"]["refused"] == targets["never.example"]["exchanges"] == 6
        # what asked the listener that keeps no log is nowhere
        assert (targets["shop.example"]["bytes"], targets["shop.example"]["exchanges"]) == (2000, 1)
        assert targets["127.0.0.1"]["exchanges"] == 7
        assert 9000 < targets["127.0.0.1"]["bytes"] < 9500
        assert 4000 < targets["raw"]["bytes"] < 4500
        found, _, _ = talkers(site, "?order=refused&window=1d&limit=1")
        assert [one["name"] for one in found["targets"]] == ["never.example"]
        assert found["clients"][0]["missed"] == 0
        done = site.command("talkers", str(site.path), "--order", "exchanges")
        assert "192.0.2.1" in done.stdout
        assert "never.example" in site.command("top", str(site.path), "--once", "--talkers").stdout
        assert site.admin("/talkers?order=nothing").status == 400


@pytest.mark.sanitize
def test_tunnels_count_while_they_live(start_proxy, origin):
    source = origin("echo")
    proxy = start_proxy(root={"log": {"talkers": True}})
    tunnels = [proxy.tunnel(source.port)[0] for _ in range(8)]
    for turn in range(1, 4):
        for client in tunnels:
            client.send(bytes(50_000))
            client.read_exactly(50_000)
        _, clients, _ = talkers(proxy)
        assert clients["127.0.0.1"]["bytes"] == turn * 800_000
        # they have not ended
        assert clients["127.0.0.1"]["exchanges"] == 0
    for client in tunnels:
        client.close()
    wait_until(lambda: talkers(proxy)[1]["127.0.0.1"]["exchanges"] == 8, what="the end of all")
    assert talkers(proxy)[1]["127.0.0.1"]["bytes"] == 2_400_000


def test_privacy_holds(start_proxy, origin):
    source = origin("http")

    def log(**privacy):
        return {"log": {"talkers": True, "privacy": privacy}}

    def ask():
        with proxy.connect() as client:
            client.request("GET", f"http://127.0.0.1:{source.port}/10")
        found, _, _ = talkers(proxy)
        return [[one["name"] for one in found[kind]] for kind in ("clients", "targets")]

    proxy = start_proxy(root=log(clients="pseudonym", targets="none"))
    (client,), targets = ask()
    assert client.startswith("~")
    assert len(client) == 17
    assert targets == []
    # who was told of otherwise is forgotten
    proxy.reload(written(root=log(clients="network", targets="pseudonym")))
    wait_until(lambda: "~" not in str(talkers(proxy)[0]["clients"]), what="pseudonyms forgotten")
    clients, (target,) = ask()
    assert clients == ["127.0.0.0"]
    assert target.startswith("~")
    proxy.reload(written(root=log(clients="none")))
    wait_until(lambda: talkers(proxy)[0]["clients"] == [], what="networks forgotten")
    assert ask() == [["-"], ["127.0.0.1"]]


def test_nobody_counts_unless_told(start_proxy):
    proxy = start_proxy()
    response = proxy.admin("/talkers")
    assert response.status == 404
    assert b"log: {talkers: true}" in response.content
    assert proxy.admin("/refused").status == 404
    done = proxy.command("talkers", str(proxy.path))
    assert done.returncode == 1
    assert "nobody keeps count" in done.stderr
