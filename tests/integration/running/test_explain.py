"""`limen explain`: of a file and of a running instance, whose load and health are real."""

import json

import pytest
from jsonschema import Draft202012Validator

from limen.control.admin.openapi import document
from tests.support import Reply, run_limen, wait_until

SITE = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
resolver: {hosts: true, timeout: 500ms, servers: ["127.0.0.1:@NODNS@"]}
listeners:
  - name: front
    bind: 127.0.0.1:@PORT@
    trusted: 10.0.0.0/8
    routes:
      - {name: api, match: {host: api.example, path: /v1/, method: [GET, POST]}, upstream: api}
      - {name: blue, match: {fields: {X-Tenant: blue}, query: {a: true}}, upstream: keyed}
      - {name: inner, match: {clients: 192.0.2.0/24, path: {regex: "/x+"}}, respond: {status: 204}}
      - {name: old, match: {path: {exact: /old}}, redirect: {to: /new}}
      - {name: rest, match: {host: "*.rest.example"}, request: {set: {Authorization: a-secret}}, upstream: api}
  - name: proxy
    bind: 127.0.0.1:@PROXY@
    forward:
      access:
        - {name: ads, deny: {hosts: [.ads.example]}}
        - {name: inner, deny: {addresses: 8.8.8.0/24}}
        - {name: never, allow: {times: [{days: [mon], from: "00:00", to: "00:01", zone: UTC}], clients: 198.51.100.0/24}}
        - {name: web, allow: {ports: [443]}}
  - name: db
    bind: 127.0.0.1:@DB@
    stream: {routes: [{name: db-a, match: {sni: a.db.example}, upstream: api}, {name: other, match: {alpn: imap}, upstream: api}]}
upstreams:
  api: {endpoints: ["@ORIGIN@", "127.0.0.1:@DEAD@"]}
  keyed: {endpoints: ["@ORIGIN@", "127.0.0.1:@DEAD@"], balance: {hash: {by: field, name: X-Key}}}
"""
EXPLANATION = {**document()["components"]["schemas"]["Explanation"]}


@pytest.fixture
def site(start_limen, start_origin):
    return start_limen(SITE, values={"ORIGIN": start_origin()})


def explain(site, *arguments):
    done = site.command("explain", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    Draft202012Validator(EXPLANATION).validate(answer)
    return answer


def failed(rows):
    return {row["name"]: row["failed"] for row in rows}


def test_routes_and_why_the_others_not(site):
    answer = explain(site, "http://api.example/v1/x", str(site.path))
    assert answer["source"] == "instance"
    assert (answer["listener"]["name"], answer["route"]["name"], answer["passed_over"]) == ("front", "api", [])
    assert {row["name"] for row in answer["route"]["matched"]} == {"host", "path", "method"}
    answer = explain(site, "http://api.example/v1/x?b=1", "--method", "DELETE", "--field", "X-Tenant: blue")
    assert failed(answer["passed_over"]) == {
        "api": "method", "blue": "query", "inner": "path", "old": "path", "rest": "host",
    }  # fmt: skip
    assert answer["route"] is None
    assert (answer["verdict"]["status"], answer["verdict"]["fault"]) == (404, "no_route")
    answer = explain(site, "http://x/?a", "--field", "x-tenant: blue")
    assert failed(answer["passed_over"]) == {"api": "host"}
    answer = explain(site, "http://x/xx", "--from", "192.0.2.9")
    assert failed(answer["passed_over"]) == {"api": "host", "blue": "fields"}
    assert answer["verdict"] == {"outcome": "respond", "status": 204, "reason": "the route answers itself"}
    assert failed(explain(site, "http://x/xx", "--from", "203.0.113.1")["passed_over"])["inner"] == "clients"
    answer = explain(site, "http://x/./old")
    assert (answer["target"]["path"], answer["verdict"]["status"]) == ("/old", 308)


def test_it_is_what_really_happens(site):
    """The route that is explained is the one that is counted."""
    for target, host in (("/v1/a", "api.example"), ("/old", "x"), ("/nothing", "b.rest.example"), ("/nothing", "y")):
        answer = explain(site, f"http://{host}{target}")
        name = answer["route"]["name"] if answer["route"] else "front"

        def count(name=name):
            return sum(v for k, v in site.metrics().items() if k.startswith(f'limen_exchanges_total{{route="{name}"'))

        before = count()
        with site.connect("PORT") as client:
            response = client.request("GET", target, host=host)
        wait_until(lambda count=count, before=before: count() > before, what="its count")
        assert count() == before + 1
        assert response.status == answer["verdict"].get("status", 200)


def test_a_trusted_proxy_names_the_client(site):
    answer = explain(site, "http://x/xx", "--from", "10.0.0.1", "--field", "X-Forwarded-For: 192.0.2.1")
    assert (answer["from"], answer["client"], answer["route"]["name"]) == ("10.0.0.1", "192.0.2.1", "inner")


def test_secrets_stay_untold(site):
    done = site.command("explain", "http://a.rest.example/", "--json")
    assert "Authorization" in done.stdout
    assert "a-secret" not in done.stdout


def test_health_and_load_are_those_of_the_worker(site):
    def rows():
        return {row["address"]: row for row in explain(site, "http://api.example/v1/")["upstream"]["endpoints"]}

    dead = f"127.0.0.1:{site.port('DEAD')}"
    assert [row["usable"] for row in rows().values()] == [True, True]

    def out():
        with site.connect("PORT") as client:
            client.request("GET", "/v1/", host="api.example")
        return not rows()[dead]["usable"]

    wait_until(out, what="the dead endpoint out")
    row = rows()[dead]
    if not row["usable"]:
        assert "out for another" in row["reason"]
        assert row["place"] is None
    with site.connect("PORT") as client:
        # no turn is taken: whatever is asked between, requests go round
        client.request("GET", "/v1/", host="api.example")


def test_a_key_leads_to_one_endpoint(site):
    def first(key):
        answer = explain(site, "http://x/?a", "--field", "X-Tenant: blue", "--field", f"X-Key: {key}")
        assert answer["upstream"]["key"] == {"by": "field", "name": "X-Key"}
        return answer["upstream"]["endpoints"][0]["address"]

    # ports are dealt anew in each run, so how many keys show both endpoints differs
    found = {}
    while len(set(found.values())) < 2:
        assert len(found) < 40, "every key at one endpoint"
        found[len(found)] = first(len(found))
    assert found == {key: first(key) for key in found}


def test_access_and_addresses(site):
    answer = explain(site, "https://x.ads.example/", "--listener", "proxy")
    assert (answer["method"], answer["access"]["verdict"], answer["access"]["rule"]) == ("CONNECT", "deny", "ads")
    answer = explain(site, "https://8.8.8.8/", "--listener", "proxy")
    assert (answer["access"]["verdict"], answer["access"]["rule"]) == ("deny", "inner")
    assert failed(answer["access"]["passed_over"]) == {"ads": "host"}
    answer = explain(site, "https://9.9.9.9/", "--listener", "proxy")
    assert (answer["access"]["verdict"], answer["access"]["rule"]) == ("allow", "web")
    assert failed(answer["access"]["passed_over"]) == {"ads": "host", "inner": "addresses", "never": "clients"}
    assert answer["verdict"]["to"] == "9.9.9.9:443"
    answer = explain(site, "http://9.9.9.9/", "--listener", "proxy")
    assert (answer["access"]["verdict"], answer["access"]["rule"]) == ("deny", None)
    assert failed(answer["access"]["passed_over"])["web"] == "ports"
    answer = explain(site, "https://localhost/", "--listener", "proxy")
    assert (answer["verdict"]["fault"], answer["addresses"][0]["usable"]) == ("target_address", False)
    own = explain(site, f"https://127.0.0.1:{site.port('ADMIN')}/", "--listener", "proxy")
    assert own["verdict"]["outcome"] == "refused"
    answer = explain(site, "https://unknown.invalid/", "--listener", "proxy")
    assert answer["verdict"]["fault"] in ("dns", "dns_timeout")


def test_streams(site):
    answer = explain(site, "https://a.db.example/", "--listener", "db")
    assert (answer["route"]["name"], answer["upstream"]["name"]) == ("db-a", "api")
    answer = explain(site, "https://b.db.example/", "--listener", "db")
    assert answer["route"] is None
    assert "other" in answer["notes"][0]


def test_a_file_alone(site, tmp_path):
    """Before a reload: the file as it is now, not what runs."""
    site.write(SITE.replace("name: rest, match: {host", "name: new, match: {host"))
    assert explain(site, "http://a.rest.example/", str(site.path))["route"]["name"] == "rest"
    answer = explain(site, "http://a.rest.example/", str(site.path), "--offline")
    assert (answer["source"], answer["route"]["name"]) == ("file", "new")
    path = tmp_path / "alone.yaml"
    path.write_text(
        "listeners: [{bind: 127.0.0.1:8080, routes: [{upstream: web}]}]\nupstreams: {web: {endpoints: [127.0.0.1:9]}}"
    )
    done = run_limen("explain", "www.example.com", str(path), env={"XDG_RUNTIME_DIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert "from the file alone" in done.stdout
    assert "outcome   forwarded to 127.0.0.1:9" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["ftp://a/"], 2, "scheme"),
        (["http://a/", "--from", "nobody"], 2, "no IP address"),
        (["http://a/", "--listener", "absent"], 2, "there is no listener 'absent'; there are front, proxy, db"),
        (["http://a/", "--field", "x"], 2, "no field"),
        (["http://a/", "--offline"], 1, "needs a FILE"),
        (["http://a/", "--control", "/absent"], 1, "no instance"),
    ],
)
def test_wrong_questions(site, arguments, status, words):
    done = site.command("explain", *arguments)
    assert (done.returncode, words in done.stderr) == (status, True), done.stderr


def test_over_the_admin_address(site):
    answer = site.admin("/explain?url=http%3A%2F%2Fapi.example%2Fv1%2F&from=192.0.2.1")
    assert (answer.status, json.loads(answer.text)["route"]["name"]) == (200, "api")
    assert site.admin("/explain").status == 400
    assert site.admin("/explain?url=http://a/&unknown=1").status == 400
    assert site.admin("/explain?url=http://a/&listener=absent").status == 400


STEERED = """
workers: 1
admin: {bind: "127.0.0.1:@ADMIN@"}
places:
  networks:
    - {clients: 10.1.1.0/24, region: eu, zone: a, country: DE}
    - {clients: 10.2.0.0/16, region: us}
listeners:
  - name: front
    bind: 127.0.0.1:@PORT@
    deny: {networks: [203.0.113.0/24]}
    routes:
      - {name: near, match: {path: /near}, upstream: near}
      - {name: split, match: {path: /split}, split: [{weight: 3, upstream: near}, {weight: 1, upstream: shop}]}
      - name: keyed
        match: {path: /keyed}
        split: {to: [{weight: 1, upstream: near}, {weight: 1, upstream: shop}], by: client}
      - {name: closed, match: {path: /closed}, maintenance: true, upstream: shop}
      - {name: walled, match: {path: /walled}, allow: {networks: [10.0.0.0/8]}, upstream: shop}
      - {name: rated, match: {path: /rated}, limit: {rate: 2/h, by: client}, respond: {status: 204}}
      - {name: shop, upstream: shop}
upstreams:
  near:
    endpoints:
      - {address: "127.0.0.1:7001", region: eu, zone: a}
      - {address: "127.0.0.1:7002", region: eu, zone: b}
      - {address: "127.0.0.1:7003", region: us}
    balance: {policy: nearest, then: round_robin}
  shop:
    endpoints: ["@A@", "@B@"]
    sticky: {cookie: {key: "0123456789abcdef0123", name: own}}
    probe: {path: /healthz, interval: 100ms, timeout: 10s, fall: 1, rise: 1}
    max_requests: 10
"""


@pytest.fixture
def steered(start_limen, start_origin):
    well = {"A": True, "B": True}

    def script(name):
        return lambda request, _: Reply(200 if well[name] or request.target != "/healthz" else 503)

    site = start_limen(STEERED, values={name: start_origin(script(name)) for name in well})
    site.well = well
    return site


def places(answer):
    return {row["address"]: row["place"] for row in answer["upstream"]["endpoints"]}


@pytest.mark.sanitize
def test_the_clients_place_and_cookie_count(steered):
    answer = explain(steered, "http://x/near", "--from", "10.1.1.5")
    assert answer["place"] == {"country": "DE", "region": "eu", "zone": "a"}
    assert (answer["upstream"]["policy"], answer["upstream"]["then"]) == ("nearest", "round_robin")
    assert places(answer) == {"127.0.0.1:7001": 1, "127.0.0.1:7002": 2, "127.0.0.1:7003": 3}
    answer = explain(steered, "http://x/near", "--from", "10.2.0.1")
    assert answer["verdict"]["to"] == "127.0.0.1:7003"
    assert explain(steered, "http://x/near", "--from", "192.0.2.1")["place"] is None

    first = steered.get("/")
    cookie = first.get_all("Set-Cookie")[0].partition(";")[0]
    answer = explain(steered, "http://x/", "--field", f"Cookie: {cookie}")
    own = answer["verdict"]["to"]
    assert answer["upstream"]["sticky"]["found"] == "kept"
    assert answer["verdict"]["reason"].startswith("the client keeps it by its cookie")
    assert explain(steered, "http://x/", "--field", "Cookie: own=forged")["upstream"]["sticky"]["found"] == "unknown"
    assert explain(steered, "http://x/")["upstream"]["sticky"]["found"] == "none"
    # drained it keeps its own and nobody else, disabled not even them
    assert steered.command("endpoint", "drain", "shop", own).returncode == 0
    answer = explain(steered, "http://x/", "--field", f"Cookie: {cookie}")
    assert (answer["verdict"]["to"], answer["upstream"]["sticky"]["found"]) == (own, "kept")
    assert explain(steered, "http://x/")["verdict"]["to"] != own
    assert steered.command("endpoint", "disable", "shop", own).returncode == 0
    answer = explain(steered, "http://x/", "--field", f"Cookie: {cookie}")
    assert (answer["verdict"]["to"] != own, answer["upstream"]["sticky"]["found"]) == (True, "out")
    row = next(row for row in answer["upstream"]["endpoints"] if row["address"] == own)
    assert (row["place"], row["reason"], row["state"]) == (None, "disabled at run time", "disabled")
    text = steered.command("explain", "http://x/", "--field", f"Cookie: {cookie}").stdout
    assert "sticky    the endpoint of the client's cookie is out" in text
    # and what really happens
    moved = steered.get("/", fields=[("Cookie", cookie)])
    assert moved.get_all("Set-Cookie")


def test_shares_of_a_split_without_taking_a_turn(steered):
    shares = [explain(steered, "http://x/split")["share"] for _ in range(5)]
    assert len({share["upstream"] for share in shares}) == 1, "asked is not gone"
    assert {share["by"] for share in shares} == {"turn"}
    answer = explain(steered, "http://x/split")
    assert answer["route"]["name"] == "split"
    assert answer["upstream"]["name"] == answer["share"]["upstream"]
    keyed = {
        client: explain(steered, "http://x/keyed", "--from", client)["share"]
        for client in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6")
    }
    assert {share["by"] for share in keyed.values()} == {"key"}
    assert {share["upstream"] for share in keyed.values()} == {"near", "shop"}


def test_what_stands_before_a_route(steered):
    answer = explain(steered, "http://x/", "--from", "203.0.113.7")
    assert (answer["verdict"]["outcome"], answer["verdict"]["fault"]) == ("refused", "client_denied")
    assert "route" not in answer
    assert explain(steered, "http://x/closed")["verdict"]["fault"] == "maintenance"
    assert explain(steered, "http://x/walled", "--from", "192.0.2.1")["verdict"]["fault"] == "denied"
    assert explain(steered, "http://x/walled", "--from", "10.9.9.9")["verdict"]["outcome"] == "forwarded"
    for left in (2, 1, 0):
        for _ in range(2):
            answer = explain(steered, "http://x/rated")
            assert [(one["name"], one["most"], one["left"], one["refuses"]) for one in answer["rates"]] == [
                ("rated", 2, left, left == 0)
            ]
        assert answer["verdict"]["status"] == (204 if left else 429)
        assert steered.get("/rated").status == (204 if left else 429)
    # another client has its own
    assert explain(steered, "http://x/rated", "--from", "192.0.2.1")["verdict"]["status"] == 204


def test_states_with_their_reasons(steered):
    address = steered.values["A"].address
    steered.well["A"] = False

    def row():
        rows = explain(steered, "http://x/")["upstream"]["endpoints"]
        return next(one for one in rows if one["address"] == address)

    wait_until(lambda: row()["state"] == "down", what="a failed probe")
    wait_until(lambda: not row()["usable"], what="the worker's survey")
    found = row()
    assert (found["place"], found["reason"], found["words"]) == (None, "down by its probe", ["down"])
    assert found["state_reason"] == "probe: status 503 is not 200-399"
    assert found["since"] is not None
    text = steered.command("explain", "http://x/").stdout
    assert "down by its probe (probe: status 503 is not 200-399)" in text
    assert "max_requests: 0 of 10" in text
