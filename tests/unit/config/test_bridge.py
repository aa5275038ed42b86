"""The keys of bridging: what is refused, in which words, and what the defaults are."""

import pickle

import pytest

from limen.config import Config, loads
from limen.config.models import Bridge, Forward
from limen.errors import ConfigErrors

HEAD = "listeners:\n  - bind: 127.0.0.1:3128\n    forward:\n      bridge:\n        authority: {certificate: ca.pem, key: ca.key}\n"
PLACE = "listeners[0].forward.bridge"


def bridge(text, **options):
    indented = "".join(f"        {line}\n" for line in text.splitlines())
    return loads(HEAD + indented, "f.yaml", **options).listeners[0].forward.bridge


def refusal(text):
    with pytest.raises(ConfigErrors) as caught:
        bridge(text)
    return str(caught.value)


def test_defaults():
    made = bridge('hosts: "*.example.org"')
    assert made.hosts == ("*.example.org",)
    assert (made.connect, made.hello, made.certificate) == ((), (), ())
    assert made.pinned.known
    assert (made.pinned.learn.after, made.pinned.learn.within, made.pinned.learn.keep) == (3, 600.0, 604800.0)
    assert (made.leaves.lifetime, made.leaves.directory, made.leaves.memory) == (604800.0, "state", 1000)
    assert made.tls.minimum == "1.2"


def test_paths_begin_at_the_file(tmp_path):
    made = bridge("hosts: a.example\nleaves: {directory: leaves}", base=tmp_path)
    assert made.authority.key == str(tmp_path / "ca.key")
    assert made.leaves.directory == str(tmp_path / "leaves")
    assert bridge("hosts: a.example\nleaves: {directory: none}").leaves.directory is None
    assert bridge("hosts: a.example\npinned: {learn: none}").pinned.learn is None


def test_a_configuration_travels():
    config = loads(HEAD + "        hello: [{pass: {names: a.example}}, {bridge: {}}]\n")
    assert Config.model_validate(config.model_dump(mode="json", by_alias=True)) == config
    assert Config.model_validate(config.model_dump(mode="json")) == config
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301


def test_rules_know_their_action():
    made = bridge(
        "hosts: a.example\n"
        "connect: [{pass: {}}, {look: {ports: 443}}, {name: no, refuse: {hosts: .b.example}}]\n"
        "hello: [{pass: {alpn: h2}}, {bridge: {ja4: t13*}}, {refuse: {names: c.example}}]\n"
        "certificate: [{bridge: {issuer: '*O=X*'}}, {pass: {problem: any}}, {refuse: {problem: [expired, other]}}]\n"
    )
    assert [rule.action for rule in made.connect] == ["pass", "look", "refuse"]
    assert [rule.action for rule in made.hello] == ["pass", "bridge", "refuse"]
    assert [rule.action for rule in made.certificate] == ["bridge", "pass", "refuse"]
    assert made.connect[2].condition.hosts == (".b.example",)
    assert made.connect[2].name == "no"
    assert made.certificate[2].condition.problem == ("expired", "other")


@pytest.mark.parametrize(
    ("digits", "good"),
    [
        ("00" * 32, True),
        (":".join(["Ab"] * 32), True),
        ("sha256/" + "0f" * 32, True),
        ("00" * 31, False),
        ("zz" * 32, False),
    ],
)
def test_fingerprints(digits, good):
    text = f"hosts: a.example\ncertificate: [{{pass: {{fingerprint: '{digits}'}}}}]"
    if good:
        expected = digits.removeprefix("sha256/").replace(":", "").lower()
        assert bridge(text).certificate[0].condition.fingerprint == (expected,)
    else:
        assert "is not the SHA-256 of a certificate" in refusal(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f'{PLACE}: says not what to bridge; name `hosts`, such as ["*.example.org"], or give rules in `hello`'),
        (
            "hello: [{pass: {}}]",
            f"{PLACE}.hello: no rule of `hello` bridges anything; add a rule `bridge`, or name `hosts`",
        ),
        ("hosts: []", f"{PLACE}.hosts: the list is empty; name at least one, or leave the key out"),
        (
            "hosts: a.example\nconnect: [{bridge: {}}]",
            f"{PLACE}.connect[0].bridge: `bridge` is not possible at this point; possible here are pass, look and refuse",
        ),
        (
            "hosts: a.example\nhello: [{look: {}}]",
            f"{PLACE}.hello[0].look: `look` is not possible at this point; possible here are pass, bridge and refuse",
        ),
        (
            "hosts: a.example\ncertificate: [{look: {}}]",
            f"{PLACE}.certificate[0].look: `look` is not possible at this point; possible here are bridge, pass and refuse",
        ),
        (
            "hosts: a.example\ncertificate: [{bridge: {problem: expired}}]",
            (
                f"{PLACE}.certificate[0].bridge.problem: a broken origin certificate is never hidden behind a good leaf; "
                "use `pass` or `refuse` for certificates with a problem"
            ),
        ),
        (
            "hosts: a.example\nconnect: [{pass: {names: b.example}}]",
            (
                f"{PLACE}.connect[0].pass.names: the condition 'names' is not possible at this point; use it in `hello`: the "
                "name is in the client hello"
            ),
        ),
        (
            "hosts: a.example\nhello: [{pass: {issuer: x}}]",
            (
                f"{PLACE}.hello[0].pass.issuer: the condition 'issuer' is not possible at this point; use it in `certificate`: "
                "the origin's certificate is not known yet"
            ),
        ),
        (
            "hosts: a.example\ncertificate: [{pass: {clients: 10.0.0.0/8}}]",
            (
                f"{PLACE}.certificate[0].pass.clients: the condition 'clients' is not possible at this point; use it in "
                "`connect` or `hello`"
            ),
        ),
        (
            "hosts: a.example\ncertificate: [{pass: {groups: x}}]",
            (
                f"{PLACE}.certificate[0].pass.groups: the condition 'groups' is not possible at this point; use it in "
                "`connect` or `hello`"
            ),
        ),
        (
            "hosts: a.example\nhello: [{pass: {users: x}}]",
            f"{PLACE}.hello[0].pass.users: nobody asks who clients are here; add `identity` to `forward`",
        ),
        (
            "hosts: a.example\nconnect: [{pass: {}, look: {}}]",
            f"{PLACE}.connect[0].look: needs exactly one of pass, look or refuse; has pass and look",
        ),
        (
            "hosts: a.example\nconnect: [{name: x}]",
            f"{PLACE}.connect[0]: needs exactly one of pass, look or refuse; has none of them",
        ),
        (
            "hosts: a.example\nconnect: [{peek: {}}]",
            "unknown key 'peek'; did you mean 'look'?",
        ),
        ("hosts: a.example\ncertificate: [{pass: {problem: old}}]", "'old' is not known here"),
        ("hosts: a.example\nhello: [{pass: {ja4: 'T13 x'}}]", "'T13 x' is not a JA4"),
        ("hosts: a.example\nhello: [{pass: {alpn: ''}}]", "'' is not a protocol"),
        ("hosts: a.example\nleaves: {lifetime: 91d}", "'91d' is out of range; from 1h to 90d"),
        ("hosts: a.example\nleaves: {lifetime: 59m}", "'59m' is out of range; from 1h to 90d"),
        ("hosts: a.example\npinned: {learn: {after: 0}}", "0 is out of range"),
        ("hosts: a.example\ntls: {verify: false}", "unknown key 'verify'"),
    ],
)
def test_refusals(text, message):
    said = refusal(text)
    assert said.startswith("f.yaml:")
    assert message in said


def test_an_https_proxy_may_bridge_and_go_out_by_https_parents(tmp_path):
    text = HEAD + "        hosts: a.example\n      egress: out\n    tls: {self_signed: true}\n"
    text += "egress: {out: {parents: [{chain: ['https://a.test:1', 'socks5://b.test:1', 'https://c.test:1']}]}}\n"
    config = loads(text)
    assert [hop.encrypted for way in config.egress["out"].ways for hop in way.hops] == [True, False, True]


def test_the_authority_is_needed():
    with pytest.raises(ConfigErrors) as caught:
        loads("listeners: [{bind: 127.0.0.1:3128, forward: {bridge: {hosts: a.example}}}]")
    assert "authority: is missing; write it like `authority: {certificate: ca.pem, key: ca.key}`" in str(caught.value)


AUTHORITY = {"certificate": "ca.pem", "key": "ca.key"}


@pytest.mark.parametrize(
    ("written", "effective"),
    [
        ({}, False),
        ({"fronting": "refuse"}, True),
        ({"fronting": "allow"}, False),
        ({"bridge": {"authority": AUTHORITY, "hosts": "a.example"}}, True),
        ({"bridge": {"authority": AUTHORITY, "hosts": "a.example"}, "fronting": "allow"}, False),
    ],
)
def test_fronting_is_refused_where_it_can_be_seen(written, effective):
    made = Forward.model_validate(written)
    assert made.refuses_fronting is effective
    assert Forward.model_validate(made.model_dump()).refuses_fronting is effective


def test_sections_are_frozen():
    made = Bridge.model_validate({"authority": AUTHORITY, "hosts": ["a.example"]})
    with pytest.raises(ValueError):
        made.hosts = ()
