"""Cookies, splits and places in the configuration: spellings, refusals, and what `limen check` finds."""

import pytest

from limen.config import loads, reads
from limen.errors import ConfigErrors

KEY = "0123456789abcdef"
TEXT = """\
listeners: [{bind: 127.0.0.1:80, routes: [%(route)s]}]
upstreams:
  web: {endpoints: [127.0.0.1:9001, 127.0.0.1:9002]%(keys)s}
  api: {endpoints: [127.0.0.1:9003]}
%(root)s
"""
PLACES = "places: {networks: [{clients: 10.0.0.0/8, region: eu}]}"


def text(keys="", route="{upstream: web}, {upstream: api, match: {path: /a}}", root=""):
    return TEXT % {"keys": keys and f", {keys}", "route": route, "root": root}


def warnings(written):
    document = reads(written, "f.yaml")
    report = document.check()
    assert not report.errors
    return [str(warning) for warning in report.warnings]


def refused(written):
    with pytest.raises(ConfigErrors) as caught:
        loads(written)
    return str(caught.value)


@pytest.mark.parametrize(
    ("sticky", "name", "keys"),
    [
        ("cookie", None, None),
        ("{cookie: {}}", None, None),
        ("{cookie: own}", "own", None),
        (f"{{cookie: {{name: own, key: {KEY}}}}}", "own", (KEY,)),
        (f"{{cookie: {{key: [{KEY}1, {KEY}2]}}}}", None, (KEY + "1", KEY + "2")),
    ],
)
def test_spellings_of_sticky(sticky, name, keys):
    cookie = loads(text(f"sticky: {sticky}")).upstreams["web"].sticky.cookie
    assert (cookie.name, cookie.key) == (name, keys)
    assert KEY not in repr(cookie)


def test_a_key_may_be_in_a_file_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("STICKY", KEY)
    (tmp_path / "key").write_text(KEY + "2\n")
    (tmp_path / "f.yaml").write_text(text("sticky: {cookie: {key: ['${STICKY}', {file: key}]}}"))
    from limen.config import load

    cookie = load(tmp_path / "f.yaml").upstreams["web"].sticky.cookie
    assert cookie.key == (KEY, KEY + "2")


@pytest.mark.parametrize(
    ("sticky", "message"),
    [
        ("field", "`balance: {hash: {by: field, name: X-Session}}`"),
        ("{client: true}", "`balance: {hash: client}`"),
        ("true", "expected cookie or a mapping"),
        ("{cookie: {key: short}}", "can be guessed"),
        ("{cookie: {name: 'a b'}}", "not a cookie name"),
        ("{cookie: {path: shop}}", "begin it with /"),
        ("{cookie: {path: '/a;b'}}", "not a path of a cookie"),
        ("{cookie: {domain: 'a b'}}", "not a"),
        ("{cookie: {same_site: none, secure: false}}", "without `Secure`"),
        ("{cookie: {name: __Host-a}}", "`secure: true`"),
        ("{cookie: {name: __Host-a, secure: true, path: /a}}", "`path: /`"),
        ("{cookie: {secure: maybe}}", "expected true or false"),
    ],
)
def test_what_sticky_refuses(sticky, message):
    assert message in refused(text(f"sticky: {sticky}"))


def test_warnings_about_cookies():
    assert warnings(text(f"sticky: {{cookie: {{key: {KEY}}}}}")) == []
    assert "has no `key`" in warnings(text("sticky: cookie"))[0]
    split = "{split: {to: [{weight: 1, upstream: web}, {weight: 1, upstream: api}], cookie: side}}"
    assert "has no `key`" in warnings(text(route=split))[0]
    keyed = f"sticky: {{cookie: {{key: {KEY}}}}}"
    assert "beside `hash`" in warnings(text(f"{keyed}, balance: hash"))[0]
    both = text(f"sticky: {{cookie: {{name: own, key: {KEY}}}}}")
    both = both.replace("[127.0.0.1:9003]", f"[127.0.0.1:9003], sticky: {{cookie: {{name: own, key: {KEY}}}}}")
    assert "set the same cookie" in warnings(both)[0]
    stream = text(keyed).replace("routes: [", "stream: {upstream: web}}, {bind: 127.0.0.1:81, routes: [")
    assert "no effect on the bytes of a stream" in warnings(stream)[0]


def test_spellings_of_split():
    shares = "[{weight: 95, upstream: web}, {weight: 5, upstream: api}]"
    short = loads(text(route=f"{{split: {shares}}}")).listeners[0].routes[0]
    assert [(share.weight, share.upstream) for share in short.split.to] == [(95, "web"), (5, "api")]
    assert short.upstreams == ("web", "api")
    long = loads(text(route=f"{{split: {{to: {shares}, by: {{by: field, name: X-User}}, cookie: side}}}}"))
    split = long.listeners[0].routes[0].split
    assert (split.by.by, split.by.name, split.cookie.name) == ("field", "X-User", "side")


@pytest.mark.parametrize(
    ("match", "root", "message"),
    [
        ("country: FR", "", "there are no `places`"),
        ("region: [eu]", "", "there are no `places`"),
        ("country: fr", PLACES, "two capital letters"),
        ("continent: Europe", PLACES, "one of AF"),
        ("asn: 0", PLACES, "out of range"),
        ("asn: []", PLACES, "the list is empty"),
        ("{}", "places: {}", "nothing says where clients are"),
        ("{}", "places: {networks: [{clients: 10.0.0.0/8}]}", "nothing is said of these clients"),
        ("{}", "places: {networks: [{clients: 10.0.0.0/8, at: [91, 0]}]}", "not a latitude"),
        ("{}", "places: {networks: [{clients: 10.0.0.0/8, at: 5}]}", "latitude and longitude"),
        ("{}", "places: {networks: [{clients: 10.0.0.0/8, region: a}], regions: {b: {}}}", "nobody belongs"),
    ],
)
def test_what_places_refuse(match, root, message):
    match = match if match == "{}" else f"{{{match}}}"
    assert message in refused(text(route=f"{{match: {match}, upstream: web}}, {{upstream: api}}", root=root))


def test_regions_that_no_client_is_in():
    found = warnings(text(route="{match: {region: euu}, upstream: web}, {upstream: api}", root=PLACES))
    assert found
    assert "no client is in the region" in found[0]
    assert "did you mean 'eu'" in found[0]
    forward = "  - {bind: 127.0.0.1:82, forward: {access: [{allow: {region: xx}}]}}"
    rules = "listeners:\n  - {bind: 127.0.0.1:80, respond: {}}\n".replace(
        "  - {bind: 127.0.0.1:80, respond: {}}\n", forward
    )
    assert "no client is in the region" in warnings(f"{rules}\n{PLACES}\n")[0]


@pytest.mark.parametrize(
    ("balance", "message"),
    [
        ("nearest", "`nearest` needs `places`"),
        ("{policy: nearest, then: nearest}", "not known here"),
        ("{policy: hash, then: random}", "has no `then`"),
        ("{policy: random, order: {eu: [us]}}", "has no `order`"),
        ("{policy: nearest, order: {eu: [us, us]}}", "stands twice"),
        ("{policy: nearest, hash: path}", "the policy least_requests has no `hash`"),
    ],
)
def test_what_nearest_refuses(balance, message):
    assert message in refused(text(f"balance: {balance}"))


def test_nearest_and_its_regions():
    near = text("balance: {policy: nearest, then: hash, hash: path, order: {eu: [xx, us], zz: [us]}}", root=PLACES)
    near = near.replace("127.0.0.1:9001", "{address: 127.0.0.1:9001, region: us, zone: a, at: [1, -2.5]}")
    balance = loads(near).upstreams["web"].balance
    assert (balance.policy, balance.among, balance.order["eu"]) == ("nearest", "hash", ("xx", "us"))
    assert loads(near).upstreams["web"].endpoints[0].at == (1.0, -2.5)
    found = " ".join(warnings(near))
    assert "no endpoint is in the region 'xx'" in found
    assert "no client is in the region 'zz'" in found
    assert "no endpoint says where it is" in refused(text("balance: nearest", root=PLACES))
