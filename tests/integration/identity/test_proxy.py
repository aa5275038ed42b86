"""Who may use a proxy: real clients, one connection with several identities, changed files, guessers."""

import base64
import subprocess
from contextlib import ExitStack

import bcrypt
import httpx
import pytest
import requests

from tests.support import RawClient, Reply, available, blackhole, json_lines, put, wait_until

CONFIG = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
log: {access: {path: @DIR@/access.jsonl, flush: 50ms}}
identities:
  staff: {basic: @DIR@/passwords, groups: {admins: [alice]}}
  robots: {bearer: {tokens: @DIR@/tokens}}
listeners:
  - bind: 127.0.0.1:@PORT@
    forward:
      identity: [robots, staff]
      access:
        - {name: not-bob, deny: {users: bob, hosts: localhost}}
        - {name: staff, allow: {users: ["alice", "bob", "José"]}}
        - {name: robots, allow: {groups: robots}}
      targets: {private: allow}
"""
EXAMPLE = "50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c"


def hashed(password):
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def basic(pair, scheme="Basic"):
    data = pair if isinstance(pair, bytes) else pair.encode()
    return ("Proxy-Authorization", f"{scheme} {base64.b64encode(data).decode()}")


@pytest.fixture
def proxy(start_limen, tmp_path):
    (tmp_path / "passwords").write_text(
        f"alice:{hashed('wonder:land')}\nbob:{hashed('builder')}\nJosé:{hashed('ñandú')}\n", encoding="utf-8"
    )
    (tmp_path / "tokens").write_text(f"builds:sha256:{EXAMPLE}:robots\n")
    return start_limen(CONFIG, directory=tmp_path)


def ask(client, origin, *fields, host=None):
    port = origin.address.rpartition(":")[2]
    authority = f"{host}:{port}" if host else origin.address
    return client.request("GET", f"http://{authority}/", fields)


def records(proxy):
    return json_lines(proxy.directory / "access.jsonl")


@pytest.mark.sanitize
def test_one_connection_with_several_identities(proxy, start_origin):
    origin = start_origin(Reply())
    with proxy.connect() as client:
        refused = ask(client, origin)
        assert refused.status == 407
        # in the order of the configuration, and without a name of host or software
        assert refused.get_all("proxy-authenticate") == [
            'Bearer realm="access"',
            'Basic realm="access", charset="UTF-8"',
        ]
        assert refused.get("www-authenticate") is None
        assert ask(client, origin, basic("alice:wonder:land")).status == 200
        assert ask(client, origin, basic("bob:builder", "bAsIc")).status == 200
        assert ask(client, origin, basic("bob:builder"), host="localhost").status == 403
        assert ask(client, origin, ("Proxy-Authorization", "Bearer example")).status == 200
        assert ask(client, origin, basic("José:ñandú")).status == 200
        assert ask(client, origin, basic("José:ñandú".encode("latin-1"))).status == 200
        # known by then, and nobody again without
        assert ask(client, origin, basic("alice:wonder:land")).status == 200
        assert ask(client, origin).status == 407
        wrong = ask(client, origin, ("Proxy-Authorization", "Bearer other"))
        assert (wrong.status, wrong.get_all("proxy-authenticate")[0]) == (
            407,
            'Bearer realm="access", error="invalid_token"',
        )
    assert all(request.get("proxy-authorization") is None for request in origin.requests)
    assert len(origin.requests) == 6
    wait_until(lambda: len(records(proxy)) == 10)
    assert [record.get("user") for record in records(proxy)] == [
        None, "alice", "bob", "bob", "builds", "José", "José", "alice", None, None
    ]  # fmt: skip
    wait_until(lambda: proxy.metrics()["limen_identity_failures_total"] == 1)
    assert proxy.metrics()["limen_identity_checks_total"] == 7
    assert "wonder" not in proxy.log


@pytest.mark.sanitize
def test_malformed_and_doubled_credentials(proxy, start_origin):
    origin = start_origin(Reply())
    alice = basic("alice:wonder:land")
    shown = [
        [("Proxy-Authorization", "")],
        [("Proxy-Authorization", "Basic")],
        [("Proxy-Authorization", "Basic %%%")],
        [alice, alice],
        [alice, ("Proxy-Authorization", "Bearer example")],
        [("Authorization", alice[1])],
        [("Proxy-Authorization", "Negotiate abc")],
    ]
    with proxy.connect() as client:
        for fields in shown:
            assert ask(client, origin, *fields).status == 407, fields
        # too large for a head, then within it but no name at all
        assert ask(client, origin, basic("a" * 5000 + ":x")).status == 407
    with proxy.connect() as client:
        assert ask(client, origin, basic("a" * 40000 + ":x")).status == 431
    assert not origin.requests


def test_pipelined_requests_wait_for_the_first(proxy, start_origin):
    origin = start_origin([Reply(content=b"one"), Reply(content=b"two")])
    heads = [
        f"GET http://{origin.address}/{name} HTTP/1.1\r\nHost: {origin.address}\r\n{field}: {value}\r\n\r\n"
        for name, (field, value) in {"1": basic("alice:wonder:land"), "2": basic("bob:builder")}.items()
    ]
    with proxy.connect() as client:
        client.send("".join(heads))
        assert [client.read_response().content for _ in heads] == [b"one", b"two"]
        # content that comes with a request that nobody knows yet is not lost
        body = (
            f"POST http://{origin.address}/ HTTP/1.1\r\nHost: {origin.address}\r\n"
            f"Proxy-Authorization: Bearer example\r\nContent-Length: 5\r\n\r\nhello"
        )
        client.send(body)
        assert client.read_response().status == 200
    assert origin.requests[2].content == b"hello"


def test_refused_before_anything_is_looked_up_or_dialled(proxy):
    with proxy.connect() as client:
        response = client.request("CONNECT", "nowhere.invalid:443")
        assert response.status == 407
        assert client.request("GET", "http://nowhere.invalid/").status == 407
    assert proxy.metrics()["limen_dns_lookups_total"] == 0


@pytest.mark.sanitize
def test_a_changed_file_counts_for_clients_that_are_connected(proxy, start_origin):
    origin = start_origin(Reply())
    path = proxy.directory / "passwords"
    with proxy.connect() as client:
        assert ask(client, origin, basic("alice:wonder:land")).status == 200
        put(path, "alice:plain\n")
        proxy.wait_for_log(r"line 1: the hash is a plain text")
        assert ask(client, origin, basic("alice:wonder:land")).status == 200
        put(path, f"alice:{hashed('other')}\n")
        wait_until(lambda: ask(client, origin, basic("alice:other")).status == 200)
        assert ask(client, origin, basic("alice:wonder:land")).status == 407


def test_guessers_are_slowed_down_and_told_of(proxy, start_origin):
    origin = start_origin(Reply())
    clients = [RawClient(("127.0.0.1", proxy.port())) for _ in range(12)]
    try:
        with proxy.connect() as client:
            assert ask(client, origin, basic("bob:builder")).status == 200
            # so many that the next have to wait for longer than it takes to send them all
            for number in range(7):
                assert ask(client, origin, basic(f"alice:{number}")).status == 407
        request = f"GET http://{origin.address}/ HTTP/1.1\r\nHost: {origin.address}\r\nConnection: close\r\n"
        for number, client in enumerate(clients):
            client.send(request + ": ".join(basic(f"alice:guess{number}")) + "\r\n\r\n")
        statuses = [client.read_response().status for client in clients]
        # some wait for their turn, the others are told to come again
        assert set(statuses) == {407, 429}
        assert 1 <= statuses.count(407) <= 4
        # who is known is not asked again, and so not slowed down either
        with proxy.connect() as client:
            assert ask(client, origin, basic("bob:builder")).status == 200
    finally:
        for client in clients:
            client.close()
    proxy.wait_for_log("wrong credentials of 'alice' from 127.0.0.1, 4 in a row")
    assert "guess" not in proxy.log


@pytest.mark.skipif(not available("curl"), reason="curl is not installed")
def test_more_questions_than_are_asked_at_once(start_limen):
    text = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
identities: {service: {check: {url: "http://127.0.0.1:@SILENT@/", timeout: 30s}}}
listeners: [{bind: "127.0.0.1:@PORT@", forward: {identity: service, access: [{allow: {}}]}}]
"""
    with blackhole() as silent, ExitStack() as clients:
        proxy = start_limen(text, values={"SILENT": silent})
        for number in range(32):
            client = clients.enter_context(proxy.connect())
            client.send(f"GET http://a/ HTTP/1.1\r\nHost: a\r\n{': '.join(basic(f'user{number}:word'))}\r\n\r\n")
        wait_until(lambda: proxy.metrics()["limen_identity_checks_total"] == 32)
        with proxy.connect() as client:
            assert client.request("GET", "http://a/", [basic("one:more")]).status == 503
        wait_until(lambda: any('fault="identity_shed"' in key for key, value in proxy.metrics().items() if value))


def test_curl(proxy, start_origin):
    origin = start_origin(Reply(content=b"hello"))
    url = f"http://{origin.address}/"
    way = f"127.0.0.1:{proxy.port()}"

    def curl(*arguments):
        done = subprocess.run(
            ["curl", "-s", "-m", "20", "-w", "%{http_code}", *arguments, url],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    assert curl("-x", f"http://alice:wonder%3Aland@{way}") == "hello200"
    assert curl("-x", f"http://{way}", "-U", "bob:builder", "--proxy-anyauth") == "hello200"
    assert curl("-x", f"http://{way}", "--proxy-header", "Proxy-Authorization: Bearer example") == "hello200"
    assert curl("-p", "-x", f"http://bob:builder@{way}") == "hello200"
    assert curl("-p", "-x", f"http://{way}").endswith("000")


def test_requests_and_httpx(proxy, start_origin):
    origin = start_origin(Reply(content=b"hello"))
    url = f"http://{origin.address}/"
    way = f"http://alice:wonder%3Aland@127.0.0.1:{proxy.port()}"
    session = requests.Session()
    session.trust_env = False
    assert session.get(url, proxies={"http": way}, timeout=60).text == "hello"
    assert session.get(url, proxies={"http": f"http://127.0.0.1:{proxy.port()}"}, timeout=60).status_code == 407
    session.close()
    with httpx.Client(proxy=way, trust_env=False, timeout=60) as client:
        assert client.get(url).text == "hello"
