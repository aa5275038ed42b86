"""What happens to a tunnel: each default, each condition, what is stronger than what."""

import pytest

from limen.config.models import Forward
from limen.policy.bridging import Action, Bridging, compile_bridging, effective_host
from limen.tls.origin_certificate import OriginCertificate
from limen.tls.pinning import Pinning

PASS, LOOK, BRIDGE, REFUSE = Action.PASS, Action.LOOK, Action.BRIDGE, Action.REFUSE
PATH = "listeners[0].forward"
FACTS = OriginCertificate("CN=a.example", "CN=R3,O=Let's Encrypt,C=US", ("a.example",), "ab" * 32, 2_000_000_000)


def made(*, fronting=None, pinning=None, lists=None, **keys):
    bridge = {"authority": {"certificate": "ca.pem", "key": "ca.key"}, **keys}
    if "hosts" not in keys and "hello" not in keys:
        bridge["hosts"] = [".example"]
    bridge.setdefault("pinned", {"known": False})
    return Bridging(Forward.model_validate({"bridge": bridge, "fronting": fronting}), PATH, pinning, lists)


def connect(bridging, host="a.example", client="10.0.0.1", port=443):
    return bridging.at_connect(client, host, port)


def hello(bridging, host="a.example", name=None, *, client="10.0.0.1", port=443, alpn=(), ja4=""):
    return bridging.at_hello(client, host, port, host if name is None else name, alpn, ja4)


def test_opaque_tunnels_ask_nothing():
    assert compile_bridging(Forward(), PATH) is None
    assert compile_bridging(Forward(fronting="allow"), PATH) is None
    assert compile_bridging(Forward(fronting="refuse"), PATH) is not None


def test_actions_have_their_numbers():
    assert [action.name for action in sorted(Action)] == ["PASS", "LOOK", "BRIDGE", "REFUSE"]
    assert list(map(int, Action)) == [0, 1, 2, 3]


def test_defaults_of_connect():
    bridging = made(fronting="allow")
    assert connect(bridging) == (verdict := connect(bridging, "www.example"))
    assert (verdict.action, verdict.rule) == (LOOK, f"{PATH}.bridge.connect")
    assert connect(bridging, "a.test").action is PASS
    # behind an address may stand anything
    assert connect(bridging, "192.0.2.1").action is LOOK
    # with names that must agree, every tunnel is looked into
    verdict = connect(made(), "a.test")
    assert (verdict.action, verdict.rule) == (LOOK, f"{PATH}.fronting")


class Listed:
    """As HostList is asked."""

    def __init__(self, *names):
        self.names = names

    def holds(self, host):
        return host.decode() in self.names


def test_lists_of_names_stand_beside_hosts():
    banks, others = Listed("bank.example", "bank.test"), Listed("more.test")
    bridging = made(
        fronting="allow",
        lists={"banks": banks, "others": others},
        connect=[{"name": "banks", "pass": {"host_lists": "banks", "hosts": "own.example"}}],
        hello=[
            {"name": "no-h3", "refuse": {"host_lists": ["banks", "others"], "clients": "10.0.0.0/8"}},
            {"bridge": {"host_lists": "others"}},
        ],
        certificate=[{"name": "odd", "pass": {"host_lists": "others", "problem": "expired"}}],
    )
    for host in ("bank.example", "own.example", "BANK.example."):
        assert connect(bridging, host) == connect(bridging, "bank.example"), host
    assert (connect(bridging, "bank.example").action, connect(bridging, "bank.example").rule) == (PASS, "banks")
    # looked into because a rule with a list may bridge it
    assert connect(bridging, "more.test").action is LOOK
    assert connect(bridging, "none.test").action is PASS
    assert hello(bridging, "more.test").rule == "no-h3"
    assert hello(bridging, "more.test", client="192.0.2.1").action is BRIDGE
    assert hello(bridging, "192.0.2.1", "bank.test").rule == "no-h3"
    assert bridging.at_certificate("more.test", None, "expired").rule == "odd"
    # a list that is read anew counts from then on
    banks.names = ()
    assert connect(bridging, "bank.example").rule == f"{PATH}.bridge.connect"


def test_a_rule_that_bridges_makes_connect_look():
    bridging = made(
        fronting="allow", hello=[{"pass": {"hosts": "b.test"}}, {"bridge": {"hosts": ["*.test", "c*.org"]}}]
    )
    assert connect(bridging, "a.test").action is LOOK
    assert connect(bridging, "cdn.org").action is LOOK
    assert connect(bridging, "a.org").action is PASS
    assert connect(made(fronting="allow", hello=[{"bridge": {"names": "a.test"}}]), "any.org").action is LOOK


def test_rules_of_connect():
    bridging = made(
        connect=[
            {"refuse": {"ports": "8000-8999"}},
            {"name": "guests", "pass": {"clients": "10.9.0.0/16"}},
            {"pass": {"hosts": ["b.example", "*.c.example"]}},
            {"look": {}},
        ]
    )
    assert connect(bridging, port=8443) == connect(bridging, "b.example", port=8000)
    assert connect(bridging, port=8443).rule == f"{PATH}.bridge.connect[0]"
    assert connect(bridging, port=8443).action is REFUSE
    assert (connect(bridging, client="10.9.1.2").action, connect(bridging, client="10.9.1.2").rule) == (PASS, "guests")
    assert connect(bridging, "B.Example.").rule == f"{PATH}.bridge.connect[2]"
    assert connect(bridging, "x.c.example").action is PASS
    assert connect(bridging, "c.example").rule == f"{PATH}.bridge.connect[3]"
    # whoever has no address is in no network
    assert connect(bridging, client="").rule == f"{PATH}.bridge.connect[3]"


def test_defaults_of_hello():
    bridging = made()
    assert hello(bridging).action is BRIDGE
    assert hello(bridging).rule == f"{PATH}.bridge.hosts"
    assert hello(bridging, "a.test").action is PASS
    assert hello(bridging, name="").action is BRIDGE


@pytest.mark.parametrize(
    ("condition", "matching", "other"),
    [
        ({"clients": "10.1.0.0/16"}, {"client": "10.1.2.3"}, {"client": "10.2.0.1"}),
        ({"hosts": "a.example"}, {"host": "a.example"}, {"host": "b.example"}),
        ({"names": "a.example"}, {"name": "A.Example"}, {"name": ""}),
        ({"alpn": ["h2", "h3"]}, {"alpn": ("http/1.1", "h2")}, {"alpn": ("http/1.1",)}),
        ({"ja4": "t13*_8daaf6152771_*"}, {"ja4": "t13d1516h2_8daaf6152771_02713d6af862"}, {"ja4": "t12d1516h2"}),
        ({"ports": [443, "8000-8010"]}, {"port": 8005}, {"port": 8011}),
    ],
)
def test_conditions_of_hello(condition, matching, other):
    bridging = made(hosts=".example", hello=[{"refuse": condition}])
    assert hello(bridging, **matching).action is REFUSE
    assert hello(bridging, **matching).rule == f"{PATH}.bridge.hello[0]"
    assert hello(bridging, **other).action is BRIDGE


def test_all_conditions_must_hold():
    bridging = made(hosts=".example", hello=[{"refuse": {"clients": "10.0.0.0/8", "ports": 443, "hosts": "a.example"}}])
    assert hello(bridging).action is REFUSE
    assert hello(bridging, port=444).action is BRIDGE
    assert hello(bridging, client="192.0.2.1").action is BRIDGE
    assert hello(bridging, "b.example").action is BRIDGE


def test_the_first_rule_decides_wherever_it_is_filed():
    bridging = made(
        hello=[
            {"name": "0", "pass": {"hosts": "x.a.example"}},
            {"name": "1", "refuse": {"hosts": "*.a.example"}},
            {"name": "2", "pass": {"hosts": "a*.example"}},
            {"name": "3", "bridge": {"hosts": ".a.example"}},
            {"name": "4", "bridge": {}},
        ]
    )
    hosts = ["x.a.example", "y.a.example", "a.example", "b.a.test", "ab.example"]
    assert [hello(bridging, host).rule for host in hosts] == ["0", "1", "2", "4", "2"]


def test_ja4_is_only_computed_for_rules_that_ask():
    assert not made().needs_ja4
    assert made(hosts=".example", hello=[{"pass": {"ja4": "t10*"}}]).needs_ja4


def test_fronting():
    bridging = made()
    verdict = hello(bridging, name="other.test")
    assert (verdict.action, verdict.rule) == (REFUSE, f"{PATH}.fronting")
    # opaque ones, too
    assert hello(bridging, "a.test", "b.test").action is REFUSE
    assert hello(made(fronting="allow"), name="other.test").action is BRIDGE
    only = Bridging(Forward(fronting="refuse"), PATH)
    assert connect(only).action is LOOK
    assert hello(only).action is PASS
    assert hello(only, name="other.test").action is REFUSE


def test_a_rule_that_names_the_name_is_taken_at_its_word():
    rules = [{"pass": {"hosts": "a.example", "names": "cdn.test"}}, {"pass": {"hosts": "b.example"}}]
    bridging = made(hosts=".example", hello=rules)
    assert hello(bridging, name="cdn.test").action is PASS
    assert hello(bridging, "b.example", "cdn.test").action is REFUSE
    assert hello(bridging, "b.example").action is PASS


@pytest.mark.parametrize(
    ("host", "name", "agree"),
    [
        ("a.example", "a.example", True),
        ("A.Example.", "a.example", True),
        ("a.example", "A.EXAMPLE.", True),
        ("a.example", "", True),
        ("a.example", "b.example", False),
        ("a.example", "www.a.example", False),
        ("192.0.2.1", "anything.example", True),
        ("[2001:db8::1]", "anything.example", True),
        ("a.example", "192.0.2.1", False),
        ("192.0.2.1", "", True),
    ],
)
def test_agreement(host, name, agree):
    assert Bridging.has_agreement(host, name) is agree


def test_an_address_is_known_by_the_name_in_the_hello():
    bridging = made(hosts=".example", hello=[{"refuse": {"hosts": "bad.example"}}], pinned={"hosts": "app.example"})
    assert hello(bridging, "192.0.2.1", "bad.example").action is REFUSE
    assert hello(bridging, "192.0.2.1", "good.example").action is BRIDGE
    assert hello(bridging, "192.0.2.1", "app.example").action is PASS
    assert hello(bridging, "192.0.2.1", "").action is PASS
    assert hello(bridging, "0xc0000201", "bad.example").action is REFUSE
    assert effective_host("192.0.2.1", "A.Example") == "a.example"
    assert effective_host("[::1]", "") == "::1"
    assert effective_host("B.Example.", "a.example") == "b.example"


def test_an_address_cannot_be_written_past_a_rule():
    bridging = made(connect=[{"refuse": {"hosts": "127.0.0.1"}}])
    for host in ("127.0.0.1", "0x7f000001", "[::ffff:127.0.0.1]"):
        assert connect(bridging, host).action is REFUSE


def test_pinned_hosts_pass():
    bridging = made(fronting="allow", pinned={"hosts": ["app.example"], "known": True})
    assert connect(bridging, "app.example").action is PASS
    assert hello(bridging, "app.example") == hello(bridging, "APP.example")
    assert hello(bridging, "app.example").rule == f"{PATH}.bridge.pinned.hosts"
    apple = made(hosts=["*.apple.com"], pinned={})
    assert hello(apple, "7-courier.push.apple.com").rule == f"{PATH}.bridge.pinned.known"
    # stronger than a rule
    ruled = made(hello=[{"bridge": {}}], pinned={"hosts": ["app.example"]})
    assert hello(ruled, "app.example").action is PASS


def test_learnt_hosts_pass():
    bridging = made()
    for _ in range(3):
        bridging.pinning.note_rejection("a.example", "10.0.0.1", "unknown_ca")
    assert (hello(bridging).action, hello(bridging).rule) == (PASS, f"{PATH}.bridge.pinned.learnt")
    assert hello(bridging, "b.example").action is BRIDGE
    # what one revision has learnt the next may be given
    assert hello(made(pinning=bridging.pinning)).action is PASS


def test_what_must_be_bridged_never_passes():
    pinned = {"must_bridge": ["files.example", "files.test"], "hosts": [".example"]}
    rules = {
        "connect": [{"pass": {"clients": "10.9.0.0/16"}}],
        "hello": [{"pass": {"alpn": "h2"}}],
        "certificate": [{"pass": {"problem": "expired"}}],
    }
    bridging = made(fronting="allow", hosts=[".example"], pinned=pinned, **rules)
    must = f"{PATH}.bridge.pinned.must_bridge"
    assert connect(bridging, "files.test").action is LOOK
    assert (connect(bridging, "files.test", "10.9.0.1").action, connect(bridging, "files.test", "10.9.0.1").rule) == (
        REFUSE,
        must,
    )
    assert hello(bridging, "files.example").action is BRIDGE
    assert hello(bridging, "files.test").action is BRIDGE
    assert hello(bridging, "files.test", alpn=("h2",)).action is REFUSE
    assert hello(bridging, "192.0.2.1", "files.test", alpn=("h2",)).rule == must
    assert bridging.at_certificate("files.test", FACTS, "expired").action is REFUSE
    assert bridging.at_certificate("files.test", FACTS, "client_certificate_wanted").action is REFUSE
    assert bridging.at_certificate("b.test", FACTS, "expired").action is PASS


PROBLEMS = ["expired", "not_yet_valid", "untrusted", "name_mismatch", "revoked", "self_signed", "other"]


def test_defaults_of_certificate():
    bridging = made()
    assert bridging.at_certificate("a.example", FACTS, "").action is BRIDGE
    assert bridging.at_certificate("a.example", FACTS, "").rule == f"{PATH}.bridge.certificate"
    assert {bridging.at_certificate("a.example", FACTS, problem).action for problem in PROBLEMS} == {REFUSE}
    assert bridging.at_certificate("a.example", None, "other").action is REFUSE
    assert bridging.at_certificate("a.example", None, "client_certificate_wanted").action is PASS


@pytest.mark.parametrize("problem", [*PROBLEMS, "client_certificate_wanted"])
def test_nothing_bridges_a_broken_certificate(problem):
    bridging = made(
        certificate=[
            {"bridge": {}},
            {"bridge": {"hosts": "a.example"}},
            {"bridge": {"fingerprint": "ab" * 32}},
            {"bridge": {"issuer": "*"}},
        ]
    )
    assert bridging.at_certificate("a.example", FACTS, problem).action is not BRIDGE
    assert bridging.at_certificate("a.example", FACTS, "").rule.endswith("certificate[0]")


@pytest.mark.parametrize(
    ("condition", "facts", "problem", "taken"),
    [
        ({"problem": "any"}, FACTS, "expired", True),
        ({"problem": "any"}, FACTS, "", False),
        ({"problem": ["expired", "revoked"]}, FACTS, "revoked", True),
        ({"problem": ["expired", "revoked"]}, FACTS, "other", False),
        ({"issuer": "*o=let's encrypt*"}, FACTS, "expired", True),
        ({"issuer": "O=Let's Encrypt"}, FACTS, "expired", False),
        ({"issuer": "*"}, None, "expired", False),
        ({"fingerprint": ":".join(["AB"] * 32)}, FACTS, "expired", True),
        ({"fingerprint": "00" * 32}, FACTS, "expired", False),
        ({"hosts": "*.a.example", "problem": "any"}, FACTS, "expired", False),
        ({"hosts": "a.example", "problem": "any"}, FACTS, "expired", True),
        ({}, None, "other", True),
    ],
)
def test_conditions_of_certificate(condition, facts, problem, taken):
    bridging = made(certificate=[{"name": "this", "pass": condition}])
    verdict = bridging.at_certificate("a.example", facts, problem)
    assert (verdict.rule == "this") is taken
    if taken:
        assert verdict.action is PASS


def test_many_rules_and_hosts_are_looked_up():
    rules = [{"pass": {"hosts": f"h{number}.example"}} for number in range(2000)]
    bridging = made(hosts=[f"b{number}.test" for number in range(2000)], hello=rules)
    assert hello(bridging, "h1999.example").rule.endswith("hello[1999]")
    assert hello(bridging, "b1999.test").action is BRIDGE
    assert len(list(bridging._hello._candidates(("h5.example",)))) == 1


def test_odd_hosts_do_no_harm():
    bridging = made(connect=[{"pass": {"hosts": "a.example"}}])
    for host in ("", ".", "..", "a b", "é.example", "[", "a" * 5000, "1.2.3.4.5", "*"):
        assert connect(bridging, host).action is LOOK
        assert hello(bridging, host, "x").action in (PASS, BRIDGE, REFUSE)
        assert bridging.at_certificate(host, None, "").action is BRIDGE


def test_the_pinning_is_that_of_the_worker():
    pins = Pinning(hosts=["a.example"])
    assert made(pinning=pins).pinning is pins


def test_a_name_in_front_that_is_pinned():
    pinned = {"known": False, "hosts": ["b.test"], "must_bridge": ["must.example"]}
    bridging = made(fronting="allow", pinned=pinned)
    verdict = hello(bridging, "a.example", "b.test")
    assert (verdict.action, verdict.rule) == (PASS, f"{PATH}.bridge.pinned.hosts")
    assert hello(bridging, "a.example", "c.test").action is BRIDGE
    assert hello(bridging, "a.example", "").action is BRIDGE
    assert hello(bridging, "must.example", "b.test").action is BRIDGE
