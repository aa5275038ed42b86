"""Bridging's compiled rules against an evaluator that walks through the models, rule by rule and host by host."""

import fnmatch
import ipaddress

from hypothesis import given, settings
from hypothesis import strategies as st

from limen.config.models import Forward
from limen.policy.bridging import Action, Bridging
from limen.tls.origin_certificate import OriginCertificate

HOSTS = ["a.test", "b.a.test", "c.b.a.test", "d.test", "xa.test", "192.0.2.1"]
PATTERNS = [
    "a.test",
    ".a.test",
    "*.a.test",
    "*.test",
    "b.a.test",
    ".test",
    "x?.test",
    "*a.test",
    "**.test",
    "192.0.2.1",
]
CLIENTS = ["10.0.0.1", "10.1.0.1", "192.0.2.9", "2001:db8::1", ""]
NETWORKS = ["10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32", "0.0.0.0/0"]
PROBLEMS = ["expired", "untrusted", "client_certificate_wanted"]
ISSUERS = ["CN=R3,O=X", "CN=Y"]


def some(values):
    return st.none() | st.lists(st.sampled_from(values), min_size=1, max_size=3)


def conditions(**keys):
    return st.fixed_dictionaries({key: some(values) for key, values in keys.items()}).map(
        lambda found: {key: value for key, value in found.items() if value is not None}
    )


def rules(actions, condition):
    one = st.sampled_from(actions).flatmap(lambda action: condition.map(lambda found: {action: found}))
    return st.lists(one, max_size=5)


TUNNEL = {"clients": NETWORKS, "hosts": PATTERNS, "ports": [443, "400-450", 8443]}
CONNECT = rules(["pass", "look", "refuse"], conditions(**TUNNEL))
HELLO = rules(
    ["pass", "bridge", "refuse"],
    conditions(**TUNNEL, names=PATTERNS, alpn=["h2", "http/1.1"], ja4=["t13*", "t12abc"]),
)
CERTIFICATE = rules(
    ["bridge", "pass", "refuse"],
    conditions(hosts=PATTERNS, problem=["any", *PROBLEMS], issuer=["*O=X", "cn=y"], fingerprint=["ab" * 32]),
).map(lambda found: [rule for rule in found if "problem" not in rule.get("bridge", {})])


def takes(pattern, host):
    """One pattern, one host; the labels are walked through."""
    if not host:
        return False
    if "*" not in pattern.removeprefix("*.") and "?" not in pattern:
        if pattern.startswith("*."):
            return host.endswith(pattern[1:])
        return host == pattern or (pattern.startswith(".") and ("." + host).endswith(pattern))
    if "**" in pattern:
        return fnmatch.fnmatchcase(host, pattern.replace("**", "*"))
    pieces, labels = pattern.split("."), host.split(".")
    return len(pieces) == len(labels) and all(map(fnmatch.fnmatchcase, labels, pieces))


def inside(client, network):
    return bool(client) and ipaddress.ip_address(client) in ipaddress.ip_network(network)


def holds(condition, asked):
    tests = {
        "clients": lambda value: inside(asked["client"], value),
        "hosts": lambda value: any(takes(value, host) for host in asked["hosts"]),
        "ports": lambda value: value == asked["port"] if isinstance(value, int) else 400 <= asked["port"] <= 450,
        "names": lambda value: takes(value, asked["name"]),
        "alpn": lambda value: value in asked["alpn"],
        "ja4": lambda value: fnmatch.fnmatchcase(asked["ja4"], value),
        "problem": lambda value: asked["problem"] != "" and value in ("any", asked["problem"]),
        "issuer": lambda value: fnmatch.fnmatchcase(asked["issuer"].lower(), value.lower()),
        "fingerprint": lambda value: value == asked["fingerprint"],
    }
    return all(any(tests[key](value) for value in values) for key, values in condition.items())


def first(written, asked, usable=lambda _: True):
    for number, rule in enumerate(written):
        ((action, condition),) = rule.items()
        if usable(action) and holds(condition, asked):
            return number, action
    return None


def made(**keys):
    authority = {"certificate": "a", "key": "b"}
    bridge = {"authority": authority, "pinned": {"known": False}, "hosts": [".a.test"], **keys}
    return Bridging(Forward.model_validate({"bridge": bridge, "fronting": "allow"}), "f")


@settings(max_examples=300, deadline=None)
@given(CONNECT, st.sampled_from(CLIENTS), st.sampled_from(HOSTS), st.sampled_from([443, 450, 8443, 80]))
def test_connect(written, client, host, port):
    verdict = made(connect=written).at_connect(client, host, port)
    expected = first(written, {"client": client, "hosts": [host], "port": port})
    if expected is None:
        look = host == "192.0.2.1" or takes(".a.test", host)
        assert verdict.action is (Action.LOOK if look else Action.PASS)
    else:
        assert (verdict.rule, verdict.action.name.lower()) == (f"f.bridge.connect[{expected[0]}]", expected[1])


@settings(max_examples=300, deadline=None)
@given(
    HELLO,
    st.sampled_from(CLIENTS),
    st.sampled_from(HOSTS),
    st.sampled_from([443, 450, 8443]),
    st.sampled_from(["", "a.test", "b.a.test"]),
    st.sampled_from([(), ("h2",), ("http/1.1", "h2")]),
    st.sampled_from(["", "t13x", "t12abc"]),
)
def test_hello(written, client, host, port, name, alpn, ja4):
    verdict = made(hello=written).at_hello(client, host, port, name, alpn, ja4)
    hosts = [host, name] if host == "192.0.2.1" and name else [host]
    asked = {"client": client, "hosts": hosts, "port": port, "name": name, "alpn": alpn, "ja4": ja4}
    expected = first(written, asked)
    if expected is None:
        bridged = any(takes(".a.test", one) for one in hosts)
        assert verdict.action is (Action.BRIDGE if bridged else Action.PASS)
    else:
        assert (verdict.rule, verdict.action.name.lower()) == (f"f.bridge.hello[{expected[0]}]", expected[1])


@settings(max_examples=300, deadline=None)
@given(
    CERTIFICATE,
    st.sampled_from(HOSTS),
    st.sampled_from(["", *PROBLEMS, "other"]),
    st.sampled_from(ISSUERS),
    st.booleans(),
)
def test_certificate(written, host, problem, issuer, known):
    fingerprint = "ab" * 32 if known else "00" * 32
    facts = OriginCertificate("CN=a", issuer, (), fingerprint, 2_000_000_000)
    verdict = made(certificate=written).at_certificate(host, facts, problem)
    asked = {"hosts": [host], "problem": problem, "issuer": issuer, "fingerprint": fingerprint}
    expected = first(written, asked, lambda action: action != "bridge" or not problem)
    if expected is None:
        default = {"": Action.BRIDGE, "client_certificate_wanted": Action.PASS}.get(problem, Action.REFUSE)
        assert verdict.action is default
    else:
        assert (verdict.rule, verdict.action.name.lower()) == (f"f.bridge.certificate[{expected[0]}]", expected[1])
    assert not (problem and verdict.action is Action.BRIDGE)
