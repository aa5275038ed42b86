"""A certificate that Limen makes itself, for trials: for localhost, the loopback addresses and the machine's name.

Chain and key lie in one file, so that both are always of one making, whoever else makes them at the same time.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from limen.tls.certificates import Certificate, Unusable, parse
from limen.tls.names import is_name
from limen.tls.state import state_directory, write

FILE = "self-signed.pem"
# Browsers take no certificate for longer than 398 days; this one is renewed long before.
_LIFE = timedelta(days=90)
_RENEWED_BEFORE = timedelta(days=30).total_seconds()


def keep(directory: Path | None = None) -> tuple[str, float]:
    """The file of a certificate that holds for a while, made now if need be; and when it has to be made anew.

    The time is a Unix time. Raises OSError when the state directory cannot be used.
    """
    path = (directory or state_directory()) / FILE
    names = wanted_names()
    found = _found(path)
    if found is None or time.time() >= found.not_after - _RENEWED_BEFORE or not set(names) <= set(found.names):
        content = make(names)
        write(path, content)
        found = parse(content, content)
    return str(path), found.not_after - _RENEWED_BEFORE


def wanted_names() -> tuple[str, ...]:
    """What the certificate is for."""
    machine = socket.gethostname().lower()
    return ("localhost", *((machine,) if machine != "localhost" and is_name(machine) else ()), "127.0.0.1", "::1")


def make(names: tuple[str, ...]) -> bytes:
    """A new certificate and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Limen, self-signed")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # clocks differ
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM) + private


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _found(path: Path) -> Certificate | None:
    try:
        content = path.read_bytes()
        return parse(content, content)
    except (OSError, Unusable):
        # missing, or spoilt: another one is made
        return None
