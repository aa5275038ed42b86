"""AES-GCM for libssl by intel-ipsec-mb; only where it was built."""

PREFERENCE: bytes

def install(*, anyway: bool = False) -> str:
    """Gives the ciphers to libcrypto; who made them, or "" where they would gain nothing.

    They are taken by who asks for them by PREFERENCE, and by nobody else in the process. `anyway`: even where
    OpenSSL's own are as fast, for tests. OSError if the provider cannot be loaded.
    """

def in_use() -> int:
    """How many directions of connections have a key here."""
