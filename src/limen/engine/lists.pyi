"""A large set of addresses in memory that all workers share; looking up is for compiled code (lists.pxd)."""

from typing import Self, final

@final
class AddressList:
    """A list in force. It holds no address before the first replace()."""

    def __new__(cls) -> Self: ...
    def __len__(self) -> int:
        """How many disjoint ranges it holds."""

    @property
    def entries(self) -> int:
        """Lines of the file that hold addresses."""

    def replace(self, descriptor: int) -> None:
        """Take the table in a file (made by limen.engine.listing.build) from now on; the descriptor stays the caller's.

        ValueError if it is no table of this version, OSError if it cannot be mapped; then nothing has changed.
        """
