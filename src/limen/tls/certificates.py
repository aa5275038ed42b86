"""One certificate: its chain and key read from PEM and checked, and what is known of it.

Everything here depends on the bytes alone. What depends on the day is asked with a time, so that an unchanged pair is
parsed once in the life of a supervisor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from limen.tls.material import Pair
from limen.tls.names import names_of

_KEY = re.compile(rb"-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY)-----.+?-----END \1-----[^\n]*\n?", re.DOTALL)
_END = b"-----END CERTIFICATE-----"
_SMALLEST_RSA = 2048
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
# Collisions have been made (RFC 6151, RFC 9155).
_BROKEN_HASHES = {"md5", "sha1"}

Part = Literal["chain", "key"]


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a pair: with which of its files, and the mend. A warning forbids nothing."""

    part: Part
    message: str
    hint: str = ""
    warning: bool = False


class Unusable(ValueError):
    """A pair that cannot serve; `flaw` says why."""

    def __init__(self, part: Part, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.flaw = Flaw(part, message, hint)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A chain with its key, and what its leaf says."""

    pair: Pair
    kind: str
    """Of the leaf's key: RSA, ECDSA or EdDSA."""
    names: tuple[str, ...]
    """`a.example`, `*.a.example` or an IP address, in lower case."""
    not_before: int
    """Unix time from which all of the chain hold."""
    not_after: int
    """Unix time up to which all of the chain hold."""
    for_servers: bool
    for_clients: bool
    responder: str = ""
    """URL of its OCSP responder; empty if it names none."""
    must_staple: bool = False
    """Whether clients refuse it without a stapled response (RFC 7633)."""
    flaws: tuple[Flaw, ...] = ()
    """Warnings."""

    def flaw_at(self, now: float) -> Flaw | None:
        """Why it cannot serve at this time."""
        if now >= self.not_after:
            return Flaw("chain", f"expired on {day(self.not_after)}", "renew it")
        if now < self.not_before:
            return Flaw("chain", f"is not valid before {day(self.not_before)}", "wait, or set the clock")
        return None


def day(when: float) -> str:
    """`2026-11-25 16:20 UTC`."""
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M UTC")


def parse(chain: bytes, key: bytes) -> Certificate:
    """Reads a pair. Raises Unusable."""
    certificates = read_chain(chain)
    leaf = certificates[0]
    private = _read_key(key)
    if private.public_key() != leaf.public_key():
        raise _unmatched(certificates, private)
    _demand_strength(leaf)
    try:
        extensions = leaf.extensions
    except ValueError as error:
        raise Unusable("chain", f"has extensions that cannot be read: {error}") from None
    found = {type(extension.value): extension.value for extension in extensions}
    names, odd = names_of(found.get(x509.SubjectAlternativeName))
    flaws = [Flaw("chain", f"has a name that no client asks for: {name}", warning=True) for name in odd]
    flaws += _order(certificates)
    usage = found.get(x509.ExtendedKeyUsage)
    responder, must_staple = _stapling(found)
    # a root at the end is nobody's concern: clients have their own
    counted = [leaf, *(one for one in certificates[1:] if one.issuer != one.subject)]
    return Certificate(
        pair=Pair.of(chain, key),
        kind=_kind(leaf.public_key()),
        names=names,
        not_before=int(max(one.not_valid_before_utc for one in counted).timestamp()),
        not_after=int(min(one.not_valid_after_utc for one in counted).timestamp()),
        for_servers=usage is None or _allows(usage, ExtendedKeyUsageOID.SERVER_AUTH),
        for_clients=usage is None or _allows(usage, ExtendedKeyUsageOID.CLIENT_AUTH),
        responder=responder,
        must_staple=must_staple,
        flaws=tuple(flaws),
    )


def read_chain(chain: bytes) -> list[x509.Certificate]:
    """The certificates of a PEM text, in order, at least one; all but the first are strong. Raises Unusable."""
    end = chain.find(_END) + len(_END)
    if end < len(_END):
        hint = "convert it: openssl x509 -inform der -in FILE" if chain[:1] == b"\x30" else ""
        raise Unusable("chain", "holds no certificate in PEM form", hint)
    return [*_read(chain[:end]), *_read_issuers(chain[end:])]


@lru_cache(maxsize=32)
def _read_issuers(text: bytes) -> tuple[x509.Certificate, ...]:
    """What follows the leaf: of ten thousand certificates most have the same."""
    if _END not in text:
        return ()
    certificates = _read(text)
    for number, certificate in enumerate(certificates, 2):
        if certificate.issuer != certificate.subject:
            _demand_strength(certificate, number)
    return tuple(certificates)


def _read(text: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text)
    except ValueError as error:
        raise Unusable("chain", f"holds no certificate that can be read: {_first_line(error)}") from None


def _read_key(text: bytes) -> PrivateKeyTypes:
    found = _KEY.search(text)
    if found is None:
        hint = "convert it: openssl pkey -inform der -in FILE" if text[:1] == b"\x30" else ""
        raise Unusable("key", "holds no private key in PEM form", hint)
    if found[1].startswith(b"ENCRYPTED") or b"Proc-Type: 4,ENCRYPTED" in found[0]:
        raise Unusable("key", "is encrypted", "decrypt it: openssl pkey -in FILE -out NEW (and chmod 600 NEW)")
    try:
        # That its numbers fit together takes milliseconds to prove; that it is the certificate's is what counts.
        return load_pem_private_key(found[0], None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Unusable("key", f"holds no private key that can be read: {_first_line(error)}") from None


def _unmatched(certificates: list[x509.Certificate], private: PrivateKeyTypes) -> Unusable:
    public = private.public_key()
    for number, certificate in enumerate(certificates):
        if certificate.public_key() == public:
            return Unusable(
                "chain",
                f"has the key's certificate in place {number + 1}",
                "put it first, those that lead on behind it",
            )
    return Unusable("key", "is not the key of the certificate", "check that both files belong together")


def _demand_strength(certificate: x509.Certificate, number: int = 1) -> None:
    which = f"certificate {number} of it has" if number > 1 else "has"
    try:
        public = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise Unusable("chain", f"{which} a key that cannot be read") from None
    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size < _SMALLEST_RSA:
            raise Unusable("chain", f"{which} an RSA key of only {public.key_size} bits", "use 2048 or more")
    elif isinstance(public, ec.EllipticCurvePublicKey):
        if public.curve.name not in _CURVES:
            raise Unusable("chain", f"{which} a key on the curve {public.curve.name}", "use P-256, P-384 or P-521")
    elif not isinstance(public, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        raise Unusable("chain", f"{which} a kind of key that TLS does not use", "use RSA or ECDSA")
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        raise Unusable("chain", f"{which} a signature of an unknown kind") from None
    if algorithm is not None and algorithm.name in _BROKEN_HASHES:
        raise Unusable("chain", f"{which} a signature with {algorithm.name.upper()}", "let it be issued anew")


def _kind(public: PublicKeyTypes) -> str:
    if isinstance(public, rsa.RSAPublicKey):
        return "RSA"
    return "ECDSA" if isinstance(public, ec.EllipticCurvePublicKey) else "EdDSA"


def _order(certificates: list[x509.Certificate]) -> Iterator[Flaw]:
    for number in range(len(certificates) - 1):
        if certificates[number].issuer != certificates[number + 1].subject:
            yield Flaw(
                "chain",
                f"certificate {number + 2} of it did not issue certificate {number + 1}: some clients will refuse it",
                "put each behind the one that it issued",
                warning=True,
            )
            return


def _allows(usage: x509.ExtendedKeyUsage, purpose: x509.ObjectIdentifier) -> bool:
    return purpose in usage or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage


def _stapling(extensions: Mapping[type[x509.ExtensionType], Any]) -> tuple[str, bool]:
    """The URL of the responder, and whether clients insist on its word."""
    responder = ""
    for access in extensions.get(x509.AuthorityInformationAccess, ()):
        location = access.access_location
        is_url = isinstance(location, x509.UniformResourceIdentifier)
        if access.access_method == AuthorityInformationAccessOID.OCSP and is_url and not responder:
            responder = str(location.value)
    return responder, x509.TLSFeatureType.status_request in extensions.get(x509.TLSFeature, ())


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
