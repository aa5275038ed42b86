"""What a hook learns of a client's TLS."""

from __future__ import annotations

from dataclasses import dataclass, field

CertificateFacts = tuple[str, str, str, str, list[str], bytes]
"""Subject, issuer, serial (hexadecimal), fingerprint, alternative names, DER."""
TlsFacts = tuple[str, str, str, str, bool, str, CertificateFacts | None]
"""Version, cipher, server name, protocol, resumed, JA4, certificate; empty texts for what there is not."""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """The certificate that a client has shown, which has been verified."""

    subject: str
    """As RFC 4514 writes it: `CN=alice,O=Example`."""
    issuer: str
    serial: int
    fingerprint: str
    """SHA-256 of the DER form, 64 hexadecimal digits."""
    names: tuple[str, ...]
    """Alternative names: DNS names in lower case, mail addresses, URIs, IP addresses."""
    der: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientTls:
    """The TLS connection that an exchange came by."""

    version: str
    """`TLSv1.3` or `TLSv1.2`."""
    cipher: str
    server_name: str | None
    """The name the client asked for (SNI)."""
    protocol: str | None
    """What was agreed on by ALPN."""
    resumed: bool
    ja4: str | None
    """Fingerprint of the client hello."""
    certificate: ClientCertificate | None

    @classmethod
    def of(cls, facts: TlsFacts) -> ClientTls:
        """From what the engine tells."""
        version, cipher, server_name, protocol, resumed, ja4, shown = facts
        certificate = None
        if shown is not None:
            subject, issuer, serial, fingerprint, names, der = shown
            certificate = ClientCertificate(subject, issuer, int(serial or "0", 16), fingerprint, tuple(names), der)
        return cls(version, cipher, server_name or None, protocol or None, resumed, ja4 or None, certificate)
