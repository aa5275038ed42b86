import hashlib
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.config.bridge import PROBLEMS
from limen.tls.origin_certificate import OriginCertificate, problem_of
from tests.support.certificates import Authority

KEY = ec.generate_private_key(ec.SECP256R1())


def der(subject="www.example.org", names=None, end=datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]) if subject else x509.Name([])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example, Inc")]))
        .public_key(KEY.public_key())
        .serial_number(7)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(end)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_the_facts(tmp_path):
    pair = Authority(tmp_path).issue("www.example.org", "192.0.2.1", "2001:db8::1")
    raw = pair.certificate.public_bytes(serialization.Encoding.DER)
    facts = OriginCertificate.from_der(raw)
    assert facts.subject == "CN=www.example.org"
    assert facts.issuer == "CN=Limen test authority"
    assert facts.sans == ("www.example.org", "192.0.2.1", "2001:db8::1")
    assert facts.fingerprint == hashlib.sha256(raw).hexdigest()
    assert facts.not_after == int(pair.certificate.not_valid_after_utc.timestamp())


def test_names_are_harmless():
    facts = OriginCertificate.from_der(
        der(subject="a\n\x1b[31mb", names=[x509.DNSName("A.Example"), x509.RFC822Name("x@y")])
    )
    assert facts.subject.isprintable()
    assert "\n" not in facts.subject
    assert facts.issuer == "O=Example\\, Inc"
    assert facts.sans == ("a.example",)
    assert OriginCertificate.from_der(der(subject="")).subject == ""
    assert OriginCertificate.from_der(der()).not_after == 1925089445


@pytest.mark.parametrize("raw", [b"", b"\x30\x00", b"-----BEGIN CERTIFICATE-----", bytes(100)])
def test_what_is_no_certificate(raw):
    with pytest.raises(ValueError, match="not a certificate"):
        OriginCertificate.from_der(raw)
    assert OriginCertificate.of(raw) is None
    assert OriginCertificate.of(GOOD) == OriginCertificate.from_der(GOOD)


GOOD = der(names=[x509.DNSName("www.example.org")])


@pytest.mark.parametrize(
    ("right", "wrong", "names"),
    [
        (b"\x0c\x0fwww.example.org", b"\x03\x0fwww.example.org", ("", "O=Example\\, Inc")),  # a string of bits
        (b"\x06\x03\x55\x04\x0a", b"\x06\x03\x55\x04\x06", ("CN=www.example.org", "C=Example\\, Inc")),  # a country
    ],
)
def test_names_that_are_none_of_their_kind(right, wrong, names):
    assert GOOD.count(right) == 1
    facts = OriginCertificate.from_der(GOOD.replace(right, wrong))
    assert (facts.subject, facts.issuer) == names
    assert facts.sans == ("www.example.org",)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_broken_ones_never_end_anything_else(at, value):
    broken = bytearray(GOOD)
    broken[at] = value
    try:
        facts = OriginCertificate.from_der(bytes(broken))
    except ValueError:
        return
    assert facts.subject.isprintable()
    assert facts.issuer.isprintable()


@pytest.mark.parametrize(
    ("verification", "problem"),
    [
        (0, ""),
        (9, "not_yet_valid"),
        (10, "expired"),
        (18, "self_signed"),
        (19, "untrusted"),
        (20, "untrusted"),
        (21, "untrusted"),
        (23, "revoked"),
        (62, "name_mismatch"),
        (64, "name_mismatch"),
        (66, "other"),
        (12345, "other"),
    ],
)
def test_problems(verification, problem):
    assert problem_of(verification) == problem
    assert not problem or problem in PROBLEMS
