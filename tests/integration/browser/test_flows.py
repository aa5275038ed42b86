"""Exchanges under way and who moves most, on the page: shown as they are, found, and ended by pressing twice."""

import json

from tests.integration.browser.test_page import HOSTILE, keep, look  # noqa: F401
from tests.integration.ways.speaking import faults
from tests.support import LimenProcess, RawOrigin, wait_until

SITE = {
    "workers": 1,
    "admin": {"bind": "127.0.0.1:@ADMIN@"},
    "log": {"talkers": True, "audit": "audit.jsonl"},
    "listeners": [
        {
            "name": "proxy",
            "bind": "127.0.0.1:@PORT@",
            "trusted": "127.0.0.0/8",
            "forward": {
                "targets": {"private": "allow"},
                "access": [{"name": "no-mail", "deny": {"ports": [25]}}, {"name": "all", "allow": {}}],
            },
        },
    ],
}
ROWS = "[...document.querySelectorAll('#flows tbody tr')]"
TARGETS = "[...document.querySelectorAll('#talkers-targets tbody tr')]"


def tunnel(site, port, host="127.0.0.1"):
    client = site.connect()
    client.send(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n")
    assert client.read_head().status == 200
    client.send(b"ping")
    assert client.read_exactly(4) == b"ping"
    return client


def echo(connection):
    while data := connection.socket.recv(65536):
        connection.send(data)


def test_tunnels_are_listed_and_ended(look):  # noqa: F811
    with RawOrigin(echo) as first, RawOrigin(echo) as second, LimenProcess(json.dumps(SITE)) as site:
        kept, ended = tunnel(site, first.port), tunnel(site, second.port)
        with kept, ended:
            page = look(f"http://127.0.0.1:{site.port('ADMIN')}/")
            page.size(1280, 900)
            page.wait_for(f"{ROWS}.length === 2", "both tunnels")
            page.wait_for(f"{TARGETS}.some(row => row.cells[0].textContent === '127.0.0.1')", "the target")
            keep(page, "flows-light")
            page.scheme("dark")
            keep(page, "flows-dark")
            row = f"{ROWS}.find(row => row.cells[2].textContent.endsWith(':{second.port}'))"
            assert page.evaluate(f"{row}.cells[5].textContent") == "connect"
            assert page.evaluate(f"{row}.cells[3].textContent") == "all"
            # once is a question
            press = f"({row}).querySelector('button').click()"
            assert page.evaluate(f"{press}; ({row}).querySelector('button').textContent") == "Sure?"
            assert faults(site, "killed") == 0
            # the question is forgotten after some seconds: then this press asks again, and one more answers
            page.evaluate(f"{press}; if (({row}).querySelector('button').textContent === 'Sure?') {press}")
            ended.expect_end()
            page.wait_for(f"{ROWS}.length === 1", "one left")
            wait_until(lambda: faults(site, "killed") == 1, what="it counted")
            kept.send(b"pong")
            assert kept.read_exactly(4) == b"pong"
            # what was refused or ended, and by whom
            with site.connect() as client:
                client.send("CONNECT mail.example:25 HTTP/1.1\r\nHost: mail.example:25\r\n\r\n")
                assert client.read_head().status == 403
            refused = "[...document.querySelectorAll('#refused tbody tr')].map(row => [...row.cells].map(one => one.textContent))"
            for target, rule, fault in (("mail.example", "no-mail", "denied"), ("127.0.0.1", "all", "killed")):
                row = json.dumps([target, rule, fault])
                page.wait_for(
                    f"({refused}).some(cells => JSON.stringify(cells.slice(3)) === JSON.stringify({row}))", fault
                )
            # found by what was asked for
            for value, count in (("*.example.com", 0), ("127.0.0.*", 1)):
                page.evaluate(
                    f"document.querySelector('#flows-form input').value = '{value}';"
                    "document.querySelector('#flows-form').dispatchEvent(new Event('input'))"
                )
                page.wait_for(f"{ROWS}.length === {count}", value)
            # by how often instead of how much
            page.evaluate(
                "document.querySelector('#talkers-form select[name=order]').value = 'exchanges';"
                "document.querySelector('#talkers-form').dispatchEvent(new Event('input'))"
            )
            # the tunnel that was ended, and the one that was refused
            page.wait_for(
                f"{TARGETS}.length === 2 && {TARGETS}.every(row => row.cells[2].textContent === '1')", "both ended"
            )


def test_a_bounded_list_and_names_that_would_be_html(look):  # noqa: F811
    forward = {"targets": {"private": "allow"}, "access": [{"name": HOSTILE, "allow": {}}]}
    site = {**SITE, "listeners": [{**SITE["listeners"][0], "forward": forward}], "log": {}}
    with RawOrigin(echo) as origin, LimenProcess(json.dumps(site)) as started:
        clients = [tunnel(started, origin.port) for _ in range(130)]
        page = look(f"http://127.0.0.1:{started.port('ADMIN')}/")
        page.wait_for(f"{ROWS}.length === 100", "the bound")
        page.wait_for("document.getElementById('flows-note').textContent === 'the 100 oldest of 130'")
        page.wait_for("document.getElementById('talkers-off').textContent.includes('log: {talkers: true}')")
        assert page.evaluate(f"document.getElementById('flows').textContent.includes({json.dumps(HOSTILE)})")
        assert page.evaluate("document.querySelectorAll('main img').length") == 0
        assert page.evaluate("document.title") != "1"
        for client in clients:
            client.close()
        page.wait_for(f"{ROWS}.length === 0", "all over")
        wait_until(lambda: json.loads(started.admin("/exchanges").content)["count"] == 0, what="nothing left")
