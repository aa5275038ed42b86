"""Certificates for tests: an authority in memory that issues what a test asks for, as PEM files."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its key, as files."""

    chain: Path
    key: Path
    certificate: x509.Certificate

    @property
    def serial(self) -> int:
        """Tells which of several certificates a server showed."""
        return self.certificate.serial_number


def _key(kind: str) -> Key:
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Authority:
    """Issues certificates into `folder`; its own is `file`."""

    def __init__(self, folder: Path, name: str = "Limen test authority") -> None:
        self.folder = folder
        self._key = _key("ec")
        self._subject = _name(name)
        now = datetime.now(UTC)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(self._subject)
            .issuer_name(self._subject)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / f"{name.replace(' ', '-').lower()}.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def files(self) -> dict[str, str]:
        """Paths of its certificate and its key, as `authority` of `bridge` takes them."""
        key = self.file.with_suffix(".key")
        key.write_bytes(
            self._key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        key.chmod(0o600)
        return {"certificate": str(self.file), "key": str(key)}

    def issue(
        self,
        *names: str,
        kind: str = "ec",
        days: float = 10,
        since: float = -1,
        client: bool = False,
        file: str = "",
        alternatives: bool = True,
    ) -> Pair:
        """A certificate for `names`, valid from `since` to `days` days from now; without `alternatives` the first is in
        its subject alone.
        """
        key = _key(kind)
        now = datetime.now(UTC)
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(names[0]))
            .issuer_name(self._subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=since))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if alternatives:
            found = x509.SubjectAlternativeName([_alternative(name) for name in names])
            builder = builder.add_extension(found, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        stem = file or f"{names[0].replace('*', 'any')}-{kind}-{certificate.serial_number % 10**8}"
        chain, private = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        private.chmod(0o600)
        return Pair(chain, private, certificate)

    def trusting(self, pair: Pair | None = None) -> ssl.SSLContext:
        """A client that believes this authority, and shows `pair` if asked."""
        context = ssl.create_default_context(cafile=str(self.file))
        if pair is not None:
            context.load_cert_chain(pair.chain, pair.key)
        return context

    def serving(self, pair: Pair) -> ssl.SSLContext:
        """A server that shows `pair`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.chain, pair.key)
        return context
