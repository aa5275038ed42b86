"""The certificate that a client has shown, which its listener's authorities have signed.

`cryptography` is there wherever TLS is.
"""

from __future__ import annotations

import re
import time

from cryptography import x509

from limen.exchange.identity import Credentials, ShownCertificate
from limen.runtime.identity.provider import Found, Proof

# One attribute of a name as RFC 4514 writes it, escapes included.
_COMMON_NAME = re.compile(r"(?:^|[,+])CN=((?:\\.|[^\\,+])*)", re.IGNORECASE)
_ESCAPE = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)")


class CertificateProvider:
    """Who a certificate names."""

    def __init__(self, name: str) -> None:
        """`name`: common_name, subject, san or fingerprint."""
        self._name = name

    def takes(self, credentials: Credentials) -> bool:
        """See Provider."""
        return credentials.certificate is not None

    async def identify(self, credentials: Credentials) -> Found | None:
        """See Provider."""
        assert credentials.certificate is not None  # noqa: S101 it takes no other
        name = certificate_name(credentials.certificate, self._name)
        if not name:
            return None
        ends = x509.load_der_x509_certificate(credentials.certificate.der).not_valid_after_utc.timestamp()
        return Found(name, lifetime=max(0.0, ends - time.time()), evidence=self._name)

    def again(self, proof: Proof) -> tuple[str, ...] | None:
        """See Provider. That it has not expired is the proof's own time."""
        return () if proof.evidence == self._name else None


def certificate_name(certificate: ShownCertificate, kind: str) -> str:
    """What the certificate is called; empty if it is not."""
    if kind == "subject":
        return certificate.subject
    if kind == "fingerprint":
        return certificate.fingerprint
    if kind == "san":
        return certificate.names[0] if certificate.names else ""
    # the most specific one comes first
    found = _COMMON_NAME.search(certificate.subject)
    return _unescaped(found[1]) if found is not None else ""


def _unescaped(text: str) -> str:
    def plain(found: re.Match[str]) -> str:
        if found[1]:
            return bytes.fromhex(found[1].replace("\\", "")).decode("utf-8", "replace")
        return found[2]

    return _ESCAPE.sub(plain, text)
