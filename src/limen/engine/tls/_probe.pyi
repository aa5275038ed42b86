"""The client hello's parser, what is chosen by it, and what the kernel is told, for the tests."""

from collections.abc import Iterable

from limen.engine.tls.passes import PassTable

def read_hello(data: bytes) -> tuple[bytes, list[bytes], int] | None:
    """(server name, protocols, size of the message), None while more has to come; ValueError for no hello."""

def find(table: PassTable, data: bytes) -> int:
    """The number of the route that a whole hello takes, or -1."""

def find_host(table: PassTable, name: bytes) -> int:
    """The number of the route that takes every hello naming this host, or -1."""

def fingerprint(data: bytes) -> bytes:
    """JA4 of a whole hello."""

def outgoing(line: bytes, pieces: Iterable[bytes]) -> tuple[bytes, int, int]:
    """(secret, records, bytes of a record still to come) after a line of the key log and sealed bytes in pieces."""

def expand_secret(secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label of a traffic secret."""
