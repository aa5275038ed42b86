import asyncio
import ipaddress
import multiprocessing
import os
import socket
import ssl
import stat
import subprocess
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.errors import ConfigError
from limen.tls import leaf_files
from limen.tls.authority import Authority, instant, random_serial
from limen.tls.leaves import Leaves, leaf_name, leaves_directory
from limen.tls.origin_certificate import OriginCertificate

DAY = 86400
AUTHORITY = Authority.create("Test bridge authority", 365)
HOSTS = [
    "www.example.org",
    "192.0.2.7",
    "2001:db8::7",
    "xn--bcher-kva.example",
    "under_score.example",
    "host",
    ".".join(["a" * 60] * 4),
]


class Clock:
    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock(AUTHORITY.not_before + 10 * DAY)


def get(leaves, host="www.example.org", origin=None):
    return asyncio.run(leaves.get(host, origin))


def parsed(pair):
    return x509.load_pem_x509_certificate(pair.chain)


def san(pair):
    return parsed(pair).extensions.get_extension_for_class(x509.SubjectAlternativeName)


@pytest.mark.parametrize("host", HOSTS)
def test_openssl_verifies_them(host, tmp_path):
    pair = get(Leaves(AUTHORITY, 7 * DAY, None, 10), host)
    ca, leaf = tmp_path / "ca.pem", tmp_path / "leaf.pem"
    ca.write_bytes(AUTHORITY.pem)
    leaf.write_bytes(pair.chain)
    name = ["-verify_ip", host] if host[0].isdigit() else ["-verify_hostname", host]
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", ca, *name, leaf]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("host", HOSTS)
def test_a_client_of_python_takes_them(host, tmp_path):
    pair = get(Leaves(AUTHORITY, 7 * DAY, None, 10), host)
    chain, key = tmp_path / "leaf.pem", tmp_path / "leaf.key"
    chain.write_bytes(pair.chain)
    key.write_bytes(pair.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, key)
    client = ssl.create_default_context(cadata=AUTHORITY.pem.decode())
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for end in (ours, theirs):
            end.settimeout(30)

        def serve():
            with server.wrap_socket(theirs, server_side=True) as encrypted:
                encrypted.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        with client.wrap_socket(ours, server_hostname=host) as encrypted:
            kind = "IP Address" if host[0].isdigit() else "DNS"
            names = encrypted.getpeercert()["subjectAltName"]
            assert [name[0] for name in names] == [kind]
            encrypted.sendall(b"x")
        thread.join(30)
        assert not thread.is_alive()


def test_what_a_leaf_is(clock):
    leaf = parsed(get(Leaves(AUTHORITY, 7 * DAY, None, 10, clock=clock), "WWW.Example.ORG."))
    found = {extension.oid: extension for extension in leaf.extensions}
    assert leaf.subject.rfc4514_string() == "CN=www.example.org"
    assert leaf.issuer == AUTHORITY.certificate.subject
    assert found[x509.BasicConstraints.oid].value.ca is False
    usage = found[x509.KeyUsage.oid].value
    assert (usage.digital_signature, usage.key_encipherment, usage.key_cert_sign) == (True, False, False)
    assert list(found[x509.ExtendedKeyUsage.oid].value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert list(found[x509.SubjectAlternativeName.oid].value) == [x509.DNSName("www.example.org")]
    assert not found[x509.SubjectAlternativeName.oid].critical
    authority = AUTHORITY.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert found[x509.AuthorityKeyIdentifier.oid].value.key_identifier == authority.digest
    assert leaf.not_valid_before_utc == instant(clock.now - DAY)
    assert leaf.not_valid_after_utc == instant(clock.now + 7 * DAY)
    assert 0 < leaf.serial_number < 2**127


def test_long_names_have_no_common_name():
    pair = get(Leaves(AUTHORITY, DAY, None, 10), HOSTS[-1])
    assert parsed(pair).subject.rfc4514_string() == ""
    # RFC 5280, 4.2.1.6
    assert san(pair).critical


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("[2001:DB8::1]", x509.IPAddress(ipaddress.ip_address("2001:db8::1"))),
        ("192.0.2.1", x509.IPAddress(ipaddress.ip_address("192.0.2.1"))),
        ("::ffff:192.0.2.1", x509.IPAddress(ipaddress.ip_address("192.0.2.1"))),
        ("bücher.example", x509.DNSName("xn--bcher-kva.example")),
        ("A.Example.", x509.DNSName("a.example")),
    ],
)
def test_names(host, name):
    assert list(san(get(Leaves(AUTHORITY, DAY, None, 10), host)).value) == [name]


BAD_HOSTS = [
    "", ".", "..", "../../etc/passwd", "/etc/passwd", "a/../b", "a\0b", "a b", "a\nb", "*.example.org", "-a.example",
    "a..b", "fe80::1%eth0", "a" * 64, ".".join(["a" * 62] * 5), "1.2.3", "\udcff", "x:443", "<script>", "é" * 64,
]  # fmt: skip


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_what_no_certificate_may_name(host, tmp_path):
    directory = tmp_path / "leaves"
    leaves = Leaves(AUTHORITY, DAY, directory, 10)
    before = sorted(path.name for path in directory.rglob("*"))
    with pytest.raises(ValueError):
        get(leaves, host)
    assert sorted(path.name for path in directory.rglob("*")) == before
    assert leaves.minted == 0


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_a_name_or_refused(text):
    try:
        name = leaf_name(text)
    except ValueError:
        return
    assert name.isascii()
    assert "/" not in name
    assert leaf_name(name) == name


def test_minted_once_under_concurrency():
    leaves = Leaves(AUTHORITY, DAY, None, 10)

    async def many():
        return await asyncio.gather(*(leaves.get("www.example.org") for _ in range(100)))

    assert len({pair.digest for pair in asyncio.run(many())}) == 1
    assert leaves.minted == 1


def test_who_gives_up_does_not_end_it_for_others():
    leaves = Leaves(AUTHORITY, DAY, None, 10)

    async def scenario():
        first = asyncio.create_task(leaves.get("www.example.org"))
        second = asyncio.create_task(leaves.get("www.example.org"))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert san(asyncio.run(scenario()))
    assert leaves.minted == 1


def _race(directory, barrier, queue):
    authority = Authority.load(AUTHORITY.pem, AUTHORITY.key_pem)
    leaves = Leaves(authority, DAY, Path(directory), 100)
    barrier.wait(60)
    queue.put([leaves.make(f"h{number}.example")[0].chain for number in range(20)])


def test_processes_agree(tmp_path):
    fork = multiprocessing.get_context("fork")
    barrier, queue = fork.Barrier(3), fork.Queue()
    processes = [fork.Process(target=_race, args=(str(tmp_path / "leaves"), barrier, queue)) for _ in range(3)]
    for process in processes:
        process.start()
    made = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert made[0] == made[1] == made[2]
    assert not [path for path in (tmp_path / "leaves").rglob("*") if path.name.startswith(".")]


def test_memory_is_bounded_and_forgets_the_oldest(clock):
    leaves = Leaves(AUTHORITY, DAY, None, 3, clock=clock)

    async def scenario():
        for host in ("a.example", "b.example", "c.example"):
            await leaves.get(host)
        await leaves.get("a.example")
        await leaves.get("d.example")
        assert leaves.minted == 4
        await leaves.get("a.example")
        assert leaves.minted == 4
        await leaves.get("b.example")
        assert leaves.minted == 5
        assert len(leaves._held) == 3
        assert not leaves._flights

    asyncio.run(scenario())


def test_soon_over_is_made_anew(clock):
    leaves = Leaves(AUTHORITY, 10 * 3600, None, 10, clock=clock)
    first = get(leaves)
    clock.now += 7.9 * 3600
    assert get(leaves) is first
    clock.now += 0.2 * 3600
    second = get(leaves)
    assert second.digest != first.digest
    assert parsed(second).not_valid_after_utc == instant(clock.now + 10 * 3600)


def test_the_authority_bounds_them():
    clock = Clock(AUTHORITY.not_after - 2 * DAY)
    leaves = Leaves(AUTHORITY, 7 * DAY, None, 10, clock=clock)
    first = get(leaves)
    assert parsed(first).not_valid_after_utc == AUTHORITY.certificate.not_valid_after_utc
    # soon over, but a new one would not be longer
    clock.now += 1.9 * DAY
    assert get(leaves) is first
    assert leaves.minted == 1
    clock.now += DAY
    with pytest.raises(ConfigError, match="the authority has expired"):
        get(leaves)


def test_never_before_the_authority():
    leaves = Leaves(AUTHORITY, DAY, None, 10, clock=Clock(AUTHORITY.not_before + 60))
    assert parsed(get(leaves)).not_valid_before_utc == AUTHORITY.certificate.not_valid_before_utc


def facts(not_after):
    return OriginCertificate("CN=a", "CN=b", (), "00" * 32, int(not_after))


def test_the_origin_bounds_them(clock):
    leaves = Leaves(AUTHORITY, 7 * DAY, None, 10, clock=clock)
    short = facts(clock.now + 3600)
    first = get(leaves, origin=short)
    assert parsed(first).not_valid_after_utc == instant(clock.now + 3600)
    assert get(leaves, origin=short) is first
    # the origin has a new certificate
    second = get(leaves, origin=facts(clock.now + 90 * DAY))
    assert parsed(second).not_valid_after_utc == instant(clock.now + 7 * DAY)
    with pytest.raises(ConfigError, match="the origin's certificate has expired"):
        get(leaves, "b.example", facts(clock.now - 1))


def test_an_intermediate_authority_is_in_the_chain():
    root = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())

    def signed(name, public, issuer):
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(public)
            .serial_number(random_serial())
            .not_valid_before(instant(AUTHORITY.not_before))
            .not_valid_after(instant(AUTHORITY.not_after))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(root, hashes.SHA256())
        )

    top = signed("Root", root.public_key(), "Root")
    middle = signed("Middle", key.public_key(), "Root")
    content = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (middle, top))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain = x509.load_pem_x509_certificates(get(Leaves(Authority.load(content, pem), DAY, None, 10)).chain)
    assert [one.subject.rfc4514_string() for one in chain] == ["CN=www.example.org", "CN=Middle"]
    chain[0].verify_directly_issued_by(middle)
    assert len(x509.load_pem_x509_certificates(get(Leaves(AUTHORITY, DAY, None, 10)).chain)) == 1


# On the disk ----------------------------------------------------------------------------------------------------------


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def files(directory):
    return list(directory.rglob("*.pem"))


def test_the_directory_is_private(tmp_path):
    directory = tmp_path / "state" / "leaves"
    leaves = Leaves(AUTHORITY, DAY, directory, 10)
    get(leaves)
    assert [mode(path) for path in (directory, *directory.iterdir())] == [0o700, 0o700]
    kept = [path for path in directory.rglob("*") if path.is_file()]
    assert {mode(path) for path in kept} == {0o600}
    assert len(kept) == 2
    # nothing of the host is in a name
    assert not [path for path in kept if "example" in path.name]


def test_they_outlive_the_process(tmp_path):
    first = get(Leaves(AUTHORITY, DAY, tmp_path / "leaves", 10))
    again = Leaves(AUTHORITY, DAY, tmp_path / "leaves", 10)
    assert get(again) == first
    assert again.minted == 0


def test_another_authority_has_its_own(tmp_path):
    other = Authority.create("Other", 30)
    first, second = get(Leaves(AUTHORITY, DAY, tmp_path / "leaves", 10)), Leaves(other, DAY, tmp_path / "leaves", 10)
    assert parsed(get(second)).issuer == other.certificate.subject
    assert second.minted == 1
    assert get(Leaves(AUTHORITY, DAY, tmp_path / "leaves", 10)) == first


def _spoil(path):
    path.write_bytes(b"junk")


def _foreign(path):
    path.write_bytes(get(Leaves(AUTHORITY, DAY, None, 1), "other.example").chain)


def _unreadable(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [_spoil, _foreign, lambda path: path.write_bytes(b""), _unreadable])
def test_what_is_spoilt_is_made_anew(spoil, tmp_path):
    directory = tmp_path / "leaves"
    get(Leaves(AUTHORITY, DAY, directory, 10))
    spoil(files(directory)[0])
    leaves = Leaves(AUTHORITY, DAY, directory, 10)
    assert list(san(get(leaves)).value) == [x509.DNSName("www.example.org")]
    assert leaves.minted == 1


def test_a_lost_key_is_made_anew(tmp_path):
    directory = tmp_path / "leaves"
    first = get(Leaves(AUTHORITY, DAY, directory, 10))
    (key,) = directory.rglob("leaf.key")
    for content in (None, b"junk"):
        key.unlink() if content is None else key.write_bytes(content)
        pair = get(Leaves(AUTHORITY, DAY, directory, 10))
        assert pair.key != first.key
        loaded = serialization.load_pem_private_key(pair.key, None)
        assert parsed(pair).public_key() == loaded.public_key()
        assert mode(key) == 0o600


def test_a_stale_file_is_replaced(tmp_path, clock):
    directory = tmp_path / "leaves"
    first = Leaves(AUTHORITY, DAY, directory, 10, clock=clock)
    second = Leaves(AUTHORITY, DAY, directory, 10, clock=clock)
    get(first)
    clock.now += DAY - 60
    pair = get(second)
    assert second.minted == 1
    # and its memory of the old one helps nobody: the first takes what the second has left there
    assert get(first) == pair
    assert first.minted == 1
    assert len(files(directory)) == 1


def test_a_directory_of_others_is_refused(tmp_path):
    directory = tmp_path / "leaves"
    directory.mkdir()
    directory.chmod(0o755)
    with pytest.raises(ConfigError, match="others may use") as caught:
        Leaves(AUTHORITY, DAY, directory, 10)
    assert f"chmod 700 {directory}" in caught.value.hint
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot use the directory"):
        Leaves(AUTHORITY, DAY, tmp_path / "file" / "leaves", 10)


def test_a_disk_that_takes_nothing_costs_only_the_memory_of_it(tmp_path, monkeypatch, caplog):
    leaves = Leaves(AUTHORITY, DAY, tmp_path / "leaves", 10)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "open", full)
    assert san(get(leaves))
    assert "No space left" in caplog.text


def test_what_is_over_is_removed(tmp_path, clock):
    directory = tmp_path / "leaves"
    get(Leaves(AUTHORITY, DAY, directory, 10, clock=clock))
    (path,) = files(directory)
    os.utime(path, (clock.now, clock.now))
    Leaves(AUTHORITY, DAY, directory, 10, clock=clock)
    assert files(directory) == [path]
    clock.now += DAY + 1
    Leaves(AUTHORITY, DAY, directory, 10, clock=clock)
    assert files(directory) == []
    assert len(list(directory.rglob("leaf.key"))) == 1


def test_the_disk_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(leaf_files, "MOST_FILES", 10)
    leaves = Leaves(AUTHORITY, DAY, tmp_path / "leaves", 10)
    for number in range(50):
        leaves.make(f"h{number}.example")
        assert len(files(tmp_path / "leaves")) <= 10
    # the newest is there
    again = Leaves(AUTHORITY, DAY, tmp_path / "leaves", 10)
    again.make("h49.example")
    assert again.minted == 0


def test_where_they_are_kept(monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/here:/elsewhere")
    assert leaves_directory("state") == Path("/var/lib/here/leaves")
    assert leaves_directory("/tmp/x") == Path("/tmp/x")
    assert leaves_directory(None) is None
