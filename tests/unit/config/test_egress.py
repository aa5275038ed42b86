"""Ways out as they are written, and what is wrong with them, each with the mend."""

import pytest

from limen.config import reads
from limen.errors import ConfigErrors

PARENT = 'egress: {out: {parents: ["http://192.0.2.1:3128"]}}'


def told(forward: str, root: str = PARENT) -> tuple[str, str]:
    """Errors, and warnings."""
    text = f"{root}\nlisteners:\n  - bind: 127.0.0.1:3128\n    forward: {forward}\n"
    try:
        report = reads(text).check()
    except ConfigErrors as errors:
        return str(errors), ""
    return " ".join(map(str, report.errors)), " ".join(map(str, report.warnings))


@pytest.mark.parametrize(
    ("forward", "root", "message"),
    [
        ("{egress: oout}", PARENT, "unknown egress 'oout'"),
        ("{egress: {name: out, country: FR}}", PARENT, "no way of out has country FR"),
        ("{egress: {name: direct, country: FR}}", PARENT, "`direct` has no labels"),
        ("{egress: direct}", "egress: {direct: {interface: lo}}", "choose another name"),
        ("{access: [{deny: {}, egress: out}]}", PARENT, "what is denied goes out by no way"),
        ("{egress: out, socks: {udp: true}}", PARENT, "SOCKS's `udp` would go out directly"),
        ("{egress: out, socks: {bind: true}}", PARENT, "SOCKS's `bind` would go out directly"),
        ("{egress: out}", 'egress: {out: {parents: ["http://127.0.0.1:3128"]}}', "a loop"),
        ("{egress: out}", 'egress: {out: {parents: ["ftp://192.0.2.1"]}}', "egress.out.parents[0]"),
        ("{egress: out}", "egress: {out: {}}", "says no way"),
        ("{egress: out}", "egress: {out: {sources: [127.0.0.2], parents: ['http://a.test:1']}}", "both"),
        ("{egress: out}", "egress: {out: {sources: [{addresses: [127.0.0.2, 127.0.0.3]}]}}", "two sources"),
        ("{egress: out}", "egress: {out: {sources: [127.0.0.2, 127.0.0.2]}}", "two ways are called"),
        ("{egress: out}", "egress: {out: {interface: nosuch0}}", "No such device"),
        ("{egress: out}", 'egress: {out: {parents: ["http://a.test:1"], sticky: client, balance: first}}', "leave `balance` out"),
        ("{egress: out}", 'egress: {out: {parents: ["http://a.test:1"], tls: {}}}', "without an `https://` parent"),
    ],
)  # fmt: skip
def test_errors(forward: str, root: str, message: str) -> None:
    assert message in told(forward, root)[0]


@pytest.mark.parametrize(
    ("forward", "root", "message"),
    [
        ("{}", PARENT, "not used"),
        (
            "{egress: out, access: [{deny: {addresses: 10.0.0.0/8}}, {allow: {}}]}",
            PARENT,
            "names that this rule sees are resolved here",
        ),
        (
            "{identity: {by: a, parameters: session}}",
            "identities: {a: {check: 'http://a.test/'}}",
            "there is no `egress`",
        ),
    ],
)
def test_warnings(forward: str, root: str, message: str) -> None:
    errors, warnings = told(forward, root)
    assert errors == ""
    assert message in warnings


def test_parameters_are_for_proxies() -> None:
    text = """
identities: {a: {check: "http://a.test/"}}
listeners:
  - bind: 127.0.0.1:8080
    routes: [{respond: {body: ok}, identity: {by: a, parameters: country}}]
"""
    assert "which a gateway has none of" in str(reads(text).check().errors[0])


def test_secrets_of_parents_are_not_shown() -> None:
    text = 'egress: {out: {parents: ["http://ann:hidden@192.0.2.1:3128"]}}'
    config = reads(f"{text}\nlisteners: [{{bind: 127.0.0.1:3128, forward: {{egress: out}}}}]").config
    assert "hidden" not in repr(config.egress["out"])
