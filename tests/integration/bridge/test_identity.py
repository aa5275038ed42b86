"""Requests inside bridged TLS are for whoever asked for the connection, as long as that holds."""

import base64
import signal

import bcrypt
import pytest

from tests.integration.bridge.conftest import records
from tests.support import Reply, ScriptedOrigin, put, wait_until


def hashed(user):
    return bcrypt.hashpw(user.encode(), bcrypt.gensalt(4)).decode()


def revoked(proxy):
    return sum(value for key, value in proxy.metrics().items() if 'fault="identity_revoked"' in key)


@pytest.mark.sanitize
def test_a_connection_at_rest_ends_with_who_asked_for_it(start_bridge, organisation, internet, tmp_path):
    passwords = tmp_path / "passwords"
    lines = {user: f"{user}:{hashed(user)}\n" for user in ("alice", "bob")}
    passwords.write_text("".join(lines.values()))
    with ScriptedOrigin(Reply(content=b"hello"), tls=internet.serving(internet.issue("a.example"))) as origin:
        identities = {"staff": {"basic": str(passwords)}}
        proxy = start_bridge({}, directory=tmp_path, identities=identities, identity="staff")
        target = f"a.example:{origin.port}"

        def opened(user):
            client = proxy.connect()
            field = base64.b64encode(f"{user}:{user}".encode()).decode()
            client.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nProxy-Authorization: Basic {field}\r\n\r\n")
            assert client.read_response("CONNECT").status == 200
            client.secure(organisation.trusting(), "a.example")
            assert client.request("GET", "/", host=target).content == b"hello"
            return client

        with opened("alice") as gone, opened("bob") as kept:
            put(passwords, lines["bob"])
            proxy.signal(signal.SIGHUP)
            # nothing is under way on it
            gone.expect_end()
            assert kept.request("GET", "/", host=target).content == b"hello"
        wait_until(lambda: revoked(proxy) == 1, what="one revoked")
        wait_until(lambda: len(records(proxy)) == 5, what="all logged")
        assert sorted(record["user"] for record in records(proxy)) == ["alice"] * 2 + ["bob"] * 3


def test_rules_by_who_asks(start_bridge, organisation, internet, tmp_path):
    """Whose TLS is opened may depend on who they are; what is logged of it on `log.privacy`."""
    passwords = tmp_path / "passwords"
    passwords.write_text("".join(f"{user}:{hashed(user)}\n" for user in ("alice", "bob", "carol", "eve")))
    with ScriptedOrigin(Reply(content=b"hello"), tls=internet.serving(internet.issue("a.example"))) as origin:
        staff = {"basic": str(passwords), "groups": {"doctors": ["alice"]}}
        rules = {
            "connect": [{"name": "no-eve", "refuse": {"users": ["eve"]}}, {"pass": {"groups": ["doctors"]}}],
            "hello": [{"pass": {"users": ["carol"]}}],
        }
        proxy = start_bridge(
            rules,
            directory=tmp_path,
            identities={"staff": staff},
            identity="staff",
            log={"privacy": {"clients": "pseudonym", "targets": "pseudonym"}},
        )
        target = f"a.example:{origin.port}"

        def asked(user):
            client = proxy.connect()
            field = base64.b64encode(f"{user}:{user}".encode()).decode()
            client.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nProxy-Authorization: Basic {field}\r\n\r\n")
            return client, client.read_response("CONNECT").status

        # the certificate tells who has ended the TLS
        for user, authority in (("alice", internet), ("bob", organisation), ("carol", internet)):
            client, status = asked(user)
            with client:
                assert status == 200
                client.secure(authority.trusting(), "a.example")
                assert client.request("GET", "/", host=target).content == b"hello"
        client, status = asked("eve")
        client.close()
        assert status == 403
        proxy.wait_for_log(r"CONNECT ~[0-9a-f]{16}:\d+ from ~[0-9a-f]{16}: refused by no-eve")
