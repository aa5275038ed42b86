"""Routes that go to several upstreams: exact shares, clients that keep theirs, retries that stay, counts by share."""

from collections import Counter

import pytest

from tests.support import json_lines, run_limen, wait_until

KEY = "0123456789abcdef0123"
SITE = """
workers: 2
admin: {bind: "127.0.0.1:@ADMIN@"}
log: {access: {path: "@DIR@/access.jsonl", flush: 20ms}}
listeners:
  - bind: 127.0.0.1:@PORT@
    proxy_protocol: {from: [127.0.0.1]}
    routes: [{name: shop, split: @SPLIT@}]
upstreams:
  stable: {endpoints: ["@STABLE@"]}
  canary: {endpoints: ["@CANARY@"]}
"""
SHARES = "[{weight: 3, upstream: stable}, {weight: 1, upstream: canary}]"


@pytest.fixture
def start(start_limen, named_origins, tmp_path):
    def start(split, text=SITE):
        origins = named_origins("stable", "canary")
        site = start_limen(text.replace("@SPLIT@", split).replace("@DIR@", str(tmp_path)), values=origins)
        site.origins = origins
        site.access_log = tmp_path / "access.jsonl"
        return site

    return start


def test_shares_are_exact_in_each_worker(start, ask):
    site = start(SHARES)
    answers = Counter(ask(site).text for _ in range(80))
    # each worker is at most one exchange off
    assert abs(answers["canary"] - 20) <= 2
    # one connection is one worker: four exchanges are exactly one round
    with site.connect() as client:
        client.send("PROXY UNKNOWN\r\n")
        for _ in range(5):
            assert Counter(client.request().text for _ in range(4)) == {"stable": 3, "canary": 1}


def test_the_share_is_in_log_and_metrics(start, ask):
    site = start(SHARES)
    answers = Counter(ask(site).text for _ in range(12))
    wait_until(lambda: len(json_lines(site.access_log)) == 12, what="records")
    records = json_lines(site.access_log)
    assert Counter(record["upstream"] for record in records) == answers
    assert {record["route"] for record in records} == {"shop"}
    metrics = site.metrics()
    for name, count in answers.items():
        assert metrics[f'limen_exchanges_total{{route="shop/{name}",code="2xx"}}'] == count


def test_clients_keep_their_share_by_address_field_or_cookie(start, ask):
    site = start(f"{{to: {SHARES}, by: client}}")
    homes = {f"192.0.2.{number}": ask(site, client=f"192.0.2.{number}").text for number in range(60)}
    assert set(homes.values()) == {"stable", "canary"}
    for client, home in homes.items():
        assert {ask(site, client=client).text for _ in range(2)} == {home}
    site = start(f"{{to: {SHARES}, by: {{by: field, name: X-User}}}}")
    homes = {user: ask(site, fields=[("X-User", user)]).text for user in map(str, range(60))}
    assert set(homes.values()) == {"stable", "canary"}
    for user, home in homes.items():
        assert ask(site, client="198.51.100.7", fields=[("x-user", user)]).text == home
    # who has none is counted out one by one
    assert len({ask(site).text for _ in range(16)}) == 2


def test_a_cookie_outlives_changed_weights(start, ask):
    split = "{to: [{weight: %d, upstream: stable}, {weight: %d, upstream: canary}], cookie: {name: side, key: %s}}"
    site = start(split % (1, 1, KEY))
    cookies = {}
    while len(cookies) < 2:
        response = ask(site)
        value, *attributes = response.get("Set-Cookie").split("; ")
        assert attributes == ["Path=/", "HttpOnly", "SameSite=Lax"]
        cookies[response.text] = value
    text = SITE.replace("@DIR@", str(site.access_log.parent))
    for weights in ((1, 0), (0, 1)):
        site.reload(text.replace("@SPLIT@", split % (*weights, KEY)))
        newcomers = {ask(site).text for _ in range(8)}
        assert newcomers == {"stable" if weights[0] else "canary"}
        for name, value in cookies.items():
            response = ask(site, fields=[("Cookie", f"{value}; a=b")])
            assert response.text == name
            assert response.get("Set-Cookie") is None
            assert site.origins[name.upper()].requests[-1].get_all("Cookie") == ["a=b"]
    forged = ask(site, fields=[("Cookie", "side=" + "A" * 22)])
    assert (forged.text, forged.get("Set-Cookie").split("; ")[0]) == ("canary", cookies["canary"])


def test_retries_stay_in_the_share(start, ask):
    site = start(SHARES)
    site.origins["CANARY"].refuse()
    site.origins["CANARY"].stop()
    answers = Counter(ask(site).status for _ in range(40))
    assert abs(answers[502] - 10) <= 2
    assert answers[200] + answers[502] == 40


def test_sticky_upstreams_behind_a_split(start, ask):
    text = SITE.replace('["@CANARY@"]', f'["@CANARY@"], sticky: {{cookie: {{name: own, key: {KEY}}}}}')
    site = start(f"{{to: {SHARES}, cookie: {{name: side, key: {KEY}}}}}", text)
    response = ask(site)
    while response.text != "canary":
        response = ask(site)
    cookies = [value.partition(";")[0] for value in response.get_all("Set-Cookie")]
    assert sorted(cookie.partition("=")[0] for cookie in cookies) == ["own", "side"]
    again = ask(site, fields=[("Cookie", "; ".join([*cookies, "mine=1"]))])
    assert (again.text, again.get_all("Set-Cookie")) == ("canary", [])
    assert site.origins["CANARY"].requests[-1].get_all("Cookie") == ["mine=1"]


@pytest.mark.parametrize(
    ("split", "complaint"),
    [
        ("[]", "at least one"),
        ("[{weight: 0, upstream: stable}]", "above 0"),
        ("[{weight: 1, upstream: stable}, {weight: 2, upstream: stable}]", "two shares"),
        ("[{weight: 1, upstream: stabel}]", "did you mean 'stable'"),
        ("[{weight: 1, upstream: stable}]\n        upstream: stable", "exactly one"),
    ],
)
def test_what_is_refused(tmp_path, split, complaint):
    file = tmp_path / "limen.yaml"
    listener = f"listeners:\n  - bind: 127.0.0.1:1\n    routes:\n      - split: {split}\n"
    file.write_text(listener + "upstreams:\n  stable: {endpoints: [127.0.0.1:2]}\n")
    done = run_limen("check", str(file))
    assert done.returncode == 2
    assert complaint in done.stdout + done.stderr
