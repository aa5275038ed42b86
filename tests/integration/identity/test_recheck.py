"""Who a tunnel is for, asked again while it lives: lines that go or change, tokens that end, other groups."""

import base64
import hashlib
import json
import signal
import time
from contextlib import ExitStack

import bcrypt
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.integration.ways.speaking import read_reply5, request5
from tests.support import RawOrigin, echo, json_lines, put, wait_until

CONFIG = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
limits: {recheck: 1s}
log: {access: {path: @DIR@/access.jsonl, flush: 20ms}, audit: @DIR@/audit.jsonl}
identities:
  staff: {basic: @DIR@/passwords, groups: {admins: [alice, bob, carol]}}
  robots: {bearer: {tokens: @DIR@/tokens}}
  signed: {bearer: {keys: @DIR@/keys, issuer: me, audience: [here], algorithms: ES256, leeway: 0s}}
  own: {hook: "who:identify"}
  short: {hook: "who:identify", holds: 3s}
listeners:
  - bind: 127.0.0.1:@PORT@
    forward:
      identity: [staff, robots, signed]
      access: [{allow: {groups: [admins, robots]}}]
      targets: {private: allow}
  - bind: 127.0.0.1:@SOCKS@
    socks:
      identity: [staff, robots, signed]
      access: [{allow: {groups: [admins, robots]}}]
      targets: {private: allow}
      udp: true
  - bind: 127.0.0.1:@OWN@
    forward: {identity: own, access: [{allow: {}}], targets: {private: allow}}
  - bind: 127.0.0.1:@SHORT@
    forward: {identity: short, access: [{allow: {}}], targets: {private: allow}}
  - bind: 127.0.0.1:@GATE@
    routes:
      - {match: {path: /one}, identity: staff, upgrade: true, upstream: web}
      - {match: {path: /two}, upgrade: true, upstream: web}
upstreams: {web: {endpoints: ["@ORIGIN@"]}}
"""
HOOKS = """
from limen import Named

def identify(credentials):
    return Named(credentials.name) if credentials.password == "sesame" else None
"""
USERS = ("alice", "bob", "carol")


def hashed(password):
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def basic(user):
    password = "sesame" if user == "eve" else user
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def digest(token, name, groups):
    return f"{name}:sha256:{hashlib.sha256(token.encode()).hexdigest()}:{groups}\n"


def key_set(**keys):
    found = [
        {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())), "kid": name, "use": "sig", "alg": "ES256"}
        for name, key in keys.items()
    ]
    return json.dumps({"keys": found})


class Ways:
    """A proxy with what its identities come from, and tunnels through it."""

    def __init__(self, stack, start, directory, origin):
        self._stack = stack
        self.directory = directory
        self.origin = origin
        self.proxy = None
        self.keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("k1", "k2")}
        self.lines = {user: f"{user}:{hashed(user)}" for user in USERS}
        self.write("who.py", HOOKS)
        self.write_passwords()
        self.write("tokens", digest("one", "builds", "robots") + digest("two", "tests", "robots"))
        self.write("keys", key_set(**self.keys))
        self.proxy = start(CONFIG, directory=directory, values={"ORIGIN": origin})

    def write(self, name, text):
        """Read with the next look at the files, or by a signal at once."""
        put(self.directory / name, text)
        if self.proxy is not None:
            self.proxy.signal(signal.SIGHUP)

    def write_passwords(self):
        self.write("passwords", "".join(f"{line}\n" for line in self.lines.values()))

    def signed(self, seconds, name="k1"):
        claims = {"iss": "me", "aud": "here", "sub": f"signed-{name}", "exp": int(time.time() + seconds) + 1}
        claims["groups"] = ["robots"]
        return "Bearer " + jwt.encode(claims, self.keys[name], algorithm="ES256", headers={"kid": name})

    def connect(self, name):
        return self._stack.enter_context(self.proxy.connect(name))

    def tunnel(self, credentials, name="PORT"):
        """By CONNECT."""
        client = self.connect(name)
        host = self.origin.address
        field = f"Proxy-Authorization: {credentials}\r\n" if credentials else ""
        client.send(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{field}\r\n")
        assert client.read_head().status == 200
        return self.alive(client)

    def socks(self, user, command=1):
        """By SOCKS 5, whose user name and password it is; with 3 an association for datagrams."""
        client = self.connect("SOCKS")
        client.send(b"\x05\x01\x02")
        assert client.read_exactly(2) == b"\x05\x02"
        client.send(b"\x01" + (bytes([len(user)]) + user.encode()) * 2)
        assert client.read_exactly(2) == b"\x01\x00"
        client.send(request5("127.0.0.1", self.origin.port, command))
        assert read_reply5(client)[0] == 0
        return self.alive(client) if command == 1 else client

    @staticmethod
    def alive(client):
        client.send(b"ping")
        assert client.read_exactly(4) == b"ping"
        return client

    def records(self, name):
        return json_lines(self.directory / name)

    def counted(self, fault):
        found = self.proxy.metrics()
        return sum(
            value for key, value in found.items() if key.startswith("limen_faults") and f'fault="{fault}"' in key
        )


@pytest.fixture
def ways(start_limen, tmp_path):
    with RawOrigin(echo) as origin, ExitStack() as stack:
        yield Ways(stack, start_limen, tmp_path, origin)


@pytest.mark.sanitize
def test_tunnels_end_with_the_line_that_let_them_in(ways):
    ended = [ways.tunnel(basic("alice")), ways.socks("alice"), ways.socks("alice", 3)]
    changed = [ways.tunnel(basic("bob")), ways.socks("bob")]
    kept = [ways.tunnel(basic("carol")), ways.socks("carol"), ways.tunnel("Bearer one")]
    del ways.lines["alice"]
    ways.write_passwords()
    for client in ended:
        client.expect_end()
    for client in (*changed, *kept):
        ways.alive(client)
    # the same password, but another line: it was given anew
    ways.lines["bob"] = f"bob:{hashed('bob')}"
    ways.write_passwords()
    for client in changed:
        client.expect_end()
    for client in kept:
        ways.alive(client)
    wait_until(lambda: ways.counted("identity_revoked") == 5, what="five ended")
    for name in ("access.jsonl", "audit.jsonl"):
        wait_until(lambda name=name: len(ways.records(name)) == 5, what="five records")
        found = ways.records(name)
        assert [record["fault"] for record in found] == ["identity_revoked"] * 5
        assert sorted(record["user"] for record in found) == ["alice", "alice", "alice", "bob", "bob"]
    ways.proxy.wait_for_log("[23] exchanges and tunnels may not go on and were ended")


def test_groups_are_those_of_now(ways):
    staff = [ways.tunnel(basic("alice")), ways.socks("bob")]
    robots = [ways.tunnel("Bearer one"), ways.tunnel("Bearer two")]
    ways.write("tokens", digest("one", "builds", "none") + digest("two", "tests", "other,robots"))
    robots[0].expect_end()
    for client in (*staff, robots[1]):
        ways.alive(client)
    wait_until(lambda: ways.counted("revoked") == 1, what="one revoked")
    # somebody else's token from now on
    ways.write("tokens", digest("one", "builds", "robots") + digest("two", "other", "robots"))
    robots[1].expect_end()
    ways.proxy.reload(CONFIG.replace("[alice, bob, carol]", "[bob]"))
    staff[0].expect_end()
    ways.alive(staff[1])
    # one that nobody names any more
    ways.proxy.reload(CONFIG.replace("identity: [staff, robots, signed]", "identity: [robots, signed]"))
    staff[1].expect_end()
    wait_until(lambda: (ways.counted("revoked"), ways.counted("identity_revoked")) == (2, 2), what="four ended")


def test_signed_tokens_end(ways):
    longer, other = ways.tunnel(ways.signed(600)), ways.tunnel(ways.signed(600, "k2"))
    short = ways.tunnel(ways.signed(3))
    # nothing has to happen but time
    short.expect_end()
    wait_until(lambda: ways.counted("identity_revoked") == 1, what="one ended")
    ways.write("keys", key_set(k1=ways.keys["k1"]))
    other.expect_end()
    ways.alive(longer)
    ways.proxy.reload(CONFIG.replace("audience: [here]", "audience: [there]"))
    longer.expect_end()
    wait_until(lambda: ways.counted("identity_revoked") == 3, what="three ended")


def test_what_only_the_credentials_would_tell_holds_as_long_as_is_said(ways):
    own, short = ways.tunnel(basic("eve"), "OWN"), ways.tunnel(basic("eve"), "SHORT")
    short.expect_end()
    wait_until(lambda: ways.counted("identity_revoked") == 1, what="one ended")
    ways.alive(own)
    ways.proxy.reload(CONFIG.replace('own: {hook: "who:identify"}', "own: {basic: @DIR@/passwords}"))
    own.expect_end()


def test_gateways_and_what_nobody_was_asked_before(start_limen, tmp_path):
    def switch(connection):
        while b"\r\n\r\n" not in connection.buffer:
            connection.fill()
        connection.buffer.clear()
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
        echo(connection)

    with RawOrigin(switch) as origin, ExitStack() as stack:
        ways = Ways(stack, start_limen, tmp_path, origin)

        def upgraded(path, *fields):
            client = ways.connect("GATE")
            upgrade = [("Upgrade", "x"), ("Connection", "Upgrade")]
            client.send_request("GET", path, [*upgrade, *fields])
            assert client.read_head().status == 101
            return ways.alive(client)

        one = [upgraded("/one", ("Authorization", basic(user))) for user in ("alice", "bob")]
        two = upgraded("/two")
        del ways.lines["alice"]
        ways.write_passwords()
        one[0].expect_end()
        for client in (one[1], two):
            ways.alive(client)
        ways.proxy.reload(CONFIG.replace("{match: {path: /two}, ", "{match: {path: /two}, identity: staff, "))
        two.expect_end()
        ways.alive(one[1])
        wait_until(lambda: (ways.counted("revoked"), ways.counted("identity_revoked")) == (1, 1), what="two ended")
