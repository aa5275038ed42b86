"""Access rules end to end: every condition, first match, and what a refused client is told."""

from datetime import datetime, timedelta, timezone

import pytest

from tests.support import LimenProcess, RawClient, ScriptedOrigin, WireResponse

RULES = """
workers: 1
resolver: {hosts: false, servers: ["127.0.0.1:1"], timeout: 200ms}
listeners:
  - bind: 127.0.0.1:@PORT@
    trusted: [127.0.0.1/32]
    forward:
      targets: {private: allow}
      access:
        - {name: bad-client, deny: {clients: [198.51.100.0/24, "2001:db8::/32"]}}
        - {name: exact, deny: {hosts: [exact.example]}}
        - {name: suffix, deny: {hosts: [.suffix.example]}}
        - {name: glob, deny: {hosts: ["cdn*.glob.example"]}}
        - {name: deep, deny: {hosts: ["a.**.deep.example"]}}
        - {name: literal, deny: {hosts: ["127.0.0.9"]}}
        - {name: network, deny: {addresses: [127.0.8.0/24], ports: [8888]}}
        - {name: method, deny: {methods: [DELETE, PURGE]}}
        - {name: closed-window, deny: {ports: [7], times: [@CLOSED@]}}
        - {name: open-window, deny: {ports: [7, 9], times: [@OPEN@]}}
        - {name: first, allow: {hosts: [127.0.0.1], ports: ["1025-65535"]}}
        - {name: second, deny: {hosts: [127.0.0.1]}}
        - {allow: {hosts: [nobody.example]}}
  - bind: 127.0.0.1:@SILENT@
    forward: {access: []}
"""


def window(start: timedelta, end: timedelta) -> str:
    """A span of this week around now, as the configuration writes it."""
    now = datetime.now(timezone(timedelta()))
    begin, finish = now + start, now + end
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    day = days[begin.weekday()]
    return f'{{days: [{day}], from: "{begin:%H:%M}", to: "{finish:%H:%M}", zone: UTC}}'


@pytest.fixture(scope="module")
def proxy():
    windows = {
        "OPEN": window(timedelta(hours=-2), timedelta(hours=2)),
        "CLOSED": window(timedelta(hours=3), timedelta(hours=5)),
    }
    with LimenProcess(RULES, values=windows) as started:
        yield started


def ask(client: RawClient, target: str, method: str = "GET", fields: str = "") -> WireResponse:
    client.send(f"{method} {target} HTTP/1.1\r\nHost: any.example\r\n{fields}\r\n")
    return client.read_response(method)


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        ("http://exact.example/", "exact"),
        ("http://EXACT.example./", "exact"),
        ("http://suffix.example/", "suffix"),
        ("http://a.b.suffix.example/", "suffix"),
        ("http://cdn12.glob.example/", "glob"),
        ("http://a.x.y.deep.example/", "deep"),
        ("http://127.0.0.9/", "literal"),
        ("http://127.0.8.1:8888/", "network"),
        ("http://127.0.0.1:7/", "open-window"),
        ("http://127.0.0.1:9/", "open-window"),
        ("http://127.0.0.1:8/", "second"),
        ("http://other.example/", "none allows it"),
        ("http://notsuffix.example/", "none allows it"),
        ("http://exact.example.org/", "none allows it"),
        ("http://cdn1.x.glob.example/", "none allows it"),
        ("http://sub.exact.example/", "none allows it"),
    ],
)
def test_the_first_rule_that_matches_decides(proxy: LimenProcess, target: str, rule: str) -> None:
    with proxy.connect() as client:
        response = ask(client, target)
        assert response.status == 403
        assert f"rule: {rule}\n" in response.text
        assert "http_request_denied" in (response.get("proxy-status") or "")
        authority = target.removeprefix("http://").removesuffix("/")
        authority = authority if authority.count(":") else authority + ":443"
        response = ask(client, authority, "CONNECT")
        assert response.status == 403
        assert f"rule: {rule}\n" in response.text


def test_methods_and_clients(proxy: LimenProcess) -> None:
    with ScriptedOrigin() as origin, proxy.connect() as client:
        target = f"http://{origin.address}/"
        assert ask(client, target).status == 200
        for method in ("DELETE", "PURGE"):
            assert "rule: method" in ask(client, target, method).text
        assert ask(client, target, "PURGER").status == 200
        for address in ("198.51.100.7", "2001:db8::7", "[2001:db8::7]:80", "8.8.8.8, 198.51.100.7"):
            assert "rule: bad-client" in ask(client, target, fields=f"X-Forwarded-For: {address}\r\n").text
        for address in ("8.8.8.8", "198.51.100.7, 8.8.8.8"):
            assert ask(client, target, fields=f"X-Forwarded-For: {address}\r\n").status == 200


def test_an_empty_list_lets_nobody_through(proxy: LimenProcess) -> None:
    with proxy.connect("SILENT") as client:
        assert ask(client, "http://93.184.216.34/").status == 403


def test_a_reload_changes_the_rules_of_an_open_connection(start_limen, start_origin) -> None:
    text = """
workers: 1
listeners:
  - bind: 127.0.0.1:@PORT@
    forward: {targets: {private: allow}, access: [{VERDICT: {}}]}
"""
    proxy = start_limen(text.replace("VERDICT", "allow"))
    origin = start_origin()
    with proxy.connect() as client:
        assert ask(client, f"http://{origin.address}/").status == 200
        assert "reloaded" in proxy.reload(text.replace("VERDICT", "deny"))
        assert ask(client, f"http://{origin.address}/").status == 403
