"""Who may see what of a gateway: signed tokens, services that are asked, hooks, certificates, limits by identity."""

import base64
import json
import time

import bcrypt
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support import Reply, wait_until, whole_lines
from tests.support.certificates import Authority

CONFIG = """
workers: 1
log: {access: {path: @DIR@/access.log, format: combined, flush: 50ms}}
identities:
  signed: {bearer: {url: "http://@KEYS@/keys", issuer: me, audience: [here], algorithms: ES256}}
  service: {check: "http://@CHECK@/check"}
  own: {hook: "who:identify", cache: 0s}
  broken: {hook: "who:fail"}
  staff: {basic: @DIR@/passwords, groups: {admins: alice}}
listeners:
  - bind: 127.0.0.1:@PORT@
    routes:
      - {match: {path: /signed}, identity: signed, upstream: web}
      - {match: {path: /service}, identity: service, upstream: web}
      - {match: {path: /own}, identity: own, hooks: ["who:tell"], respond: {body: own}}
      - {match: {path: /seen}, identity: own, hooks: ["who:tell"], upstream: web}
      - {match: {path: /broken}, identity: [broken, staff], respond: {body: broken}}
      - {match: {path: /limited}, identity: staff, limit: {rate: 1/h, by: identity}, respond: {body: limited}}
      - respond: {body: open}
  - bind: 127.0.0.1:@CHOSEN@
    identity: {by: staff, required: false}
    routes:
      - {match: {groups: admins}, respond: {body: admins}}
      - {match: {users: "*"}, respond: {body: staff}}
      - respond: {body: nobody}
upstreams:
  web: {endpoints: ["@ORIGIN@"]}
"""
HOOKS = """
from limen import Credentials, Named

def identify(credentials: Credentials):
    if credentials.scheme == "basic" and credentials.password == "sesame":
        return Named(credentials.name, ("guests",))
    return None

async def fail(credentials):
    raise RuntimeError("no")

def tell(exchange):
    exchange.request.fields["X-Who"] = f"{exchange.identity.name} {exchange.identity.groups}"
"""


def hashed(password):
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def basic(pair):
    return ("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())


def key_set(**keys):
    found = []
    for name, key in keys.items():
        read = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
        found.append({**read, "kid": name, "use": "sig", "alg": "ES256"})
    return json.dumps({"keys": found}).encode()


def token(key, name="k1", algorithm="ES256", **claims):
    known = {"iss": "me", "aud": "here", "sub": "carol", "exp": time.time() + 600}
    claims = {one: value for one, value in {**known, **claims}.items() if value is not None}
    return ("Authorization", "Bearer " + jwt.encode(claims, key, algorithm=algorithm, headers={"kid": name}))


def check(request, _connection):
    field = request.get("authorization") or ""
    if field == "Bearer good":
        return Reply(fields=[("X-Identity", "dora"), ("X-Groups", "a, b")])
    return Reply(500) if field == "Bearer odd" else Reply(401)


@pytest.fixture
def gateway(start_limen, start_origin, tmp_path):
    (tmp_path / "passwords").write_text(f"alice:{hashed('wonderland')}\nbob joe:{hashed('builder')}\n")
    (tmp_path / "who.py").write_text(HOOKS)
    values = {"ORIGIN": start_origin(Reply()), "KEYS": start_origin(Reply(404)), "CHECK": start_origin(check)}
    return start_limen(CONFIG, directory=tmp_path, values=values, allow=["identity", "RuntimeError", "Traceback"])


@pytest.mark.sanitize
def test_signed_tokens(start_limen, start_origin, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    origin, keys = start_origin(Reply()), start_origin(Reply(content=key_set(k1=key)))
    (tmp_path / "passwords").write_text(f"alice:{hashed('wonderland')}\n")
    (tmp_path / "who.py").write_text(HOOKS)
    values = {"ORIGIN": origin, "KEYS": keys, "CHECK": keys}
    gateway = start_limen(CONFIG, directory=tmp_path, values=values)
    refused = gateway.get("/signed")
    assert (refused.status, refused.get_all("www-authenticate")) == (401, ['Bearer realm="access"'])
    good = token(key)
    assert gateway.get("/signed", [good]).status == 200
    # a gateway's origin sees the credentials, too
    assert origin.requests[0].get("authorization") == good[1]
    statuses = {}
    for name, field in {
        "expired": token(key, exp=time.time() - 60),
        "not yet": token(key, nbf=time.time() + 600),
    }.items():
        statuses[name] = gateway.get("/signed", [field]).status
    assert statuses == {"expired": 401, "not yet": 401}
    assert [one.target for one in keys.requests] == ["/keys"]


@pytest.mark.sanitize
def test_a_service_and_hooks(gateway):
    origin = gateway.values["ORIGIN"]
    assert gateway.get("/service", [("Authorization", "Bearer good")]).status == 200
    assert gateway.get("/service", [("Authorization", "Bearer good")]).status == 200
    assert gateway.get("/service", [("Authorization", "Bearer bad")]).status == 401
    # who cannot say refuses nobody
    assert gateway.get("/service", [("Authorization", "Bearer odd")]).status == 503
    assert len(gateway.values["CHECK"].requests) == 3
    assert gateway.get("/seen", [basic("eve:sesame")]).status == 200
    assert origin.requests[-1].get("x-who") == "eve ('guests',)"
    assert gateway.get("/seen", [basic("eve:open")]).status == 401
    # the first one fails, the second knows
    assert gateway.get("/broken", [basic("alice:wonderland")]).status == 200
    assert gateway.get("/signed", [("Authorization", "Bearer a.b.c")]).status == 401
    assert gateway.get("/").content == b"open"


def test_limits_routes_and_the_log_know_who(gateway):
    alice, bob = basic("alice:wonderland"), basic("bob joe:builder")
    assert [gateway.get("/limited", [who]).status for who in (alice, bob, alice, bob)] == [200, 200, 429, 429]
    with gateway.connect("CHOSEN") as client:
        chosen = [client.request("GET", "/", fields) for fields in ([], [alice], [bob])]
        assert [one.content for one in chosen] == [b"nobody", b"admins", b"staff"]
        assert client.request("GET", "/", [basic("alice:wrong")]).status == 401
    path = gateway.directory / "access.log"
    wait_until(lambda: len(whole_lines(path)) == 8)
    assert sorted(line.split(" ")[2] for line in whole_lines(path)) == sorted(
        ["alice", "bob\\x20joe", "alice", "bob\\x20joe", "-", "alice", "bob\\x20joe", "-"]
    )


def test_certificates(start_limen, tmp_path):
    authority = Authority(tmp_path)
    site, client = authority.issue("localhost"), authority.issue("alice", client=True)
    config = f"""
workers: 1
identities: {{shown: {{certificate: true, groups: {{admins: alice}}}}}}
listeners:
  - bind: 127.0.0.1:@PORT@
    tls:
      certificates: [{{chain: "{site.chain}", key: "{site.key}"}}]
      client: {{ca: "{authority.file}", require: false}}
    identity: {{by: shown, required: false}}
    routes:
      - {{match: {{groups: admins}}, respond: {{body: admins}}}}
      - {{identity: shown, respond: {{body: "?"}}}}
"""
    gateway = start_limen(config, directory=tmp_path)
    for pair, status in ((client, 200), (None, 401)):
        with gateway.connect() as connection:
            connection.secure(authority.trusting(pair), "localhost")
            assert connection.request("GET", "/", host="localhost").status == status
