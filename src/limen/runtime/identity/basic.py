"""Names and passwords from a file. The only file that knows the libraries which verify hashes."""

from __future__ import annotations

import hashlib
from functools import partial

import argon2
import bcrypt

from limen.exchange.identity import Credentials
from limen.policy.identity.passwords import PasswordTable, parse_passwords
from limen.runtime.identity.hashing import HASHING
from limen.runtime.identity.provider import Found, Proof

# Of a random password that nobody has kept.
STAND_INS = {"bcrypt": "$2b$12$Q1Jr1hiFQKAfbnjh8Q3TxO7XQPjvTu8kxCI1SAXfjzZ1lwyS3DLaa"}
_LONGEST_BCRYPT = 72
_VERIFIER = argon2.PasswordHasher()


class PasswordProvider:
    """Basic credentials, verified by a table of hashes."""

    def __init__(self, table: PasswordTable) -> None:
        self._table = table

    @classmethod
    def of(cls, content: bytes) -> PasswordProvider:
        """From a file's content. Raises FileRefused."""
        return cls(parse_passwords(content, STAND_INS))

    def takes(self, credentials: Credentials) -> bool:
        """See Provider."""
        return credentials.scheme == "basic"

    async def identify(self, credentials: Credentials) -> Found | None:
        """See Provider. For a name that nobody has, a hash is verified all the same: the time tells nothing."""
        hashed = self._table.hashes.get(credentials.name)
        fits = await HASHING.do(
            partial(verify, hashed if hashed is not None else self._table.stand_in, credentials.password)
        )
        return Found(credentials.name, evidence=_digest(hashed)) if fits and hashed is not None else None

    def again(self, proof: Proof) -> tuple[str, ...] | None:
        """See Provider. Another hash is another password, or the same one that was given anew."""
        hashed = self._table.hashes.get(proof.name)
        return () if hashed is not None and _digest(hashed) == proof.evidence else None


def _digest(hashed: str) -> bytes:
    return hashlib.sha256(hashed.encode()).digest()


def verify(hashed: str, password: str) -> bool:
    """Whether a hash is of this password. Both libraries compare in constant time, and without holding the GIL."""
    secret = password.encode("utf-8", "surrogatepass")
    if hashed.startswith("$argon2"):
        try:
            return _VERIFIER.verify(hashed, secret)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
    # bcrypt looks at 72 bytes and at none after a NUL: what it would leave out must not be left out
    fits = bcrypt.checkpw(secret[:_LONGEST_BCRYPT].replace(b"\0", b"?"), hashed.encode("ascii"))
    return fits and len(secret) <= _LONGEST_BCRYPT and b"\0" not in secret
