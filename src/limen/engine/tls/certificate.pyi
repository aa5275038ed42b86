"""A certificate chain with its key."""

from typing import Self

class Certificate:
    """One chain, leaf first, and the leaf's private key, both PEM without a password. Parsed on first use."""

    def __new__(cls, chain: bytes, key: bytes) -> Self: ...
    def parse(self) -> None:
        """Parse now; ValueError: unreadable, or the key is not the certificate's."""

    def staple(self, response: bytes) -> None:
        """From now on clients that ask get this response of the OCSP responder (DER); empty: none."""
