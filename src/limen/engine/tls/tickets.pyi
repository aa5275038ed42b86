"""Keys of session tickets."""

from collections.abc import Sequence
from typing import Self

class TicketKeys:
    """Keys of session tickets, shared by all server contexts of a worker and, by value, by all workers."""

    def __new__(cls) -> Self: ...
    @property
    def count(self) -> int: ...
    def replace(self, keys: Sequence[bytes]) -> None:
        """From now on these: 80 bytes each (16 name, 32 HMAC, 32 AES-256); the first encrypts, all decrypt.

        ValueError: another length, or more than 8.
        """
