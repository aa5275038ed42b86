"""Limen against `openssl s_client`: versions, ciphers, names, resumption, client certificates, key updates."""

import re

import pytest

from tests.integration.tls.conftest import faults
from tests.integration.tls.test_terminate import certificates
from tests.support import Dialogue, Reply, available, wait_until

pytestmark = pytest.mark.skipif(not available("openssl"), reason="needs openssl")

GET = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
LAST = "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
# What OpenSSL itself refuses to offer by default: only so do we see who refuses.
WEAK = "@SECLEVEL=0"


def s_client(proxy, authority, *options, name="a.example", port="PORT"):
    """A client that verifies, and ends if that fails."""
    return Dialogue(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port(port)}", "-CAfile", str(authority.file),
         "-verify_return_error", "-servername", name, "-verify_hostname", name, *options]
    )  # fmt: skip


def is_answered(proxy, authority, *options, **more):
    with s_client(proxy, authority, *options, **more) as client:
        client.say(LAST)
        client.wait()
        return "HTTP/1.1 200" in client.text


@pytest.fixture
def both(authority):
    """Certificates of both kinds for one name."""
    return authority.issue("a.example"), authority.issue("a.example", kind="rsa")


@pytest.fixture
def proxy(start_tls, start_origin, both):
    return start_tls(start_origin(Reply(content=b"ok")), tls=certificates(*both))


def test_versions(start_tls, start_origin, authority, both):
    for profile, versions in [("intermediate", {"1_2", "1_3"}), ("modern", {"1_3"})]:
        proxy = start_tls(start_origin(Reply(content=b"ok")), tls={**certificates(*both), "profile": profile})
        for version in ("1", "1_1", "1_2", "1_3"):
            answered = is_answered(proxy, authority, f"-tls{version}", "-cipher", f"ALL:{WEAK}")
            assert answered == (version in versions), (profile, version)
        refused = 4 - len(versions)
        wait_until(lambda proxy=proxy, refused=refused: faults(proxy).get("tls_handshake") == refused, what="counted")


def test_ciphers_of_tls_1_2(proxy, authority):
    for kind in ("ECDSA", "RSA"):
        for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"):
            with s_client(proxy, authority, "-tls1_2", "-cipher", f"ECDHE-{kind}-{cipher}") as client:
                client.say(LAST).hear(rf"Cipher is ECDHE-{kind}-{cipher}").hear("Extended master secret: yes")
                client.hear("HTTP/1.1 200").hear("Secure Renegotiation IS supported").hear("Compression: NONE")
    # no forward secrecy, no authenticated encryption, neither, no authentication
    for cipher in (
        "AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA384",
        "AES256-SHA",
        "aNULL",
        "PSK",
    ):
        assert not is_answered(proxy, authority, "-tls1_2", "-cipher", f"{cipher}:{WEAK}"), cipher


def test_the_order_of_ciphers_is_the_clients(proxy, authority):
    """It knows whether its hardware has AES; all that are offered are good."""
    names = ["ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"]
    for first in names:
        others = [name for name in names if name != first]
        with s_client(proxy, authority, "-tls1_2", "-cipher", ":".join([first, *others])) as client:
            client.hear(f"Cipher is {first}")
    for first in ("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"):
        suites = f"{first}:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"
        with s_client(proxy, authority, "-tls1_3", "-ciphersuites", suites) as client:
            client.hear(f"Cipher is {first}")


def test_groups(proxy, authority):
    for group in ("X25519", "P-256", "P-384"):
        assert is_answered(proxy, authority, "-groups", group), group
    assert not is_answered(proxy, authority, "-groups", "P-521")


def test_names(start_tls, start_origin, authority):
    pairs = [authority.issue("a.example"), authority.issue("b.example"), authority.issue("*.c.example")]
    proxy = start_tls(start_origin(Reply(content=b"ok")), tls=certificates(*pairs))
    for name, shown in [("a.example", 0), ("b.example", 1), ("x.c.example", 2)]:
        with s_client(proxy, authority, name=name) as client:
            client.say(LAST.replace("a.example", name)).hear("Verification: OK").hear("HTTP/1.1 200")
            names = ["a.example", "b.example", "*.c.example"]
            assert re.search(rf"subject=CN = {re.escape(names[shown])}", client.text)


def test_alpn(proxy, authority):
    with s_client(proxy, authority, "-alpn", "h2,http/1.1") as client:
        client.hear("ALPN protocol: http/1.1")
    with s_client(proxy, authority, "-alpn", "imap") as client:
        client.hear("alert no application protocol")


def test_resumption_of_tls_1_2(proxy, authority):
    with s_client(proxy, authority, "-tls1_2", "-reconnect") as client:
        client.hear("^Reused, TLSv1.2", count=5)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_ticket_in_a_file(proxy, authority, version, tmp_path):
    ticket = tmp_path / "ticket"
    with s_client(proxy, authority, version, "-sess_out", str(ticket)) as client:
        client.say(LAST).hear("HTTP/1.1 200").hear("^New, TLSv1")
        assert client.wait() == 0
    for _ in range(3):
        with s_client(proxy, authority, version, "-sess_in", str(ticket), "-sess_out", str(ticket)) as client:
            client.say(LAST).hear("HTTP/1.1 200").hear("^Reused, TLSv1")
            client.wait()
    # 0-RTT is not offered: it could be replayed
    with s_client(proxy, authority, "-tls1_3", "-sess_out", str(ticket)) as client:
        client.say(LAST).hear("Max Early Data: 0")
        client.wait()


def test_client_certificates(start_tls, start_origin, authority, both, tmp_path):
    clients = type(authority)(tmp_path, "clients")
    alice, mallory = clients.issue("alice", client=True), authority.issue("mallory", client=True)
    tls = {**certificates(*both), "client": {"ca": str(clients.file), "require": True}}
    proxy = start_tls(start_origin(Reply(content=b"ok")), tls=tls)
    for version in ("-tls1_2", "-tls1_3"):
        for pair, answered in [(alice, True), (mallory, False), (None, False)]:
            shown = ("-cert", str(pair.chain), "-key", str(pair.key)) if pair else ()
            assert is_answered(proxy, authority, version, *shown) == answered, (version, pair)
    with s_client(proxy, authority) as client:
        client.hear("Acceptable client certificate CA names\nCN = clients")


@pytest.mark.sanitize
def test_key_updates(proxy, authority):
    with s_client(proxy, authority, "-tls1_3") as client:
        client.hear("Verify return code: 0")
        for round_ in range(1, 4):
            client.say("K\n").hear("KEYUPDATE", count=2 * round_ - 1)
            client.say("k\n").hear("KEYUPDATE", count=2 * round_)
            client.say(GET).hear("HTTP/1.1 200", count=round_)
    assert is_answered(proxy, authority)


def test_renegotiation_is_refused(proxy, authority):
    with s_client(proxy, authority, "-tls1_2") as client:
        client.hear("Verify return code: 0").say(GET).hear("HTTP/1.1 200")
        client.say("R\n").hear("RENEGOTIATING").hear("no renegotiation")
        client.wait()
    assert is_answered(proxy, authority)
