import os
import ssl
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from limen.errors import ConfigError
from limen.tls.authority import Authority, certificate_of, random_serial

NOW = datetime.now(UTC)


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate(
    key, *, ca=True, usage=True, constraints=True, since=-1, days=10, issuer=None, issuer_key=None, name="CA"
):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(random_serial())
        .not_valid_before(NOW + timedelta(days=since))
        .not_valid_after(NOW + timedelta(days=days))
    )
    if constraints:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
    if usage is not None:
        flags = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign",
             "encipher_only", "decipher_only"), False
        )  # fmt: skip
        builder = builder.add_extension(
            x509.KeyUsage(digital_signature=not usage, key_cert_sign=usage, **flags), critical=True
        )
    return builder.sign(issuer_key or key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


EC = ec.generate_private_key(ec.SECP256R1())


def test_what_is_made():
    made = Authority.create("Example authority", 30)
    parsed = made.certificate
    constraints = parsed.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    usage = parsed.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert not usage.value.digital_signature
    subject_id = parsed.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    issuer_id = parsed.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert issuer_id.key_identifier == subject_id.digest
    assert isinstance(made.key, ec.EllipticCurvePrivateKey)
    assert made.subject == "CN=Example authority"
    assert made.not_after - made.not_before == 31 * 86400
    assert made.fingerprint == parsed.fingerprint(hashes.SHA256()).hex()
    assert made.intermediates == b""
    assert made.chain_pem == made.pem
    assert "PRIVATE" not in repr(made)


def test_it_loads_again():
    made = Authority.create("Example authority", 30)
    again = Authority.load(made.pem, made.key_pem)
    assert again.der == made.der == ssl.PEM_cert_to_DER_cert(made.pem.decode())


def test_openssl_takes_it(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_bytes(Authority.create("Example authority", 30).pem)
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-check_ss_sig", "-CAfile", file, file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_serials_are_random():
    serials = {random_serial() for _ in range(100)}
    assert len(serials) == 100
    assert all(0 < serial < 2**127 for serial in serials)
    assert max(serials) > 2**120


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb"])
def test_names_that_no_authority_has(name):
    with pytest.raises(ValueError, match="1 to 64 printable"):
        Authority.create(name, 30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ca": False}, "not that of an authority"),
        ({"constraints": False}, "not that of an authority"),
        ({"usage": False}, "no keyCertSign"),
        ({"days": -0.5}, "has expired on"),
        ({"since": 5}, "is not valid before"),
    ],
)
def test_what_is_no_authority(options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        Authority.load(certificate(EC, **options), pem(EC))
    assert caught.value.hint


def test_usage_may_be_left_out():
    assert Authority.load(certificate(EC, usage=None), pem(EC)).subject == "CN=CA"


def test_other_keys():
    key = rsa.generate_private_key(65537, 2048)
    assert Authority.load(certificate(key), pem(key)).subject == "CN=CA"
    with pytest.raises(ConfigError, match="does not belong"):
        Authority.load(certificate(key), pem(EC))
    encrypted = EC.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    with pytest.raises(ConfigError, match="is encrypted"):
        Authority.load(certificate(EC), encrypted)
    with pytest.raises(ConfigError, match="of a kind"):
        Authority.load(certificate(EC), pem(ed25519.Ed25519PrivateKey.generate()))


@pytest.mark.parametrize("content", [b"", b"junk", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_junk(content):
    with pytest.raises(ConfigError, match="no PEM certificate"):
        Authority.load(content, pem(EC))
    with pytest.raises(ConfigError, match="no PEM private key"):
        Authority.load(certificate(EC), content)
    with pytest.raises(ConfigError, match="no PEM certificate"):
        certificate_of(content)


def test_an_intermediate_brings_what_is_above():
    root = ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root")])
    above = certificate(root, name="Root")
    own = certificate(EC, name="Sub", issuer=root_name, issuer_key=root)
    made = Authority.load(own + above, pem(EC))
    assert made.subject == "CN=Sub"
    assert made.intermediates == own
    assert made.chain_pem == own + above
    with pytest.raises(ConfigError, match="do not lead upwards"):
        Authority.load(own + certificate(EC, name="Other"), pem(EC))


def test_files(tmp_path):
    made = Authority.create("Example", 5)
    chain, key = tmp_path / "ca.pem", tmp_path / "ca.key"
    chain.write_bytes(made.pem)
    key.write_bytes(made.key_pem)
    key.chmod(0o640)
    with pytest.raises(ConfigError) as caught:
        Authority.read(chain, key)
    assert str(caught.value) == f"others than its owner may use the key {key} (mode 0640); chmod 600 {key}"
    key.chmod(0o600)
    assert Authority.read(chain, key).fingerprint == made.fingerprint
    key.write_bytes(pem(EC))
    with pytest.raises(ConfigError, match="does not belong") as caught:
        Authority.read(chain, key)
    assert str(key) in caught.value.message
    os.unlink(key)
    with pytest.raises(ConfigError, match="no such file"):
        Authority.read(chain, key)
    with chain.open("ab") as file:
        file.truncate(2 * 1024 * 1024)
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        Authority.read(chain, key)
