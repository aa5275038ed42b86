"""The certificate of an authority in the forms in which systems and browsers install it. Never the key."""

from __future__ import annotations

import plistlib
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs12

FORMS = ("pem", "der", "p12", "mobileconfig")
"""PEM (Linux, Firefox), DER (Windows, Android), PKCS #12 without a key, a profile of Apple's systems."""

_NAMESPACE = uuid.UUID("8f1c2a3e-5a3b-4d53-9a0e-3a8d2c0b7f41")


def written(certificate: x509.Certificate, form: str) -> bytes:
    """The certificate in one of FORMS."""
    if form == "pem":
        return certificate.public_bytes(serialization.Encoding.PEM)
    if form == "der":
        return certificate.public_bytes(serialization.Encoding.DER)
    if form == "p12":
        return pkcs12.serialize_key_and_certificates(
            common_name(certificate).encode(), None, None, [certificate], serialization.NoEncryption()
        )
    return _profile(certificate)


def common_name(certificate: x509.Certificate) -> str:
    """How people call the authority: the last part of its name that is one, or all of it."""
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()


def digits(raw: bytes) -> str:
    """A fingerprint as browsers print it: `AB:CD:…`."""
    return raw.hex(":").upper()


def described(certificate: x509.Certificate) -> list[tuple[str, str]]:
    """What one compares before trusting it: names, validity, fingerprints."""
    return [
        ("subject", certificate.subject.rfc4514_string()),
        ("issuer", certificate.issuer.rfc4514_string()),
        ("valid from", f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC"),
        ("valid until", f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"),
        ("serial", f"{certificate.serial_number:x}"),
        ("SHA-256", digits(certificate.fingerprint(hashes.SHA256()))),
        ("SHA-1", digits(certificate.fingerprint(hashes.SHA1()))),  # noqa: S303 some systems show only this one
    ]


def _profile(certificate: x509.Certificate) -> bytes:
    """A configuration profile with the authority as its only payload; installing it still asks the user."""
    raw = certificate.public_bytes(serialization.Encoding.DER)
    name = common_name(certificate)
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
    payload = {
        "PayloadType": "com.apple.security.root",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"limen.authority.{fingerprint[:16]}",
        "PayloadUUID": str(uuid.uuid5(_NAMESPACE, fingerprint)),
        "PayloadDisplayName": name,
        "PayloadCertificateFileName": "authority.cer",
        "PayloadContent": raw,
    }
    profile = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"limen.profile.{fingerprint[:16]}",
        "PayloadUUID": str(uuid.uuid5(_NAMESPACE, f"profile {fingerprint}")),
        "PayloadDisplayName": name,
        "PayloadDescription": "Trust this authority, which signs certificates of sites that the proxy opens.",
        "PayloadContent": [payload],
    }
    return plistlib.dumps(profile)
