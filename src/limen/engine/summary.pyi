"""Who has most, in bounded memory (Space-Saving, Metwally and others 2005); counting is for compiled code."""

from typing import Self, final

@final
class Summary:
    """Names and what was counted of each; the heaviest stay. `capacity`, a power of two, bounds how many are kept.

    An exchange weighs as much as 4,096 bytes. A name with more than 1/capacity of all weight is kept for sure.
    """

    def __new__(cls, capacity: int = 1024) -> Self: ...
    @property
    def capacity(self) -> int:
        """How many names are kept."""

    def __len__(self) -> int: ...
    def put(self, name: bytes, size: int, exchanges: int = 1, refused: int = 0) -> None:
        """Count so much of a name."""

    def take(self) -> tuple[int, list[tuple[bytes, int, int, int, int]]]:
        """What was counted: rows of (name, bytes, exchanges, refused, error) in no order, and before them the most that
        a name can have had which is not there; it begins anew.

        Of a name, at most `error` (in weight) was lost before it was kept. Its first 128 bytes are told.
        """
