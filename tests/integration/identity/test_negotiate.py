"""Kerberos tickets: a real KDC, real curl, tickets that are wrong in every way, and connections that they hold for."""

import base64
import contextlib
import re
import subprocess
import time

import pytest

from limen.runtime.identity.provider import CredentialsRefused
from tests.support import RawClient, Reply, available, environment, json_lines, run_limen, wait_until
from tests.support.kerberos import Realm, begin, missing, offer, token

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "all is there")

KERBEROS, WINDOWS, NTLM = "1.2.840.113554.1.2.2", "1.2.840.48018.1.2.2", "1.3.6.1.4.1.311.2.2.10"
# Negotiate's first message of NTLM
NTLM_TOKEN = b"NTLMSSP\0\1\0\0\0\x07\x82\x08\xa2" + bytes(24)
CONFIG = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
log: {access: {path: @DIR@/access.jsonl, flush: 50ms}}
identities:
  tickets: {negotiate: {keytab: @KEYTAB@, service: HTTP@localhost}, groups: {admins: alice}}
  robots: {bearer: {tokens: @DIR@/tokens}}
listeners:
  - bind: 127.0.0.1:@PORT@
    forward:
      identity: [tickets, robots]
      access: [{allow: {groups: admins}}, {allow: {users: builds}}, {allow: {users: bob, hosts: localhost}}]
      targets: {private: allow}
  - bind: 127.0.0.1:@GATE@
    trusted: [127.0.0.9]
    routes:
      - {match: {path: /a}, identity: tickets, respond: {body: a}}
      - {match: {path: /b}, identity: [robots, tickets], respond: {body: b}}
      - {match: {path: /c}, identity: robots, respond: {body: c}}
      - {match: {path: /origin}, identity: tickets, upstream: web}
  - bind: unix:@DIR@/gate
    routes: [{identity: tickets, respond: {body: a}}]
upstreams: {web: {endpoints: ["@ORIGIN@"]}}
"""
EXAMPLE = "50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c"


@pytest.fixture(scope="module")
def realm():
    with Realm() as realm:
        yield realm


@pytest.fixture
def start(start_limen, start_origin, realm, tmp_path):
    """`start()`: proxy, and the origin behind its gateway."""

    def made(text=CONFIG, **values):
        origin = start_origin(Reply(content=b"hello"))
        (tmp_path / "tokens").write_text(f"builds:sha256:{EXAMPLE}\n")
        known = {"KEYTAB": realm.keytab(), "ORIGIN": origin, **values}
        return start_limen(text, directory=tmp_path, values=known, env=realm.env), origin

    return made


@pytest.fixture
def logged_in(realm, monkeypatch):
    """`logged_in("alice")`: tickets of this process are theirs from now on."""

    def log_in(user="alice", **options):
        for name, value in realm.ticket(user, **options).items():
            monkeypatch.setenv(name, value)

    return log_in


def shown(value, field="Proxy-Authorization"):
    """The field with a token."""
    return field, f"Negotiate {base64.b64encode(value).decode()}"


def records(proxy):
    return json_lines(proxy.directory / "access.jsonl")


def ask(client, origin, *fields, host=None):
    authority = f"{host}:{origin.port}" if host else origin.address
    return client.request("GET", f"http://{authority}/", fields)


def test_a_ticket_holds_for_its_connection_and_no_other(start, logged_in):
    proxy, origin = start()
    logged_in()
    with proxy.connect() as client, proxy.connect() as other:
        refused = ask(client, origin)
        assert refused.status == 407
        assert refused.get_all("proxy-authenticate") == ["Negotiate", 'Bearer realm="access"']
        context, first = begin()
        taken = ask(client, origin, shown(first))
        assert taken.status == 200
        # we are who we say, too
        scheme, answer = taken.get("proxy-authenticate").split()
        assert scheme == "Negotiate"
        context.step(base64.b64decode(answer))
        assert context.complete
        again = ask(client, origin)
        assert (again.status, again.get("proxy-authenticate")) == (200, None)
        # by the connection, not by the address
        assert ask(other, origin).status == 407
        # nor by what was shown: it was good for once
        assert ask(other, origin, shown(first)).status == 407
        assert ask(client, origin, shown(token())).status == 200
        # other credentials take the place of those before, good or not
        assert ask(client, origin, ("Proxy-Authorization", "Bearer example")).status == 200
        assert ask(client, origin).status == 407
        assert ask(client, origin, shown(token())).status == 200
        assert ask(client, origin, ("Proxy-Authorization", "Bearer other")).status == 407
        assert ask(client, origin).status == 407
    wait_until(lambda: len(records(proxy)) == 11)
    assert [record.get("user") for record in records(proxy)] == [
        None, "alice", "alice", None, None, "alice", "builds", None, "alice", None, None
    ]  # fmt: skip
    assert not any(request.get("proxy-authorization") for request in origin.requests)
    counted = [value for key, value in proxy.metrics().items() if 'fault="identity"' in key]
    assert sum(counted) == 6
    proxy.wait_for_log("Request is a replay")


def test_tickets_that_are_not_taken(start, logged_in, realm):
    proxy, origin = start()
    logged_in()
    realm.keytab("HTTP/other", "other")
    wrong = [
        b"garbage",
        b"\x60" * 20000,
        token()[:-5],
        token()[:100],
        token("HTTP@other"),
        NTLM_TOKEN,
        offer(NTLM, inside=NTLM_TOKEN),
        offer(NTLM, KERBEROS, inside=NTLM_TOKEN),
        offer(KERBEROS, inside=b"garbage"),
    ]
    for number, value in enumerate(wrong):
        # (who was wrong often has to wait: known by address)
        with RawClient(("127.0.0.1", proxy.port()), source=f"127.0.0.{number + 2}") as client:
            assert ask(client, origin, shown(value)).status == 407, number
            assert ask(client, origin).status == 407
    with proxy.connect() as client:
        for text in ("Negotiate", "Negotiate ", "Negotiate %%%"):
            assert ask(client, origin, ("Proxy-Authorization", text)).status == 407
    assert not origin.requests
    for reason in ("NTLM is not taken", "more than a ticket is offered", "Invalid token was supplied", "keytab"):
        proxy.wait_for_log(re.escape(reason))


def test_what_windows_offers_and_bare_tickets(logged_in, realm):
    """Its own number for Kerberos first, others behind that are not asked for; or no SPNEGO around it."""
    from limen.runtime.identity.negotiate import NegotiateProvider

    provider = NegotiateProvider(realm.keytab().read_bytes())
    logged_in()
    for mechanisms in ((WINDOWS, KERBEROS, NTLM), (WINDOWS, NTLM), (KERBEROS, NTLM)):
        found = provider.accept(offer(*mechanisms, inside=token(mechanism=KERBEROS)))
        assert (found.name, found.for_connection) == ("alice", True)
    assert provider.accept(token(mechanism=KERBEROS)).told_back.startswith("Negotiate ")


def test_one_token_on_two_connections_at_a_time(start, logged_in):
    proxy, origin = start()
    logged_in()
    value = token()
    request = f"GET http://{origin.address}/ HTTP/1.1\r\nHost: a\r\n{': '.join(shown(value))}\r\n\r\n"
    with proxy.connect() as first, proxy.connect() as second:
        for client in (first, second):
            client.send(request)
        assert sorted(client.read_response().status for client in (first, second)) == [200, 407]


def test_tunnels_rules_and_names(start, logged_in):
    proxy, origin = start()
    logged_in("bob")
    with proxy.connect() as client:
        assert ask(client, origin, shown(token()), host="localhost").status == 200
        refused = ask(client, origin)
        assert (refused.status, refused.get("proxy-authenticate")) == (403, None)
        value = ": ".join(shown(token()))
        client.send(f"CONNECT localhost:{origin.port} HTTP/1.1\r\nHost: localhost\r\n{value}\r\n\r\n")
        answer = client.read_head()
        assert answer.status == 200
        assert answer.get("proxy-authenticate").startswith("Negotiate ")
        assert client.request("GET", "/", [("Host", "localhost")]).content == b"hello"
    with proxy.connect() as client:
        # known by the connection: CONNECT shows nothing
        assert ask(client, origin, shown(token()), host="localhost").status == 200
        client.send(f"CONNECT localhost:{origin.port} HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.read_head().status == 200
        assert client.request("GET", "/", [("Host", "localhost")]).content == b"hello"
    wait_until(lambda: [record.get("user") for record in records(proxy)] == ["bob"] * 5)


def test_a_gateway(start, logged_in):
    proxy, _ = start()
    logged_in()
    with proxy.connect("GATE") as client:
        refused = client.request("GET", "/a")
        assert (refused.status, refused.get_all("www-authenticate")) == (401, ["Negotiate"])
        taken = client.request("GET", "/a", [shown(token(), "Authorization")])
        assert (taken.status, taken.content) == (200, b"a")
        assert taken.get("www-authenticate").startswith("Negotiate ")
        # one that other routes ask as well
        assert client.request("GET", "/b").content == b"b"
        assert client.request("GET", "/origin").content == b"hello"
        assert client.request("GET", "/c").status == 401
        assert client.request("GET", "/a").status == 200
    # a trusted proxy carries requests of many by one connection: each shows its own
    with RawClient(("127.0.0.1", proxy.port("GATE")), source="127.0.0.9") as client:
        assert client.request("GET", "/a", [shown(token(), "Authorization")]).status == 200
        assert client.request("GET", "/a").status == 401
    # whoever connects by a path stands for others
    with RawClient(str(proxy.directory / "gate")) as client:
        assert client.request("GET", "/", [shown(token(), "Authorization")]).status == 200
        assert client.request("GET", "/").status == 401


def test_a_keytab_that_changes(start, logged_in, realm):
    proxy, origin = start()
    logged_in()
    path = proxy.directory / "keys"
    path.write_bytes((realm.directory / "keytab").read_bytes())
    path.chmod(0o644)
    text = CONFIG.replace("@KEYTAB@", str(path))
    checked = run_limen("check", str(_written(proxy, text)), env=realm.env)
    assert checked.returncode == 2
    assert "others may use the keys in it (mode 0644)" in checked.stderr + checked.stdout
    path.chmod(0o600)
    proxy.reload(text, expect="reloaded: ")
    with proxy.connect() as client:
        assert ask(client, origin, shown(token())).status == 200
        # a reload that changes nothing of it asks nobody again
        proxy.reload(text, expect="reloaded: ")
        assert ask(client, origin).status == 200
        fresh = realm.keytab().read_bytes()
        path.write_bytes(b"\x05\x02broken")
        assert "refused" in proxy.reload(text)
        proxy.wait_for_log("it is broken at byte 2")
        assert ask(client, origin).status == 200
        path.write_bytes(fresh)
        proxy.reload(text, expect="reloaded: ")
        assert ask(client, origin).status == 407
        # the ticket is for the key before
        assert ask(client, origin, shown(token())).status == 407
        logged_in("bob")
        assert ask(client, origin, shown(token()), host="localhost").status == 200


def _written(proxy, text):
    """A configuration beside the one that runs."""
    for name, value in proxy.values.items():
        text = text.replace(f"@{name}@", getattr(value, "address", str(value)))
    path = proxy.directory / "other.yaml"
    path.write_text(text)
    return path


def test_files_that_do_not_fit(start, realm):
    proxy, _ = start()
    realm.keytab("HTTP/other", "other")
    for model, message in {
        "{keytab: @DIR@/tokens}": "no keytab of version 2",
        f"{{keytab: {realm.directory}/other, service: HTTP@localhost}}": "it has those of HTTP/other@EXAMPLE.TEST",
        f"{{keytab: {realm.directory}/other, realms: [A, B]}}": "names of several realms would be one",
        f"{{keytab: {realm.directory}/none}}": "no such file",
    }.items():
        (proxy.directory / "tokens").chmod(0o600)
        text = CONFIG.replace("{keytab: @KEYTAB@, service: HTTP@localhost}", model)
        checked = run_limen("check", str(_written(proxy, text)), env=realm.env)
        assert checked.returncode == 2
        assert message in checked.stderr + checked.stdout, model


def test_realms(logged_in, realm):
    from limen.runtime.identity.negotiate import NegotiateProvider

    keytab = realm.keytab().read_bytes()
    logged_in()
    assert NegotiateProvider(keytab, strip_realm=False).accept(token()).name == "alice@EXAMPLE.TEST"
    assert NegotiateProvider(keytab).accept(token()).name == "alice"
    elsewhere = NegotiateProvider(keytab, realms=["OTHER.TEST"])
    with pytest.raises(CredentialsRefused, match=r"a ticket of the realm EXAMPLE\.TEST"):
        elsewhere.accept(token())


def test_expired_tickets(logged_in, realm, monkeypatch):
    from gssapi.exceptions import GSSError

    from limen.runtime.identity.negotiate import NegotiateProvider

    provider = NegotiateProvider(realm.keytab().read_bytes())
    found = []

    def mint():
        # (on a busy machine it may end before it is used)
        logged_in(lifetime="1s")
        with contextlib.suppress(GSSError):
            found.append(token())
        return bool(found)

    wait_until(mint)
    ends = time.time() + 1
    monkeypatch.setenv("KRB5_CONFIG", str(realm.configure("strict.conf", skew=0)))
    wait_until(lambda: time.time() > ends + 1)
    with pytest.raises(CredentialsRefused, match="Ticket expired"):
        provider.accept(found[0])


@pytest.mark.skipif(not available("curl"), reason="curl is not installed")
def test_curl(start, realm):
    proxy, origin = start()
    told = subprocess.run(["curl", "-V"], capture_output=True, text=True, check=True, env=environment()).stdout
    if "SPNEGO" not in told:
        pytest.skip("curl was built without SPNEGO")

    def curl(*arguments, user="alice"):
        env = {**environment(), **(realm.ticket(user) if user else realm.env)}
        done = subprocess.run(
            ["curl", "-s", "-m", "20", "-w", "%{http_code} %{num_connects}\n", *arguments],
            capture_output=True, text=True, check=False, env=env,
        )  # fmt: skip
        return done.stdout

    url = f"http://{origin.address}/"
    way = ("-x", f"http://localhost:{proxy.port()}", "--proxy-negotiate", "-U", ":")
    assert curl(*way, url) == "hello200 1\n"
    # several requests by one connection
    assert curl(*way, url, url, url) == "hello200 1\nhello200 0\nhello200 0\n"
    assert curl(*way, "-p", url) == "hello200 1\n"
    assert curl("-x", f"http://localhost:{proxy.port()}", "--proxy-anyauth", "-U", ":", url) == "hello200 1\n"
    assert "407 1" in curl(*way, url, user=None)
    assert "403 1" in curl(*way, url, user="bob")
    gate = f"http://localhost:{proxy.port('GATE')}"
    assert curl("--negotiate", "-u", ":", f"{gate}/a", f"{gate}/b") == "a200 1\nb200 0\n"
