"""Certificates of every kind, right and wrong, in memory."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

PEM = serialization.Encoding.PEM


def make_key(kind="ec"):
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "ed":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=int(kind))


def private_pem(key, password=None):
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, encryption)


def pem(*certificates):
    return b"".join(one.public_bytes(PEM) for one in certificates)


def name(text):
    return text if isinstance(text, x509.Name) else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Issuer:
    """An authority that issues whatever it is asked for."""

    def __init__(self, title="Unit authority", parent=None):
        self.key = make_key()
        self.title = title
        self.certificate = (parent or self).issue(title, key=self.key, alternatives=None, ca=True, days=100)

    def issue(
        self, title="a.example", *, key, alternatives=(), days=10, since=-1, ca=False, usage=None, responder="",
        must_staple=False, digest=None,
    ):  # fmt: skip
        """`alternatives`: general names; () for the title itself, None for no extension."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(title))
            .issuer_name(name(self.title))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=since))
            .not_valid_after(now + timedelta(days=days))
        )
        if ca:
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        if alternatives is not None:
            names = list(alternatives) or [x509.DNSName(title)]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if responder:
            access = x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(responder)
            )
            builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
        if must_staple:
            builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
        algorithm = None if isinstance(self.key, ed25519.Ed25519PrivateKey) else digest or hashes.SHA256()
        return builder.sign(self.key, algorithm)


def revocations(issuer, *revoked, days=1):
    """The list of an authority with these certificates, in PEM."""
    now = datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(now - timedelta(days=2)).next_update(now + timedelta(days=days))
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(now)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(PEM)


SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


@pytest.fixture(scope="session")
def issuer():
    return Issuer()


@pytest.fixture
def pair(issuer):
    """`pair("a.example", kind="ec", ...)`: chain and key as PEM."""

    def made(title="a.example", *, kind="ec", **options):
        key = make_key(kind)
        return pem(issuer.issue(title, key=key, **options)), private_pem(key)

    return made


@pytest.fixture
def files(pair, tmp_path):
    """`files("a.example", stem="a")`: the same as files, and their paths."""

    def made(title="a.example", *, stem=None, **options):
        chain, key = pair(title, **options)
        stem = stem or title.replace("*", "any")
        paths = tmp_path / f"{stem}.pem", tmp_path / f"{stem}.key"
        for path, content in zip(paths, (chain, key), strict=True):
            path.write_bytes(content)
        paths[1].chmod(0o600)
        return tuple(map(str, paths))

    return made
