"""Bearer tokens: from a file of digests, or signed ones. The only file that knows the library for JWT."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from limen.exchange.identity import Credentials, Named
from limen.policy.identity.passwords import FileRefused
from limen.policy.identity.tokens import digest_of, parse_tokens
from limen.runtime.identity.provider import Found, Proof, ProviderFailed

# Kinds of keys by the beginning of the algorithm's name: a public key is never a shared secret.
_KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP", "HS": "oct"}
_GROUPS_MOST = 1000


class TokenProvider:
    """Tokens whose digests are in a file."""

    def __init__(self, tokens: Mapping[bytes, Named]) -> None:
        self._tokens = tokens

    @classmethod
    def of(cls, content: bytes) -> TokenProvider:
        """From a file's content. Raises FileRefused."""
        return cls(parse_tokens(content))

    def takes(self, credentials: Credentials) -> bool:
        """See Provider."""
        return credentials.scheme == "bearer"

    async def identify(self, credentials: Credentials) -> Found | None:
        """See Provider."""
        digest = digest_of(credentials.token)
        found = self._tokens.get(digest)
        return Found(found.name, found.groups, evidence=digest) if found is not None else None

    def again(self, proof: Proof) -> tuple[str, ...] | None:
        """See Provider. The line of the token, as the file has it now."""
        found = self._tokens.get(proof.evidence) if isinstance(proof.evidence, bytes) else None
        return found.groups if found is not None and found.name == proof.name else None


class Keys(Protocol):
    """Where the keys are from."""

    async def find(self, identifier: str | None, kind: str) -> Sequence[jwt.PyJWK]:
        """Those that may have signed a token which names this key (None: it names none). Raises ProviderFailed."""

    def has(self, thumbprint: bytes) -> bool:
        """Whether a key that has signed before is still one of them, as far as is known."""


class KeySet:
    """Keys that were read once."""

    def __init__(self, content: bytes) -> None:
        """Raises FileRefused."""
        try:
            read = json.loads(content)
            self.keys: list[jwt.PyJWK] = list(jwt.PyJWKSet.from_dict(read).keys)
        except (ValueError, AttributeError, TypeError, jwt.PyJWTError) as error:
            raise FileRefused(f"no JSON Web Key Set: {error}") from None
        self._thumbprints = frozenset(map(thumbprint, self.keys))

    async def find(self, identifier: str | None, kind: str) -> Sequence[jwt.PyJWK]:
        """See Keys."""
        return self.matching(identifier, kind)

    def has(self, thumbprint: bytes) -> bool:
        """See Keys."""
        return thumbprint in self._thumbprints

    def matching(self, identifier: str | None, kind: str) -> list[jwt.PyJWK]:
        """Those of this kind with this identifier."""
        return [
            key
            for key in self.keys
            if key.key_type == kind
            and key.public_key_use in (None, "sig")
            and (identifier is None or key.key_id in (None, identifier))
        ]


def thumbprint(key: jwt.PyJWK) -> bytes:
    """What a key is known by: its public part, or of a shared secret the digest."""
    material = key.key
    if not isinstance(material, bytes):
        public = material.public_key() if hasattr(material, "public_key") else material
        material = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(material).digest()


@dataclass(frozen=True, slots=True)
class _Signed:
    """What a token was taken by."""

    thumbprint: bytes
    algorithm: str
    issuer: str
    audience: tuple[str, ...]


class SignedTokenProvider:
    """JSON Web Tokens."""

    def __init__(
        self,
        keys: Keys,
        *,
        issuer: str,
        audience: Sequence[str],
        algorithms: Sequence[str],
        leeway: float,
        name: str,
        groups: str,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = list(audience)
        self._algorithms = list(algorithms)
        self._leeway = leeway
        self._name = name
        self._groups = groups

    def takes(self, credentials: Credentials) -> bool:
        """See Provider."""
        return credentials.scheme == "bearer"

    async def identify(self, credentials: Credentials) -> Found | None:
        """See Provider."""
        try:
            head = jwt.get_unverified_header(credentials.token)
        except jwt.PyJWTError:
            return None
        algorithm, identifier = head.get("alg"), head.get("kid")
        if algorithm not in self._algorithms or not isinstance(identifier, str | None):
            return None
        # names of extensions that have to be understood, and are not (RFC 7515, 4.1.11)
        if "crit" in head:
            return None
        for key in await self._keys.find(identifier, _KINDS[algorithm[:2]]):
            claims = self._claims(credentials.token, key, algorithm)
            if claims is not None:
                return self._found(claims, _Signed(thumbprint(key), algorithm, self._issuer, self._meant(claims)))
        return None

    def again(self, proof: Proof) -> tuple[str, ...] | None:
        """See Provider. That it has not expired is the proof's own time."""
        signed = proof.evidence
        if (
            isinstance(signed, _Signed)
            and signed.algorithm in self._algorithms
            and signed.issuer == self._issuer
            and any(one in self._audience for one in signed.audience)
            and self._keys.has(signed.thumbprint)
        ):
            return proof.groups
        return None

    def _meant(self, claims: Mapping[str, object]) -> tuple[str, ...]:
        audience = claims["aud"]
        return tuple(map(str, audience)) if isinstance(audience, list) else (str(audience),)

    def _claims(self, token: str, key: jwt.PyJWK, algorithm: str) -> Mapping[str, object] | None:
        try:
            claims: dict[str, object] = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway,
                options={"require": ["exp", "iss", "aud"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            return None
        return claims

    def _found(self, claims: Mapping[str, object], signed: _Signed) -> Found | None:
        name, groups, expires = claims.get(self._name), claims.get(self._groups), claims["exp"]
        if not isinstance(name, str) or not name or len(name) > 256 or not isinstance(expires, int | float):
            return None
        listed = groups.split() if isinstance(groups, str) else groups if isinstance(groups, list) else []
        named = tuple(group for group in listed[:_GROUPS_MOST] if isinstance(group, str) and group)
        return Found(name, named, max(0.0, expires + self._leeway - time.time()), evidence=signed)


__all__ = ["KeySet", "ProviderFailed", "SignedTokenProvider", "TokenProvider"]
