"""What is known of an origin's certificate when bridging decides about it: names, ends, fingerprint, and what is wrong.

The certificate comes from a stranger: nothing of it may end a log line or a process, whatever it holds.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

_LONGEST_NAME = 512
_MOST_NAMES = 1000
# TypeError: a name that is a string of a kind that names of its kind never are.
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)

# X509_V_ERR_* of openssl/x509_vfy.h; what is not here is `other`.
_PROBLEMS = {
    0: "",
    2: "untrusted",  # unable to get issuer certificate
    7: "untrusted",  # certificate signature failure
    9: "not_yet_valid",
    10: "expired",
    18: "self_signed",  # depth zero self-signed
    19: "untrusted",  # self-signed in the chain: a root that nobody here trusts
    20: "untrusted",  # unable to get local issuer
    21: "untrusted",  # unable to verify the first certificate
    23: "revoked",
    27: "untrusted",
    28: "untrusted",  # rejected
    62: "name_mismatch",
    64: "name_mismatch",  # address
}


def problem_of(verification: int) -> str:
    """The problem that a result of OpenSSL's verification means (`SSL_get_verify_result`); empty for a sound one."""
    return _PROBLEMS.get(verification, "other")


@dataclass(frozen=True, slots=True)
class OriginCertificate:
    """Facts of one certificate. Names are as RFC 4514 writes them, shortened, and hold printable characters only."""

    subject: str
    issuer: str
    sans: tuple[str, ...]
    """DNS names and IP addresses, in lower case."""
    fingerprint: str
    """SHA-256 of the whole certificate: 64 hexadecimal digits in lower case."""
    not_after: int
    """Unix time."""

    @classmethod
    def of(cls, der: bytes) -> Self | None:
        """As `from_der`; None for what cannot be read, such as the nothing of an origin that showed no certificate."""
        try:
            return cls.from_der(der)
        except ValueError:
            return None

    @classmethod
    def from_der(cls, der: bytes) -> Self:
        """The facts of a certificate in DER. Raises ValueError for what is no certificate.

        Names that cannot be read are empty: the fingerprint, and whether the certificate holds, do not need them.
        """
        with warnings.catch_warnings():
            # what the library dislikes of a stranger's certificate is nothing that we could mend
            warnings.simplefilter("ignore")
            try:
                parsed = x509.load_der_x509_certificate(der)
                not_after = int(parsed.not_valid_after_utc.timestamp())
            except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm, OverflowError) as error:
                raise ValueError(f"not a certificate: {error}") from None
            return cls(
                subject=_name(parsed, "subject"),
                issuer=_name(parsed, "issuer"),
                sans=tuple(_sans(parsed)),
                fingerprint=hashlib.sha256(der).hexdigest(),
                not_after=not_after,
            )


def _name(parsed: x509.Certificate, which: str) -> str:
    try:
        name: x509.Name = getattr(parsed, which)
        return _printable(name.rfc4514_string())
    except _UNREADABLE:
        return ""


def _sans(parsed: x509.Certificate) -> Iterator[str]:
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, *_UNREADABLE):
        return
    for name in list(names)[:_MOST_NAMES]:
        if isinstance(name, x509.DNSName | x509.IPAddress):
            yield _printable(str(name.value)).lower()


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text[:_LONGEST_NAME])
