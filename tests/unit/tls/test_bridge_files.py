"""What `limen check` says of the files that bridging names."""

import pytest

from limen.config import loads
from limen.tls.authority import Authority
from limen.tls.bridge_files import authorities_of, bridge_findings

TEXT = """
listeners:
  - bind: 127.0.0.1:3128
    forward: {bridge: {authority: {certificate: ca.pem, key: ca.key}, hosts: a.example, tls: {ca: origins.pem}}}
  - bind: 127.0.0.1:3129
    forward: {}
"""
PLACE = ("listeners", 0, "forward", "bridge")


@pytest.fixture
def folder(tmp_path):
    authority = Authority.create("Example", 365)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    (tmp_path / "ca.key").write_bytes(authority.key_pem)
    (tmp_path / "ca.key").chmod(0o600)
    (tmp_path / "origins.pem").write_bytes(authority.pem)
    return tmp_path


def found(folder):
    return [
        (finding.path, finding.message, finding.hint, finding.warning)
        for finding in bridge_findings(loads(TEXT, base=folder))
    ]


def test_good_files(folder):
    assert found(folder) == []


def test_a_wide_mode(folder):
    key = folder / "ca.key"
    key.chmod(0o644)
    message = f"others than its owner may use the key {key} (mode 0644)"
    assert found(folder) == [((*PLACE, "authority", "key"), message, f"chmod 600 {key}", False)]


def test_missing_files(folder):
    for name in ("ca.pem", "ca.key", "origins.pem"):
        (folder / name).unlink()
    paths = [(*PLACE, "tls", "ca"), (*PLACE, "authority", "certificate"), (*PLACE, "authority", "key")]
    assert [path for path, *_ in found(folder)] == paths
    assert all("no such file" in message for _, message, *_ in found(folder))


def test_a_pair_that_is_none(folder):
    (folder / "ca.pem").write_bytes(Authority.create("Other", 365).pem)
    ((path, message, _, warning),) = found(folder)
    assert path == (*PLACE, "authority")
    assert "does not belong" in message
    assert not warning


def test_a_file_without_authorities(folder):
    (folder / "origins.pem").write_bytes(b"junk")
    ((path, message, *_),) = found(folder)
    assert path == (*PLACE, "tls", "ca")
    assert message == f"{folder / 'origins.pem'} is no PEM certificate"


def test_an_authority_that_ends_soon(folder):
    authority = Authority.create("Short", 10.5)
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "ca.key").write_bytes(authority.key_pem)
    ((path, message, _, warning),) = found(folder)
    assert path == (*PLACE, "authority", "certificate")
    assert message == "the authority ends in 10 days, and its leaves with it"
    assert warning


def test_authorities_of_a_configuration(folder):
    config = loads(TEXT + TEXT.replace("listeners:", "").replace(":312", ":412"), base=folder)
    assert [authority.certificate for authority in authorities_of(config)] == [str(folder / "ca.pem")]
    assert authorities_of(loads("listeners: [{bind: 127.0.0.1:1, forward: {}}]")) == ()
