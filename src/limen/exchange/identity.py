"""Who clients say they are, and who they were found to be, as hooks see it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Named:
    """Somebody who is known."""

    name: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """A certificate that a client has shown, and that its listener's authorities have signed."""

    subject: str
    """As RFC 4514 writes it."""
    fingerprint: str
    """SHA-256 in hexadecimal digits."""
    names: tuple[str, ...]
    """Alternative names."""
    der: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client has shown. Secrets are left out of its representation; keep them out of logs as well.

    It says nothing of the client's address: who somebody is does not depend on where they are.
    """

    scheme: str
    """In small letters: `basic`, `bearer`, `negotiate`, another one as the client wrote it; empty without the field."""
    name: str = ""
    """Of Basic credentials, in Unicode's form NFC."""
    password: str = field(default="", repr=False)
    """Of Basic credentials."""
    token: str = field(default="", repr=False)
    """What follows any other scheme."""
    certificate: ShownCertificate | None = None
