"""`limen explain` with what a client shows of its TLS, held against what really happens."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tests.integration.tls.test_client_facts import ask, asking, clients  # noqa: F401 (a fixture)
from tests.integration.tls.test_terminate import certificates
from tests.support import Reply, wait_until

ROUTES = [
    {"name": "staff", "match": {"client_certificate": {"san": "*.staff.example"}}, "respond": {"body": "staff"}},
    {"name": "bob", "match": {"path": "/bob"}, "client_certificate": {"subject": "CN=bob"}, "respond": {"body": "bob"}},
    {"name": "old", "match": {"path": "/old", "ja4": "t10*"}, "respond": {"body": "old"}},
    {"name": "rest", "upstream": "web"},
]


@pytest.fixture
def asked(start_tls, start_origin, authority, clients, tmp_path):  # noqa: F811
    """`asked(path, pair)`: what is explained, and the answer of the same question in earnest."""
    log = tmp_path / "log"
    proxy = start_tls(
        start_origin(Reply(content=b"rest")),
        tls=asking(authority, clients),
        listener={"routes": ROUTES},
        root={"log": {"access": {"path": str(log), "ja4": True}}},
    )

    def explain(path, *more):
        done = proxy.command("explain", f"https://a.example:{proxy.port()}{path}", *more)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if "--json" in more else done.stdout

    def both(path, shown=None, *more):
        more += ("--certificate", str(shown.chain)) if shown is not None else ()
        return explain(path, "--json", *more), ask(proxy, authority, path, shown=shown)

    both.explain, both.proxy, both.log = explain, proxy, log
    return both


def test_a_certificate_decides_as_it_does(asked, clients):  # noqa: F811
    alice = clients.issue("alice", "desk.staff.example", client=True)
    bob = clients.issue("bob", client=True)
    for path, shown in (("/", None), ("/", alice), ("/", bob), ("/bob", None), ("/bob", bob), ("/bob", alice)):
        explained, answered = asked(path, shown)
        if answered.status == 403:
            assert (explained["verdict"]["status"], explained["verdict"]["fault"]) == (403, "client_certificate")
        else:
            assert explained["route"]["name"] == answered.content.decode()
        assert explained.get("certificate") == (f"CN={'alice' if shown is alice else 'bob'}" if shown else None)
    passed = asked("/", bob)[0]["passed_over"]
    assert {row["name"]: row["failed"] for row in passed} == {
        "staff": "client_certificate", "bob": "path", "old": "path",
    }  # fmt: skip


def test_a_fingerprint_decides_as_it_does(asked):
    explained, _ = asked("/old")
    assert explained["route"]["name"] == "rest"
    wait_until(lambda: asked.log.exists() and "\n" in asked.log.read_text(), what="the record")
    own = json.loads(asked.log.read_text().splitlines()[0])["ja4"]
    assert {row["name"]: row["failed"] for row in explained["passed_over"]}["old"] == "ja4"
    assert asked.explain("/old", "--json", "--ja4", own)["route"]["name"] == "rest"
    assert asked.explain("/old", "--json", "--ja4", "t10d000000_000000000000_000000000000")["route"]["name"] == "old"


def test_a_host_that_the_connection_does_not_stand_for(start_tls, start_origin, authority):
    """421 for what the certificate that was chosen by SNI does not cover, and for what only passes here."""
    one, other = authority.issue("a.example", "www.a.example"), authority.issue("b.example")
    tls = certificates(one, other)
    tls["pass"] = [{"match": {"sni": "p.example"}, "upstream": "web"}]
    proxy = start_tls(start_origin(Reply()), tls=tls)
    for sni, host in (
        ("a.example", "a.example"),
        ("a.example", "www.a.example"),
        ("a.example", "b.example"),
        ("b.example", "b.example"),
        ("b.example", "a.example"),
        ("a.example", "p.example"),
        ("a.example", "127.0.0.1"),
        ("b.example", "127.0.0.1"),
        ("", "a.example"),
        ("", "b.example"),
    ):
        context = authority.trusting()
        context.check_hostname = False
        with proxy.connect().secure(context, sni or None) as client:
            status = client.request("GET", "/", host=host).status
        url = f"https://{sni or '127.0.0.1'}:{proxy.port()}/"
        done = proxy.command("explain", url, "--field", f"Host: {host}", "--json")
        verdict = json.loads(done.stdout)["verdict"]
        assert verdict.get("status", 200) == status, (sni, host)
        assert (verdict.get("fault") == "misdirected") == (status == 421)
    asked = proxy.command("explain", f"https://b.example:{proxy.port()}/", "--sni", "a.example", "--json")
    assert json.loads(asked.stdout)["verdict"]["fault"] == "misdirected"
    asked = proxy.command("explain", f"https://a.example:{proxy.port()}/", "--sni", "p.example")
    assert "a client hello that names p.example" in asked.stdout


def test_forms_of_a_certificate_and_what_is_none(asked, clients, tmp_path):  # noqa: F811
    bob = clients.issue("bob", client=True)
    told = asked.explain("/bob", "--certificate", str(bob.chain))
    assert "with the certificate of CN=bob, taken to hold" in told
    (tmp_path / "bob.der").write_bytes(bob.certificate.public_bytes(serialization.Encoding.DER))
    assert asked.explain("/bob", "--certificate", str(tmp_path / "bob.der")) == told
    offline = asked.explain("/bob", str(asked.proxy.path), "--offline", "--certificate", str(bob.chain))
    assert "with the certificate of CN=bob, taken to hold" in offline
    for content, word in (
        (b"", "no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n", "no certificate"),
        (b"not DER", "not a certificate"),
        ((tmp_path / "bob.der").read_bytes() + b"x", "not a certificate"),
        (b"0" * 5000, "at most"),
    ):
        (tmp_path / "wrong").write_bytes(content)
        done = asked.proxy.command("explain", "https://a.example/", "--certificate", str(tmp_path / "wrong"))
        assert done.returncode != 0
        assert word in done.stderr
        assert "Traceback" not in done.stderr
    done = asked.proxy.command("explain", "https://a.example/", "--certificate", str(tmp_path / "nowhere"))
    assert "No such file" in done.stderr


def test_what_nobody_can_have_shown(start_tls, start_origin, authority, clients):  # noqa: F811
    origin = start_origin(Reply())
    bob = clients.issue("bob", client=True)
    plain = start_tls(origin)
    sealed = start_tls(origin, tls={**asking(authority, clients), "client": None})
    for proxy, more, word in (
        (plain, ("--ja4", "t13d1516h2_8daaf6152771_02713d6af862"), "does not end TLS"),
        (plain, ("--certificate", str(bob.chain)), "does not end TLS"),
        (sealed, ("--certificate", str(bob.chain)), "asks nobody for a certificate"),
        (sealed, ("--ja4", "T13 x"), "no JA4"),
        (sealed, ("--sni", "a b"), "no name of a host"),
        (plain, ("--sni", "a.example"), "looks into no client hello"),
    ):
        done = proxy.command("explain", "http://a.example/", "--listener", "front", *more)
        assert done.returncode != 0
        assert word in done.stderr


def test_a_listener_that_demands_one(start_tls, start_origin, authority, clients):  # noqa: F811
    tls = asking(authority, clients)
    proxy = start_tls(start_origin(Reply()), tls={**tls, "client": {**tls["client"], "require": True}})
    url = f"https://a.example:{proxy.port()}/"
    note = "a client without a certificate does not get this far here (tls.client.require)"
    assert note in proxy.command("explain", url).stdout
    # a certificate may have names only
    shown = clients.issue("bob", client=True)
    assert note not in proxy.command("explain", url, "--certificate", str(Path(shown.chain))).stdout
