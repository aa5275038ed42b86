"""Secrets are written down only when asked for, and then those of both sides."""

import ssl

from tests.integration.tls.test_terminate import certificates
from tests.support import Reply


def secrets_of(text, label):
    return {line.split()[2] for line in text.splitlines() if line.startswith(label)}


def test_secrets_of_both_sides(start_tls, start_origin, authority, tmp_path):
    origin_tls = authority.serving(authority.issue("127.0.0.1"))
    origin_tls.keylog_filename = str(tmp_path / "origin.keys")
    origin = start_origin(Reply(content=b"ok"), tls=origin_tls)
    path = tmp_path / "limen.keys"
    # left by somebody, for all to read
    path.touch()
    path.chmod(0o644)
    proxy = start_tls(
        origin,
        tls=certificates(authority.issue("a.example")),
        upstream={"tls": {"ca": str(authority.file)}},
        root={"log": {"tls_keys": str(path)}},
    )
    context = authority.trusting()
    context.keylog_filename = str(tmp_path / "client.keys")
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with proxy.connect().secure(context, "a.example") as client:
        assert client.request("GET", "/", host="a.example").status == 200
    assert path.stat().st_mode & 0o777 == 0o600
    label = "CLIENT_TRAFFIC_SECRET_0"
    ours = secrets_of(path.read_text(encoding="ascii"), label)
    theirs = secrets_of((tmp_path / "client.keys").read_text(encoding="ascii"), label)
    theirs |= secrets_of((tmp_path / "origin.keys").read_text(encoding="ascii"), label)
    assert len(theirs) == 2
    assert ours == theirs
    proxy.wait_for_log("secrets of all TLS connections are written to")
