"""The authority that signs leaves: made, read, checked. It is the most dangerous file that Limen handles."""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
import time
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from limen.errors import ConfigError

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

DAY = 86400
BACKDATED = DAY
"""Seconds by which certificates made here begin early: clocks of clients are wrong."""

LARGEST_FILE = 1024 * 1024

_LONGEST_COMMON_NAME = 64  # ub-common-name of RFC 5280
_SMALLEST_RSA = 2048


def random_serial() -> int:
    """A serial number of 127 random bits: positive, and no two alike."""
    return int.from_bytes(os.urandom(16)) >> 1 | 1


def instant(seconds: float) -> datetime:
    """Unix time, in whole seconds, as certificates carry it."""
    return datetime.fromtimestamp(int(seconds), UTC)


class Authority:
    """A certificate that may sign others, with its key. Made by `create`, `load` or `read`; no repr shows the key."""

    def __init__(self, chain: list[x509.Certificate], key: SigningKey) -> None:
        self._chain = chain
        self._key = key

    @classmethod
    def create(cls, name: str, days: float, *, now: float | None = None) -> Authority:
        """A new self-signed authority: ECDSA P-256, for leaves only (path length 0), valid for `days` from now.

        Raises ValueError for a name that is empty, longer than 64 characters or not printable.
        """
        if not 1 <= len(name) <= _LONGEST_COMMON_NAME or not name.isprintable():
            raise ValueError(f"the name must have 1 to {_LONGEST_COMMON_NAME} printable characters")
        begin = time.time() if now is None else now
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(random_serial())
            .not_valid_before(instant(begin - BACKDATED))
            .not_valid_after(instant(begin + days * DAY))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(), critical=True)
            .add_extension(identifier, critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls([certificate], key)

    @classmethod
    def load(cls, certificate: bytes, key: bytes, *, now: float | None = None) -> Authority:
        """The authority of two contents (PEM), checked. Raises ConfigError with what is wrong and the mend."""
        chain = _parsed_chain(certificate)
        parsed = _parsed_key(key)
        _check(chain, parsed, time.time() if now is None else now)
        return cls(chain, parsed)

    @classmethod
    def read(cls, certificate: str | Path, key: str | Path, *, now: float | None = None) -> Authority:
        """The authority of two files, checked, also the mode of the key's. Raises ConfigError with the file's name."""
        certificate_bytes = read_file(Path(certificate))
        key_bytes = read_key(Path(key))
        try:
            return cls.load(certificate_bytes, key_bytes, now=now)
        except ConfigError as error:
            raise ConfigError(f"{error.message} ({certificate}, {key})", hint=error.hint) from None

    def __repr__(self) -> str:
        return f"<Authority {self.subject} {self.fingerprint[:16]}>"

    @property
    def certificate(self) -> x509.Certificate:
        """Its own certificate."""
        return self._chain[0]

    @property
    def key(self) -> SigningKey:
        """The private key."""
        return self._key

    @property
    def subject(self) -> str:
        """Its name as RFC 4514 writes it."""
        return self.certificate.subject.rfc4514_string()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate: 64 hexadecimal digits."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def not_before(self) -> int:
        """Since when it holds, in Unix time."""
        return int(self.certificate.not_valid_before_utc.timestamp())

    @property
    def not_after(self) -> int:
        """Until when it holds, in Unix time."""
        return int(self.certificate.not_valid_after_utc.timestamp())

    @property
    def der(self) -> bytes:
        """The certificate, for installation."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The certificate, for installation."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def chain_pem(self) -> bytes:
        """The certificate and those above it, as `load` takes them."""
        return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in self._chain)

    @property
    def key_pem(self) -> bytes:
        """The private key, not encrypted: for `limen ca create` only."""
        return key_pem(self._key)

    @property
    def intermediates(self) -> bytes:
        """What stands between a leaf and the root (PEM): nothing for a self-signed authority."""
        return b"".join(
            one.public_bytes(serialization.Encoding.PEM) for one in self._chain if one.subject != one.issuer
        )


def key_pem(key: SigningKey) -> bytes:
    """A private key as PKCS #8, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def read_file(path: Path) -> bytes:
    """The content of a file. Raises ConfigError."""
    return _read(path, secret=False)


def read_key(path: Path) -> bytes:
    """The content of a key file that only its owner may read. Raises ConfigError."""
    return _read(path, secret=True)


def _read(path: Path, *, secret: bool) -> bytes:
    try:
        with path.open("rb") as file:
            # of the file that is open, so that nobody changes it in between
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if secret and mode & 0o077:
                message = f"others than its owner may use the key {path} (mode {mode:04o})"
                raise ConfigError(message, hint=f"chmod 600 {path}")
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    if len(content) > LARGEST_FILE:
        raise ConfigError(f"{path} is larger than 1 MiB", hint="name a PEM file")
    return content


def certificate_of(content: bytes) -> x509.Certificate:
    """The first certificate of a PEM file. Raises ConfigError."""
    return _parsed_chain(content)[0]


def _usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def _parsed_chain(content: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm):
        raise ConfigError(
            "the authority's certificate is no PEM certificate", hint="`limen ca create` makes one"
        ) from None


def _parsed_key(content: bytes) -> SigningKey:
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except TypeError:
        raise ConfigError(
            "the authority's key is encrypted", hint="store it without a password, with mode 0600"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError("the authority's key is no PEM private key", hint="`limen ca create` makes one") from None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _SMALLEST_RSA:
        return key
    raise ConfigError(
        "the authority's key is of a kind that clients do not take", hint="use ECDSA P-256, or RSA of 2048 bits"
    )


def _check(chain: list[x509.Certificate], key: SigningKey, now: float) -> None:
    certificate = chain[0]
    hint = "`limen ca create` makes an authority"
    if certificate.public_key() != key.public_key():
        raise ConfigError(
            "the authority's key does not belong to its certificate", hint="name a pair that was made together"
        )
    try:
        extensions = certificate.extensions
    except (ValueError, x509.DuplicateExtension) as error:
        raise ConfigError(f"the authority's certificate cannot be read: {error}", hint=hint) from None
    try:
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = None
    if constraints is None or not constraints.ca:
        raise ConfigError("the certificate is not that of an authority (CA:FALSE): it may not sign leaves", hint=hint)
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        usage = None
    if usage is not None and not usage.key_cert_sign:
        raise ConfigError("the authority's certificate may not sign others (no keyCertSign)", hint=hint)
    _check_time(certificate, now)
    for below, above in itertools.pairwise(chain):
        try:
            below.verify_directly_issued_by(above)
        except (ValueError, TypeError, InvalidSignature):
            message = "the certificates after the authority's do not lead upwards from it"
            raise ConfigError(message, hint="put the issuer after each, or leave them out") from None


def _check_time(certificate: x509.Certificate, now: float) -> None:
    if certificate.not_valid_after_utc.timestamp() <= now:
        raise ConfigError(
            f"the authority has expired on {certificate.not_valid_after_utc:%Y-%m-%d}", hint="make a new one"
        )
    if certificate.not_valid_before_utc.timestamp() > now:
        raise ConfigError(
            f"the authority is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}", hint="look at the clock"
        )
