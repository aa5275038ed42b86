import json
import os
from pathlib import Path

import pytest

from limen.config import loads
from limen.tls.authority import Authority
from limen.tls.gather import gather
from limen.tls.store import Store, signature
from tests.unit.tls.conftest import CLIENT, PEM, Issuer, pem, revocations

OLD_ROOT = b"""\
-----BEGIN CERTIFICATE-----
MIIBYDCCAQagAwIBAgIBADAKBggqhkjOPQQDAjAOMQwwCgYDVQQDDANvbGQwIBcN
MjYxMTI3MDMxODI0WhgPMjEyNjExMDMwMzE4MjRaMA4xDDAKBgNVBAMMA29sZDBZ
MBMGByqGSM49AgEGCCqGSM49AwEHA0IABNCD9LswuNFFlDrvwMDEpPrpXKAyKwgM
8LlWLjUxBz/SceCIAcXAMrFT7J5oxtMD/VZlqE5UBatbTz8nzjc5qO+jUzBRMB0G
A1UdDgQWBBRkOT1RkaNq6Nwmco/XjpyItRA6CzAfBgNVHSMEGDAWgBRkOT1RkaNq
6Nwmco/XjpyItRA6CzAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUC
IQCzVQGMj9gbpGZpnyOwvclnKZEc/rbj7LVYwM9YB1h8EgIgMU2rbuDSVTqLnJsE
bgH8u4SlO4wZVXZdBYlg072aG8o=
-----END CERTIFICATE-----
"""


def configure(tmp_path, tls=None, upstream=None, **more):
    listener = {"bind": "127.0.0.1:8443", "routes": [{"upstream": "web"}], **({"tls": tls} if tls else {})}
    web = {"endpoints": ["127.0.0.1:9001"], **({"tls": upstream} if upstream is not None else {})}
    return loads(json.dumps({"listeners": [listener], "upstreams": {"web": web}, **more}), base=tmp_path)


def pairs(*files):
    return {"certificates": [{"chain": chain, "key": key} for chain, key in files]}


def told(gathered, *, warnings=False):
    return [(finding.path, finding.message) for finding in gathered.findings if finding.warning == warnings]


def only(gathered, *, warning=False):
    ((path, message),) = told(gathered, warnings=warning)
    return path, message


@pytest.fixture
def store():
    return Store()


def test_material_of_a_listener(tmp_path, files, store):
    one, two = files("a.example"), files("a.example", kind="2048", stem="rsa")
    made = gather(configure(tmp_path, pairs(one, two)), store)
    assert not made.findings
    material = made.material.listeners[0]
    assert material.names == {"a.example": (0, 1)}
    assert material.default == (0, 1)
    assert [made.material.pairs[digest].chain for digest in material.certificates] == [
        Path(path).read_bytes() for path, _ in (one, two)
    ]
    assert [expiry.file for expiry in material.expiries] == [one[0], two[0]]
    assert material.tickets == "made 43200"
    assert set(made.rings) == {"made 43200"}
    assert set(made.files) == {*one, *two}
    assert set(made.certificates) == set(made.material.pairs)


def test_one_broken_pair_is_told_with_its_place_and_file(tmp_path, files, store):
    good, other = files("a.example"), files("b.example")
    for number, (pair, key, word) in enumerate(
        [
            ((good[0], other[1]), "key", "is not the key of the certificate"),
            ((good[0], "/none.key"), "key", "cannot be read: no such file"),
            (("/none.pem", good[1]), "chain", "cannot be read: no such file"),
            (files("old.example", days=-0.5, since=-2), "chain", "expired on"),
            (files("new.example", since=1), "chain", "is not valid before"),
            (files("nameless.example", alternatives=None), "chain", "is for no name"),
        ]
    ):
        made = gather(configure(tmp_path, pairs(good, pair)), store)
        path, message = only(made)
        assert path == ("listeners", 0, "tls", "certificates", 1, key), number
        assert message.startswith(f"{pair[key == 'key']}: {word}"), message


def test_warnings(tmp_path, files, store):
    one, same = files("a.example"), files("a.example", stem="same")
    path, message = only(gather(configure(tmp_path, pairs(one, same)), store), warning=True)
    assert path == ("listeners", 0, "tls", "certificates", 1)
    assert f"is never shown: {one[0]} comes first for a.example" in message
    os.chmod(one[1], 0o644)
    client = files("c.example", usage=CLIENT)
    found = dict(told(gather(configure(tmp_path, pairs(one, client)), Store()), warnings=True))
    assert found == {
        ("listeners", 0, "tls", "certificates", 0, "key"): f"{one[1]}: may be read by others than its owner",
        ("listeners", 0, "tls", "certificates", 1, "chain"): (
            f"{client[0]}: is not for servers (extended key usage): clients will refuse it"
        ),
    }


def test_authorities_and_revocation_lists(tmp_path, files, store, issuer):
    ca, crl = tmp_path / "ca.pem", tmp_path / "crl.pem"
    other = Issuer("Another authority")
    tls = {**pairs(files()), "client": {"ca": "ca.pem", "crl": "crl.pem"}}
    config = configure(tmp_path, tls)
    place = ("listeners", 0, "tls", "client")
    made = gather(config, store)
    assert [path for path, _ in told(made)] == [(*place, "ca"), (*place, "crl")]
    ca.write_bytes(b"nothing")
    crl.write_bytes(b"nothing")
    made = gather(config, store)
    assert [message.split(": ", 1)[1] for _, message in told(made)] == [
        "holds no certificate in PEM form",
        "holds no revocation list in PEM form",
    ]
    ca.write_bytes(issuer.certificate.public_bytes(PEM))
    crl.write_bytes(revocations(issuer))
    made = gather(config, store)
    assert not made.findings
    assert made.material.listeners[0].client_ca == ca.read_bytes()
    assert made.material.listeners[0].crl == crl.read_bytes()
    assert {str(ca), str(crl)} <= set(made.files)
    crl.write_bytes(revocations(issuer, days=-1))
    assert "has run out" in only(gather(config, store), warning=True)[1]
    crl.write_bytes(revocations(other))
    assert "holds no list of CN=Unit authority" in only(gather(config, store), warning=True)[1]
    crl.write_bytes(b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
    assert "cannot be read" in only(gather(config, store))[1]


def test_an_old_root_is_no_reason_to_complain(tmp_path, files, store):
    """Its serial number is 0, as of some that systems ship: a warning of the library would be an error here."""
    ca = tmp_path / "ca.pem"
    ca.write_bytes(OLD_ROOT)
    assert not gather(configure(tmp_path, {**pairs(files()), "client": {"ca": "ca.pem"}}), store).findings


def test_an_authority_whose_own_is_missing(tmp_path, files, store, issuer):
    between = Issuer("Between", issuer)
    ca = tmp_path / "ca.pem"
    config = configure(tmp_path, {**pairs(files()), "client": {"ca": "ca.pem"}})
    ca.write_bytes(pem(between.certificate))
    _, message = only(gather(config, store), warning=True)
    assert message.startswith(f"{ca}: CN=Between was issued by CN=Unit authority, which is not in the file")
    ca.write_bytes(pem(between.certificate, issuer.certificate))
    assert not gather(config, store).findings


def test_material_of_an_upstream(tmp_path, files, store, issuer):
    ca = tmp_path / "ca.pem"
    ca.write_bytes(issuer.certificate.public_bytes(PEM))
    chain, key = files("client", usage=CLIENT, alternatives=None)
    config = configure(tmp_path, upstream={"ca": "ca.pem", "certificate": {"chain": chain, "key": key}})
    made = gather(config, store)
    assert not made.findings
    material = made.material.upstreams["web"]
    assert material.ca == ca.read_bytes()
    assert made.material.pairs[material.certificate].key == Path(key).read_bytes()
    assert [expiry.file for expiry in material.expiries] == [chain]
    assert not gather(configure(tmp_path, upstream={}), store).material.pairs


def test_ticket_files(tmp_path, files, store):
    config = configure(tmp_path, {**pairs(files()), "tickets": {"file": "keys"}})
    file = tmp_path / "keys"
    place = ("listeners", 0, "tls", "tickets", "file")
    for content, word in [(None, "no such file"), (b"", "holds 0 bytes"), (bytes(81), "holds 81 bytes")]:
        if content is not None:
            file.write_bytes(content)
            file.chmod(0o600)
        path, message = only(gather(config, store))
        assert path == place
        assert word in message
    file.write_bytes(bytes(80))
    made = gather(config, store)
    assert not made.findings
    assert made.rings[made.material.listeners[0].tickets].keys == (bytes(80),)
    file.chmod(0o644)
    os.utime(file, (1, 1))
    assert "others than its owner" in only(gather(config, store), warning=True)[1]


def test_without_tickets(tmp_path, files, store):
    made = gather(configure(tmp_path, {**pairs(files()), "tickets": "none"}), store)
    assert made.material.listeners[0].tickets == ""
    assert not made.rings


def test_what_was_good_stands_in_for_what_is_not(tmp_path, files, pair, store, issuer):
    ca, keys = tmp_path / "ca.pem", tmp_path / "keys"
    ca.write_bytes(issuer.certificate.public_bytes(PEM))
    keys.write_bytes(bytes(80))
    keys.chmod(0o600)
    one, two = files("a.example"), files("b.example")
    tls = {**pairs(one, two), "client": {"ca": "ca.pem"}, "tickets": {"file": "keys"}}
    config = configure(tmp_path, tls)
    before = gather(config, store)
    # another certificate, whose key is not there yet; and everything else is broken, too
    chain, key = pair("a.example")
    for path, content in [(one[0], chain), (ca, b"x"), (keys, b"x")]:
        with open(path, "wb") as file:
            file.write(content)
    os.unlink(two[1])
    assert len(told(gather(config, store))) == 4
    between = gather(config, store, before=before, lenient=True)
    assert not told(between)
    assert len(told(between, warnings=True)) == 4
    assert between.material == before.material
    assert between.rings == before.rings
    with open(one[1], "wb") as file:
        file.write(key)
    after = gather(config, store, before=between, lenient=True)
    first, second = after.material.listeners[0].certificates
    assert after.material.pairs[first].chain == chain
    assert second == before.material.listeners[0].certificates[1]


def test_a_certificate_that_expires_in_force_stays(tmp_path, files, store, monkeypatch):
    config = configure(tmp_path, pairs(files()))
    before = gather(config, store)
    monkeypatch.setattr("time.time", lambda: before.material.listeners[0].expiries[0].not_after + 1)
    assert "expired on" in only(gather(config, store))[1]
    assert gather(config, store, before=before, lenient=True).material == before.material


def test_self_signed(tmp_path, store, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    made = gather(configure(tmp_path, {"self_signed": True}), store)
    assert not made.findings
    assert "localhost" in made.material.listeners[0].names
    assert made.due is not None
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "file" / "state"))
    path, message = only(gather(configure(tmp_path, {"self_signed": True}), store))
    assert path == ("listeners", 0, "tls", "self_signed")
    assert "cannot be kept" in message


def test_an_authority_of_bridging_is_watched_and_stands_in(tmp_path, store):
    certificate, key = tmp_path / "ca.pem", tmp_path / "ca.key"
    authority = Authority.create("The organisation", 30)
    certificate.write_bytes(authority.pem)
    key.write_bytes(authority.key_pem)
    key.chmod(0o600)
    bridge = {"authority": {"certificate": "ca.pem", "key": "ca.key"}, "hosts": ["a.example"]}
    listener = {"bind": "127.0.0.1:3128", "timeouts": {"handshake": "3s"}, "forward": {"bridge": bridge}}
    config = loads(json.dumps({"listeners": [listener]}), base=tmp_path)
    first = gather(config, store)
    assert not first.findings
    assert first.material.bridges[0].certificate == authority.chain_pem
    assert all(first.files[str(path)] == signature(str(path)) for path in (certificate, key))
    key.chmod(0o644)
    assert gather(config, store).findings[0].path == ("listeners", 0, "forward", "bridge", "authority")
    renewed = gather(config, store, before=first, lenient=True)
    assert [finding.warning for finding in renewed.findings] == [True]
    assert renewed.material.bridges == first.material.bridges
