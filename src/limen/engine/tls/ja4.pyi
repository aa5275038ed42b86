"""The JA4 fingerprint of a TLS client."""

def ja4_of(message: bytes) -> str:
    """The fingerprint of a client hello, given without its records. ValueError if it is none."""
