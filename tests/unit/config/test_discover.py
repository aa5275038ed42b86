"""Sections of `discover`, what is wrong with them, and the lists that sources give."""

import pytest

from limen.config import loads, reads
from limen.config.listing import Listing
from limen.errors import ConfigErrors

TEXT = "listeners: [{bind: 127.0.0.1:80, routes: [{upstream: web}]}]\nupstreams:\n  web: {%s}\n"


def upstream(keys):
    return loads(TEXT % keys, "f.yaml").upstreams["web"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("discover: {dns: 'web.test:80'}", {"address": "web.test:80", "family": "any"}),
        ("discover: {dns: {address: 'web.test:80', family: ipv4}}", {"address": "web.test:80", "family": "ipv4"}),
        ("discover: {srv: _http._tcp.web.test}", {"name": "_http._tcp.web.test", "family": "any"}),
        ("discover: {file: /run/list.yaml}", {"path": "/run/list.yaml", "interval": "1s"}),
        ("discover: {http: 'http://[::1]:8500/x?y'}", {"url": "http://[::1]:8500/x?y", "max": "4MiB"}),
    ],
)
def test_sources_have_a_short_form(keys, expected):
    discover = upstream(keys).discover.model_dump(mode="json", exclude_none=True)
    source = next(discover[name] for name in ("dns", "srv", "file", "http") if name in discover)
    assert expected.items() <= source.items()
    assert discover["allow_empty"] is False
    assert upstream(keys).endpoints == ()


def test_endpoints_may_stand_beside_it():
    found = upstream(
        "endpoints: ['a.test:80'], discover: {dns: 'web.test:80', initial: ['b.test:80', {address: 'c:1'}]}"
    )
    assert [str(endpoint.address) for endpoint in found.endpoints] == ["a.test:80"]
    assert [str(endpoint.address) for endpoint in found.discover.initial] == ["b.test:80", "c:1"]


def test_a_token_is_read_and_never_shown(monkeypatch):
    monkeypatch.setenv("TOKEN", "very secret")
    found = upstream("discover: {http: {url: 'https://a/', token: '${TOKEN}'}}")
    assert found.discover.http.token == "very secret"
    assert "very secret" not in repr(found)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("timeouts: {}", "f.yaml:3:8: upstreams.web: has neither `endpoints` nor `discover`"),
        ("endpoints: []", "upstreams.web.endpoints: the list is empty; name at least one"),
        ("discover: {}", "upstreams.web.discover: needs exactly one of dns, srv, file or http; has none of them"),
        ("discover: {dns: 'a:1', file: b}", "needs exactly one of dns, srv, file or http; has dns and file"),
        ("discover: {dns: '10.0.0.1:80'}", "'10.0.0.1:80' has no name to look up; write name:port, or use `endpoints`"),
        ("discover: {dns: web.test}", "'web.test' has no port"),
        ("discover: {srv: 'a b'}", "'a b' is not a host name"),
        ("discover: {http: 'ftp://a/'}", "'ftp://a/' is not a URL; write https://host/path"),
        ("discover: {http: 'https://u:p@a/'}", "the URL holds a user; leave it out; a bearer token is `token`"),
        ("discover: {http: 'https://a/#x'}", "is not a URL; without fragment, spaces and control characters"),
        ("discover: {file: {path: x, interval: 1ms}}", "1ms' is out of range; from 100ms to 1h"),
        ("discover: {dns: 'a:1', initial: ['b']}", "f.yaml:3:42: upstreams.web.discover.initial[0]: 'b' has no port"),
        ("discovery: {dns: 'a:1'}", "unknown key 'discovery'; did you mean 'discover'?"),
    ],
)
def test_what_is_wrong_is_said(keys, message):
    with pytest.raises(ConfigErrors) as caught:
        upstream(keys)
    assert message in str(caught.value)


def test_backups_alone_will_do_with_a_source():
    text = TEXT % "endpoints: [{address: 'a:1', backup: true}], discover: {dns: 'b:1'}"
    assert reads(text, "f.yaml").check().errors == ()
    assert reads(TEXT % "endpoints: [{address: 'a:1', backup: true}]", "f.yaml").check().errors


def test_a_token_without_tls_is_warned_of():
    plain = reads(TEXT % "discover: {http: {url: 'http://a.test/', token: x}}", "f.yaml").check()
    assert [warning.path for warning in plain.warnings] == ["upstreams.web.discover.http.token"]
    for url in ("https://a.test/", "http://127.0.0.1:1/", "http://localhost/"):
        assert not reads(TEXT % f"discover: {{http: {{url: '{url}', token: x}}}}", "f.yaml").check().warnings


# lists


def addresses(endpoints):
    return [str(endpoint.address) for endpoint in endpoints]


@pytest.mark.parametrize(
    "text",
    [
        "- 10.0.0.1:80\n- {address: '10.0.0.2:80', weight: 3}\n",
        "endpoints: [10.0.0.1:80, {address: '10.0.0.2:80', weight: 3}]",
        '["10.0.0.1:80", {"address": "10.0.0.2:80", "weight": 3}]',
        '[{"targets": ["10.0.0.1:80"]}, {"targets": ["10.0.0.2:80"], "labels": {"weight": "3", "__meta": "x"}}]',
    ],
)
def test_shapes_of_lists(text):
    found = Listing("l.yaml").yaml(text)
    assert addresses(found) == ["10.0.0.1:80", "10.0.0.2:80"]
    assert [endpoint.weight for endpoint in found] == [1, 3]
    if text[0] == "[":
        assert Listing("u").json(text.encode()) == found


def test_labels_are_keys_of_an_endpoint():
    labels = '{"weight": "7", "priority": "2", "max_requests": 9, "region": "eu", "backup": "true", "address": "x:1"}'
    (found,) = Listing("u").json(b'[{"targets": ["a.test:80"], "labels": %s}]' % labels.encode())
    assert (found.weight, found.priority, found.max_requests, found.region, found.backup) == (7, 2, 9, "eu", True)
    assert str(found.address) == "a.test:80"


def test_defaults_fill_in_and_twins_count_once():
    listing = Listing("l.yaml", defaults={"max_requests": 5, "weight": 2})
    found = listing.yaml("- a:1\n- {address: 'b:1', weight: 9}\n- {address: 'A:1', weight: 4}\n")
    assert [(str(one.address), one.weight, one.max_requests) for one in found] == [("a:1", 2, 5), ("b:1", 9, 5)]


def test_what_stays_is_the_same_object():
    listing = Listing("l.yaml")
    first = listing.yaml("- a:1\n- {address: 'b:1', weight: 9}\n")
    second = listing.yaml("- {weight: 9, address: 'b:1'}\n- c:1\n")
    assert second[0] is first[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a:1\n- b\n", "l.yaml:2:3: [1]: 'b' has no port"),
        ("- {address: 'a:1', weight: 0}\n", "l.yaml:1:28: [0].weight: 0 is out of range; from 1 to 65535"),
        (
            "- a:1\n- {address: 'b:1', wieght: 2}\n",
            "l.yaml:2:20: [1].wieght: unknown key 'wieght'; did you mean 'weight'?",
        ),
        ("- {weight: 2}\n", "l.yaml:1:3: [0].address: is missing"),
        ("- 0.0.0.0:80\n", "0.0.0.0:80' cannot be dialled"),
        ("- 'unix:/run/x'\n", "an endpoint on a Unix socket is not available"),
        ("- {address: {file: /etc/passwd}}\n", "l.yaml:1:13: [0].address: expected one value, found a mapping"),
        ("- {address: 'a:1', region: {file: /etc/hostname}}\n", "[0].region: expected one value, found a mapping"),
        ("- [a]\n", "l.yaml:1:3: [0]: expected an endpoint, found a list"),
        ("web\n", "l.yaml:1:1: expected a list, found 'web'"),
        ("", "expected a list, found nothing"),
        ("endpoints: 3\n", "l.yaml:1:12: endpoints: expected a list, found 3"),
        ("- a:1\n  - b:1\n- : {\n", "l.yaml:"),
        ("- {targets: a}\n", "expected a list of targets and a mapping of labels"),
        ("- {targets: [1]}\n", "l.yaml:1:14: [0].targets[0]: expected host:port, found 1"),
        ("[a:1, b:1, c:1, d:1]", "more than 3 endpoints"),
    ],
)
def test_bad_lists_name_the_place(text, message):
    with pytest.raises(ConfigErrors) as caught:
        Listing("l.yaml", most=3).yaml(text)
    assert message in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"[", b"\xff", b"nul", b"[" * 100_000, b'["a:1", 2]', b'{"a": 1}', b"null"])
def test_bad_json_is_refused(text):
    with pytest.raises(ConfigErrors):
        Listing("u").json(text)


def test_a_bad_list_of_thousands_is_told_briefly():
    with pytest.raises(ConfigErrors) as caught:
        Listing("l.yaml").yaml("- x\n" * 5000)
    assert len(caught.value) <= 21


def test_nothing_of_ours_gets_into_a_list(monkeypatch):
    monkeypatch.setenv("SECRET", "shown.test")
    with pytest.raises(ConfigErrors) as caught:
        Listing("l.yaml").yaml("- ${SECRET}:80\n")
    assert "shown.test" not in str(caught.value)
