"""What Limen asks for itself - lists, keys, services - is looked up where its configuration says, and only there."""

import threading

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.integration.identity.test_gateway import key_set
from tests.support import LimenProcess, NameServerThread, Reply, ScriptedOrigin, wait_until

SITE = """
workers: 1
admin: {bind: 127.0.0.1:@ADMIN@}
resolver: {servers: ["@DNS@"], hosts: false, timeout: 5s}
identities:
  signed: {bearer: {url: "http://keys.test:@WEB@/keys", issuer: me, audience: here, algorithms: ES256}}
  service: {check: "http://service.test:@WEB@/check", cache: 0s}
lists:
  far: {url: "http://lists.test:@WEB@/far.txt", format: hosts, refresh: 1h}
listeners:
  - bind: 127.0.0.1:@PORT@
    routes:
      - {match: {path: /signed}, identity: signed, respond: {body: signed}}
      - {match: {path: /service}, identity: service, respond: {body: service}}
      - respond: {body: "@BODY@"}
  - bind: 127.0.0.1:@PROXY@
    forward:
      targets: {private: allow}
      access:
        - {name: far, deny: {host_lists: far}}
        - allow: {}
"""
KEY = ec.generate_private_key(ec.SECP256R1())


def answer(request, _connection):
    if request.target == "/keys":
        return Reply(content=key_set(k1=KEY))
    if request.target == "/far.txt":
        return Reply(content=b"0.0.0.0 a.test b.test\n")
    return Reply(fields=[("X-Identity", "dora")])


@pytest.fixture
def names():
    with NameServerThread() as server:
        for name in ("keys", "service", "lists", "origin"):
            server.server.add(f"{name}.test", "60 A 127.0.0.1")
        yield server


@pytest.fixture
def site(names, tmp_path, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    with ScriptedOrigin(answer) as web:
        values = {"DNS": names, "WEB": str(web.port), "BODY": "one"}
        with LimenProcess(SITE, values=values, directory=tmp_path) as limen:
            yield limen


def test_lists_keys_and_services_are_looked_up_by_the_resolver(site, names):
    wait_until(lambda: site.metrics()['limen_host_list_entries{list="far"}'] == 2, what="the list")
    token = jwt.encode({"iss": "me", "aud": "here", "sub": "carol", "exp": 1 << 32}, KEY, "ES256", {"kid": "k1"})
    assert site.get("/signed", [("Authorization", f"Bearer {token}")]).text == "signed"
    assert site.get("/service", [("Authorization", "Bearer any")]).text == "service"
    assert all(names.asked(f"{name}.test") for name in ("lists", "keys", "service"))


def test_a_reload_forgets_no_name_and_cuts_no_look_up_short(site, names):
    assert site.get("/service", [("Authorization", "Bearer any")]).text == "service"
    asked = names.asked("service.test")
    site.values["BODY"] = "two"
    assert "reloaded" in site.reload(SITE)
    assert site.get("/").text == "two"
    assert site.get("/service", [("Authorization", "Bearer any")]).text == "service"
    # 60 s are not over: the reload has changed nothing about names
    assert names.asked("service.test") == asked

    # somebody else is asked from now on, while the former still has a question
    names.server.delay = {"A": 1.0, "AAAA": 1.0}
    names.server.put("origin.test", "60 A 127.0.0.1")
    found = []

    def look_up():
        with site.connect("PROXY") as client:
            client.send(f"GET http://origin.test:{site.values['WEB']}/ HTTP/1.1\r\nHost: any\r\n\r\n")
            found.append(client.read_response("GET").status)

    asking = threading.Thread(target=look_up)
    asking.start()
    wait_until(lambda: names.asked("origin.test") > 0, what="the question")
    with NameServerThread() as other:
        site.values["DNS"] = other
        assert "reloaded" in site.reload(SITE)
        asking.join(60)
    assert found == [200]
