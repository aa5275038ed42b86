"""Address lists at the door, at routes and in matchers; changed while the gateway runs."""

import pytest

from tests.support import put, run_limen, wait_until
from tests.support.origins import Reply

TWO = {"workers": 2, "lists": {"bad": {"file": "bad.txt"}}}


@pytest.fixture
def bad(tmp_path):
    path = tmp_path / "bad.txt"
    path.write_text("203.0.113.0/24\n", encoding="utf-8")
    return path


def status(gateway, client, target="/"):
    return gateway.get(target, [("X-Forwarded-For", client)]).status


def test_a_route_denies_and_a_change_of_the_file_is_taken(start_gateway, start_origin, bad, tmp_path):
    gateway = start_gateway(
        start_origin(Reply()),
        route={"deny": {"lists": "bad", "networks": "2001:db8::/32"}},
        listener={"trusted": ["127.0.0.1"]},
        root=TWO,
        directory=tmp_path,
    )
    assert [status(gateway, address) for address in ("203.0.113.9", "198.51.100.1", "2001:db8::1")] == [403, 200, 403]
    assert gateway.metrics()['limen_address_list_entries{list="bad"}'] == 1
    put(bad, "# both now\n203.0.113.0/24\n198.51.100.1\n")
    gateway.wait_for_log("lists were read again")
    # both workers have it when it is told
    assert [status(gateway, "198.51.100.1") for _ in range(8)] == [403] * 8
    put(bad, "198.51.100.2\nnonsense\n")
    gateway.wait_for_log(r"bad\.txt was not taken, its former entries stay: line 2: .*nonsense")
    assert [status(gateway, "198.51.100.1") for _ in range(4)] == [403] * 4
    assert status(gateway, "198.51.100.2") == 200
    # gone altogether: the same
    bad.unlink()
    gateway.wait_for_log(r"was not taken, its former entries stay: (?!line)")
    assert status(gateway, "198.51.100.1") == 403
    put(bad, "198.51.100.2\n")
    gateway.wait_for_log("lists were read again", count=2)
    assert [status(gateway, address) for address in ("198.51.100.1", "198.51.100.2")] == [200, 403]
    assert gateway.faults() == {"denied"}


def test_a_listener_closes_before_a_byte_is_read(start_gateway, bad, tmp_path):
    bad.write_text("192.0.2.1\n", encoding="utf-8")
    gateway = start_gateway(
        routes=[{"respond": {"body": "ok"}}], listener={"deny": {"lists": ["bad"]}}, root=TWO, directory=tmp_path
    )
    assert gateway.get("/").status == 200
    put(bad, "127.0.0.0/8\n")
    gateway.wait_for_log("lists were read again")
    for _ in range(6):
        with gateway.connect() as client:
            client.expect_end()
    put(bad, "192.0.2.1\n")
    gateway.wait_for_log("lists were read again", count=2)
    assert gateway.get("/").status == 200
    # the admin address has its own door
    assert gateway.total("limen_faults_total", fault="client_denied") == 6
    assert gateway.total("limen_listener_refused_total") == 6


def test_a_listener_allows_only_some(start_gateway):
    gateway = start_gateway(
        routes=[{"respond": {"body": "ok"}}], listener={"allow": {"networks": ["192.0.2.0/24"]}}, root={"workers": 2}
    )
    with gateway.connect() as client:
        client.expect_end()


def test_the_proxy_protocol_names_who_is_denied(start_gateway, bad, tmp_path):
    gateway = start_gateway(
        routes=[{"respond": {"body": "ok"}}],
        listener={"deny": {"lists": ["bad"]}, "proxy_protocol": {"from": ["127.0.0.1"]}},
        root=TWO,
        directory=tmp_path,
    )
    for source, served in (("198.51.100.1", True), ("203.0.113.1", False)):
        with gateway.connect() as client:
            client.send(f"PROXY TCP4 {source} 192.0.2.10 4000 80\r\n")
            if served:
                assert client.request("GET", "/").status == 200
            else:
                client.expect_end()


def test_a_matcher_and_a_reload_to_another_file(start_gateway, bad, tmp_path):
    (tmp_path / "other.txt").write_text("198.51.100.0-198.51.100.9\n", encoding="utf-8")
    gateway = start_gateway(
        routes=[
            {"match": {"client_lists": "bad", "clients": "192.0.2.1"}, "respond": {"status": 418, "body": "tea"}},
            {"respond": {"body": "ok"}},
        ],
        listener={"trusted": ["127.0.0.1"]},
        root=TWO,
        directory=tmp_path,
    )
    asked = ("203.0.113.7", "192.0.2.1", "198.51.100.5")
    assert [status(gateway, address) for address in asked] == [418, 418, 200]
    assert "reloaded" in gateway.reload(gateway.text.replace("bad.txt", "other.txt"))
    assert [status(gateway, address) for address in asked * 2] == [200, 418, 418] * 2
    # a reload to a file that is broken from the start changes nothing
    (tmp_path / "third.txt").write_text("1.2.3.4/99\n", encoding="utf-8")
    assert "reload refused" in gateway.reload(gateway.text.replace("other.txt", "third.txt"))
    assert [status(gateway, address) for address in asked] == [200, 418, 418]


def test_check_and_start_name_the_line(tmp_path):
    (tmp_path / "bad.txt").write_text("192.0.2.1\n\n10.0.0.1/8\n", encoding="utf-8")
    config = tmp_path / "limen.yaml"
    config.write_text(
        "lists: {bad: {file: bad.txt}}\n"
        "listeners: [{bind: 127.0.0.1:0, deny: {lists: [bad]}, routes: [{respond: {body: ok}}]}]\n",
        encoding="utf-8",
    )
    for command in ("check", "run"):
        done = run_limen(command, str(config))
        assert done.returncode == 2
        assert "limen.yaml:1:" in done.stderr
        assert "bad.txt: line 3: host bits are set: '10.0.0.1/8'" in done.stderr


def test_forward_rules_ask_lists_of_clients_and_targets(start_limen, start_origin, tmp_path):
    (tmp_path / "targets.txt").write_text("127.0.0.2\n", encoding="utf-8")
    (tmp_path / "clients.txt").write_text("127.0.0.0/8\n", encoding="utf-8")
    origin = start_origin(Reply())
    proxy = start_limen(
        """
workers: 2
lists: {targets: {file: targets.txt}, clients: {file: clients.txt}}
listeners:
  - bind: 127.0.0.1:@PORT@
    forward:
      access:
        - deny: {address_lists: targets}
        - allow: {client_lists: [clients]}
      targets: {private: allow}
""",
        directory=tmp_path,
    )

    def ask(host):
        with proxy.connect() as client:
            return client.request("GET", f"http://{host}:{origin.port}/", host=f"{host}:{origin.port}").status

    assert ask("127.0.0.1") == 200
    assert ask("127.0.0.2") == 403
    put(tmp_path / "targets.txt", "127.0.0.1\n")
    proxy.wait_for_log("lists were read again")
    wait_until(lambda: ask("127.0.0.1") == 403, what="the new list")
