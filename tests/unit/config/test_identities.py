"""Who may say who clients are, as it is written, and what is wrong with it."""

import pytest

from limen.config import reads
from limen.errors import ConfigErrors
from limen.runtime.identity_files import read_identity_files

LDAP = "{url: 'ldaps://a.test', base: 'dc=a'%s}"
SEARCHING = LDAP % ", bind_dn: 'cn=a', bind_password: b, groups: {base: 'dc=a'}"


def told(identities: str) -> tuple[str, str]:
    """Errors, and warnings."""
    text = f"identities: {identities}\nlisteners: [{{bind: 127.0.0.1:3128, forward: {{identity: t}}}}]\n"
    try:
        report = reads(text).check()
    except ConfigErrors as errors:
        return str(errors), ""
    return " ".join(map(str, report.errors)), " ".join(map(str, report.warnings))


@pytest.mark.parametrize(
    ("identities", "message"),
    [
        ("{t: {negotiate: {}}}", "keytab"),
        ("{t: {negotiate: {keytab: k, realms: [A, B]}}}", "names of several realms would be one"),
        ("{t: {negotiate: k, basic: p}}", "needs exactly one of"),
        ("{t: {negotiate: {keytab: k, groups: peple}}, people: {ldap: " + SEARCHING + "}}", "unknown identity 'peple'"),
        ("{t: {negotiate: {keytab: k, groups: p}}, p: {basic: p}}", "is no directory"),
        ("{t: {negotiate: {keytab: k, groups: p}}, p: {ldap: " + LDAP % "" + "}}", "without their password"),
        ("{t: {negotiate: {keytab: k, groups: t}}}", "is no directory"),
        ("{t: {basic: p, holds: 0s}}", "holds"),
    ],
)
def test_errors(identities: str, message: str) -> None:
    assert message in told(identities)[0]


def test_an_extra_that_is_missing(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("limen.runtime.identity_files.EXTRAS", {"negotiate": ("no_such_package", "kerberos")})
    text = f"identities: {{t: {{negotiate: {tmp_path}/k}}}}\nlisteners: [{{bind: 127.0.0.1:3128, forward: {{identity: t}}}}]"
    finding = read_identity_files(reads(text).config).findings[0]
    assert finding.path == ("identities", "t", "negotiate")
    assert finding.message == "`negotiate` needs the package no_such_package"
    assert finding.hint == "pip install 'limen[kerberos]'"


@pytest.mark.parametrize(
    "identities",
    [
        "{t: {negotiate: k}}",
        "{t: {negotiate: {keytab: k, service: HTTP@a.test, realms: A}, groups: {admins: alice}, holds: 8h}}",
        "{t: {negotiate: {keytab: k, realms: [A, B], strip_realm: false}, holds: none}}",
        # who is only asked for groups is used, too
        "{t: {negotiate: {keytab: k, groups: people}}, people: {ldap: " + SEARCHING + "}}",
    ],
)
def test_what_is_right(identities: str) -> None:
    assert told(identities) == ("", "")
