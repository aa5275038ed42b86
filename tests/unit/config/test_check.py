"""check.py, references.py, loops.py, exposure.py: the parts of a configuration together."""

import pytest

from limen.config import check, reads
from limen.config.addresses import parse_address
from limen.config.exposure import is_public
from limen.config.loops import serves


def report(text, tmp_path=None):
    return reads(text, "f.yaml", tmp_path).check()


def warnings(text, tmp_path=None):
    found = report(text, tmp_path)
    assert found.errors == ()
    return [str(warning) for warning in found.warnings]


def test_unused_upstreams_are_warned_of():
    text = "listeners: [{bind: 127.0.0.1:80, forward: {}}]\nupstreams:\n  web: {endpoints: [127.0.0.1:9001]}\n"
    assert warnings(text) == ["f.yaml:3:3: upstreams.web: the upstream 'web' is not used"]


def test_streams_use_upstreams():
    assert (
        warnings(
            "listeners: [{bind: 127.0.0.1:80, stream: {upstream: a}}]\nupstreams: {a: {endpoints: [127.0.0.1:90]}}"
        )
        == []
    )


def test_keys_without_effect_are_warned_of():
    text = """
listeners:
  - bind: 127.0.0.1:80
    per_client: 500
    routes:
      - respond: {status: 200}
        retry: {attempts: 0}
        response: {set: {A: b}}
      - redirect: {to: /}
        host: endpoint
limits: {connections: 100}
"""
    assert warnings(text) == [
        "f.yaml:4:17: listeners[0].per_client: 500 is more than `limits.per_client` (200); raise that, too",
        "f.yaml:7:9: listeners[0].routes[0].retry: `retry` has no effect beside `respond`; remove it",
        "f.yaml:10:9: listeners[0].routes[1].host: `host` has no effect beside `redirect`; remove it",
        "f.yaml:11:9: limits: `per_client` (200) is more than `connections` (100); lower it",
    ]


def test_wildcards_cover_other_binds():
    text = "listeners:\n  - {bind: 0.0.0.0:80, forward: {}}\n  - {bind: 127.0.0.1:80, forward: {}}\n"
    assert warnings(text) == [
        (
            "f.yaml:3:12: listeners[1].bind: 127.0.0.1:80 is also covered by 0.0.0.0:80; "
            "the more exact one gets its connections"
        )
    ]


def test_chosen_ports_are_no_twins():
    assert warnings("listeners:\n  - {bind: 127.0.0.1:0, forward: {}}\n  - {bind: 127.0.0.1:0, forward: {}}\n") == []


def test_trust_in_everybody_is_warned_of():
    text = """
listeners:
  - bind: 127.0.0.1:80
    trusted: [10.0.0.0/8, 0.0.0.0/0]
    proxy_protocol: {from: "::/0"}
    forward: {}
"""
    assert warnings(text) == [
        (
            "f.yaml:4:27: listeners[0].trusted[1]: 0.0.0.0/0 believes forwarded fields of everybody, so that any client can "
            "claim any address; name the networks of your load balancers"
        ),
        (
            "f.yaml:5:28: listeners[0].proxy_protocol.from: ::/0 believes the PROXY protocol of everybody, so that any "
            "client can claim any address; name the networks of your load balancers"
        ),
    ]


def test_an_admin_address_for_all_is_warned_of():
    text = "admin: {bind: 0.0.0.0:9901}\nlisteners: [{bind: 127.0.0.1:80, forward: {}}]\n"
    assert warnings(text) == [
        (
            "f.yaml:1:15: admin.bind: the admin address 0.0.0.0:9901 can be reached from other machines, and has no login: "
            "they are refused; did you mean 127.0.0.1:9901? Otherwise name `users` or a `token`"
        )
    ]
    login = warnings(text.replace("9901}", "9901, token: 0123456789abcdef}"))
    assert len(login) == 1
    assert "credentials travel to it unencrypted" in login[0]
    assert "0123456789abcdef" not in login[0]
    assert warnings(text.replace("0.0.0.0:9901}", "127.0.0.1:9901, token: 0123456789abcdef}")) == []


PROXY = """
listeners:
  - bind: {bind}
    forward:
      open: {open}
      access: {access}
"""


@pytest.mark.parametrize(
    ("bind", "access", "is_open"),
    [
        ("0.0.0.0:80", "[{allow: {}}]", True),
        ("'[::]:80'", "[{allow: {}}]", True),
        ("203.0.113.5:80", "[{allow: {ports: [443]}}]", True),
        ("proxy.example.com:80", "[{allow: {}}]", True),
        ("0.0.0.0:80", "[{allow: {clients: [203.0.113.0/24]}}]", True),
        ("0.0.0.0:80", "[{deny: {ports: [25]}}, {allow: {}}]", True),
        ("0.0.0.0:80", "[{deny: {clients: [203.0.113.0/24]}}, {allow: {}}]", True),
        ("0.0.0.0:80", "[{deny: {clients: [0.0.0.0/0]}}, {allow: {}}]", True),
        ("0.0.0.0:80", "[{allow: {clients: [0.0.0.0/1]}}]", True),
        ("0.0.0.0:80", "[{allow: {clients: [10.0.0.0/7]}}]", True),
        ("127.0.0.1:80", "[{allow: {}}]", False),
        ("'[::1]:80'", "[{allow: {}}]", False),
        ("10.0.0.5:80", "[{allow: {}}]", False),
        ("unix:/tmp/limen.sock", "[{allow: {}}]", False),
        ("0.0.0.0:80", "[{allow: {clients: [10.0.0.0/8, 127.0.0.1, 'fd00::/8', 192.168.1.0/24]}}]", False),
        ("0.0.0.0:80", "[{deny: {clients: [0.0.0.0/0, '::/0']}}, {allow: {}}]", False),
        ("0.0.0.0:80", "[{deny: {}}, {allow: {}}]", False),
        ("0.0.0.0:80", "[{deny: {clients: [203.0.113.0/24]}}, {allow: {clients: [203.0.113.0/25]}}]", False),
        ("0.0.0.0:80", "null", False),
    ],
)
def test_open_proxies(bind, access, is_open):
    found = report(PROXY.format(bind=bind, access=access, open="false"))
    assert ["an open proxy" in str(error) for error in found.errors] == [True] * is_open
    found = report(PROXY.format(bind=bind, access=access, open="true"))
    assert found.errors == ()
    assert ["an open proxy" in str(warning) for warning in found.warnings] == [True] * is_open


def test_an_access_list_that_allows_nothing_is_warned_of():
    assert warnings(PROXY.format(bind="127.0.0.1:80", access="[]", open="false")) == [
        "f.yaml:6:7: listeners[0].forward.access: no rule allows anything; add a rule, or leave `access` out"
    ]


@pytest.mark.parametrize(
    ("bind", "public"),
    [
        ("0.0.0.0:1", True),
        ("[::]:1", True),
        ("8.8.8.8:1", True),
        ("100.64.0.1:1", True),
        ("a.example:1", True),
        ("localhost:1", False),
        ("192.168.1.1:1", False),
        ("[fe80::1]:1", False),
        ("unix:/x", False),
    ],
)
def test_public(bind, public):
    assert is_public(parse_address(bind)) is public


@pytest.mark.parametrize(
    ("bind", "dialled", "arrives"),
    [
        ("127.0.0.1:80", "127.0.0.1:80", True),
        ("127.0.0.1:80", "localhost:80", True),
        ("0.0.0.0:80", "127.0.0.1:80", True),
        ("[::]:80", "localhost:80", True),
        ("127.0.0.1:80", "127.0.0.1:81", False),
        ("0.0.0.0:80", "10.0.0.1:80", False),
        ("unix:/x", "127.0.0.1:80", False),
    ],
)
def test_serves(bind, dialled, arrives):
    assert serves(parse_address(bind), parse_address(dialled)) is arrives


def test_chains_of_listeners_that_end_are_allowed():
    text = """
listeners:
  - {bind: 127.0.0.1:80, routes: [{upstream: second}]}
  - {bind: 127.0.0.1:81, routes: [{upstream: origin}]}
upstreams:
  second: {endpoints: [127.0.0.1:81]}
  origin: {endpoints: [127.0.0.1:9001]}
"""
    assert warnings(text) == []


def test_a_listener_that_leads_into_a_loop_of_others_is_not_blamed():
    text = """
listeners:
  - {bind: 127.0.0.1:80, routes: [{upstream: a}]}
  - {bind: 127.0.0.1:81, routes: [{upstream: b}]}
upstreams:
  a: {endpoints: [127.0.0.1:81]}
  b: {endpoints: [127.0.0.1:81]}
"""
    assert [error.path for error in report(text).errors] == ["upstreams.b.endpoints[0]"]


def test_directories_of_logs_and_sockets(tmp_path):
    (tmp_path / "folder").mkdir()
    text = "log: {{access: {}}}\nlisteners: [{{bind: 127.0.0.1:80, forward: {{}}}}]\n"
    assert warnings(text.format("access.log"), tmp_path) == []
    assert warnings(text.format("'-'"), tmp_path) == []
    assert "is a directory" in str(report(text.format("folder"), tmp_path).errors[0])
    assert "does not exist" in str(report(text.format("nowhere/access.log"), tmp_path).errors[0])
    assert "does not exist" in str(report("control: {socket: nowhere/x}\n" + text.format("'-'"), tmp_path).errors[0])


def test_without_a_text_findings_have_paths():
    config = reads("listeners: [{bind: 127.0.0.1:80, routes: [{upstream: web}]}]").config
    assert [str(error) for error in check(config).errors] == [
        "listeners[0].routes[0].upstream: unknown upstream 'web'; there are no `upstreams`"
    ]
