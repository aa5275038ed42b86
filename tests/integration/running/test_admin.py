"""The admin address with credentials: who is served, who waits, and what is told."""

import base64
import json

import pytest
from jsonschema import Draft202012Validator

from limen.control.admin.openapi import document
from tests.support import RawClient, run_limen

TOKEN = "0123456789abcdef0123456789abcdef"
SITE = """
workers: 1
admin: {bind: "0.0.0.0:@ADMIN@", @CREDENTIALS@}
listeners:
  - {name: front, bind: 127.0.0.1:@PORT@, routes: [{name: web, upstream: web}]}
upstreams:
  web: {endpoints: ["@ORIGIN@"]}
"""
LOGIN = f"token: {TOKEN}, users: {{ops: correct horse}}, hosts: limen.internal"


def ask(site, target="/status", method="GET", host="127.0.0.1", client="127.0.0.1", **fields):
    pairs = [(name.replace("_", "-"), value) for name, value in fields.items()]
    with RawClient(("127.0.0.1", site.port("ADMIN"))) as connection:
        return connection.request(method, target, pairs, host=f"{host}:{site.port('ADMIN')}")


def basic(password):
    return "Basic " + base64.b64encode(f"ops:{password}".encode()).decode()


@pytest.fixture
def site(start_limen, start_origin):
    return start_limen(SITE, values={"ORIGIN": start_origin(), "CREDENTIALS": LOGIN}, allow=["wrong credentials"])


def test_nobody_is_served_without_credentials(site):
    for target in ("/", "/status", "/live", "/metrics", "/healthz", "/openapi.json", "/page.js", "/absent"):
        response = ask(site, target)
        assert response.status == 401, target
        assert response.get("www-authenticate").startswith("Basic ")
        assert "limen" not in response.text
        assert ask(site, target, Authorization=f"Bearer {TOKEN}").status == (404 if target == "/absent" else 200)
        assert ask(site, target, Authorization=basic("correct horse")).status == (404 if target == "/absent" else 200)


def test_changes_need_more_than_a_login_that_a_browser_sends_by_itself(site):
    user, token = basic("correct horse"), f"Bearer {TOKEN}"
    assert ask(site, "/reload", "POST", Authorization=user).status == 403
    assert ask(site, "/reload", "POST", Authorization=user, X_Limen_Control="1").status == 200
    assert ask(site, "/reload", "POST", Authorization=token).status == 200
    own = f"http://127.0.0.1:{site.port('ADMIN')}"
    assert ask(site, "/reload", "POST", Authorization=user, X_Limen_Control="1", Origin=own).status == 200
    for origin in ("http://evil.example", "null", own + "1", "http://127.0.0.1"):
        assert ask(site, "/reload", "POST", Authorization=token, X_Limen_Control="1", Origin=origin).status == 403
    assert ask(site, "/reload", "POST", Authorization=token, Sec_Fetch_Site="cross-site").status == 403


def test_only_known_names_lead_here(site):
    token = f"Bearer {TOKEN}"
    assert ask(site, host="limen.internal", Authorization=token).status == 200
    assert ask(site, host="192.0.2.1", Authorization=token).status == 200
    assert ask(site, host="rebound.example", Authorization=token).status == 403


def test_wrong_credentials_make_wait(site):
    # on a slow machine a pause may be over before the next one comes: they grow
    answers = [ask(site, Authorization="Bearer wrong")]
    while answers[-1].status == 401 and len(answers) < 50:
        answers.append(ask(site, Authorization="Bearer wrong"))
    assert {answer.status for answer in answers[:5]} == {401}
    assert answers[-1].status == 429
    assert int(answers[-1].get("retry-after")) >= 1
    # the command line has its own door
    assert site.command("status", str(site.path)).returncode == 0


def test_changed_credentials_come_into_force_with_a_reload(site):
    site.reload(SITE.replace("@CREDENTIALS@", "token: another-token-of-some-length"))
    assert ask(site, Authorization=f"Bearer {TOKEN}").status == 401
    assert ask(site, Authorization="Bearer another-token-of-some-length").status == 200
    assert ask(site).get("www-authenticate").startswith("Bearer ")


def test_secrets_are_told_nowhere(site):
    site.reload(SITE.replace("@CREDENTIALS@", LOGIN.replace("horse", "horses")))
    told = [ask(site, target, Authorization=f"Bearer {TOKEN}").text for target in ("/status", "/live", "/metrics")]
    told.append(site.log)
    assert not [text for text in told if TOKEN in text or "correct horse" in text]


@pytest.mark.parametrize(
    ("admin", "status", "words"),
    [
        ("bind: '0.0.0.0:1', token: short", 2, "the token is too short"),
        ("bind: '0.0.0.0:1', users: {ops: short}", 2, "the password is too short"),
        ("bind: '0.0.0.0:1', users: {}", 2, "`users` is empty"),
        ("bind: '0.0.0.0:1', users: {'a:b': long enough}", 2, "no colon"),
        ("bind: '0.0.0.0:1', token: {file: absent}", 2, "cannot read the file"),
        ("bind: '0.0.0.0:1'", 0, "has no login: they are refused"),
        ("bind: '0.0.0.0:1', token: long-enough-as-a-token", 0, "unencrypted"),
        ("bind: '127.0.0.1:1', token: long-enough-as-a-token", 0, "ok:"),
    ],
)
def test_check(tmp_path, admin, status, words):
    path = tmp_path / "limen.yaml"
    path.write_text(f"admin: {{{admin}}}\nlisteners: [{{bind: 127.0.0.1:8080, routes: [{{respond: {{}}}}]}}]\n")
    done = run_limen("check", str(path))
    text = done.stdout + done.stderr
    assert (done.returncode, words in text) == (status, True), text
    assert "long-enough" not in text and " short'" not in text


def test_answers_fit_their_schemas(start_limen, start_origin):
    site = start_limen(SITE, values={"ORIGIN": start_origin(), "CREDENTIALS": ""})
    for _ in range(3):
        site.get()
    described = document()
    for target, name in (("/status", "Status"), ("/live", "Live"), ("/upstreams/web", "Upstream")):
        schema = {**described["components"]["schemas"][name], "components": described["components"]}
        Draft202012Validator(schema).validate(json.loads(site.admin(target).text))
    site.catch_up()
    live = json.loads(site.admin("/live").text)
    assert live["traffic"]["exchanges"] == sum(live["traffic"]["buckets"]) == 3
    assert live["traffic"]["classes"]["2xx"] == live["routes"][0]["classes"]["2xx"] == 3
    assert live["upstreams"][0]["endpoints"][0]["requests"] == 3
    assert live["listeners"][0]["accepted"] == 3
    assert json.loads(site.admin("/listeners").text)["listeners"][0]["name"] == "front"
    assert json.loads(site.admin("/upstreams").text)["upstreams"][0]["name"] == "web"
    assert site.admin("/upstreams/absent").status == 404
    top = json.loads(site.command("top", "--once", "--json", str(site.path)).stdout)
    assert top["upstreams"][0]["endpoints"][0]["state"] == "up"
    assert top["traffic"]["connections"] >= 0
