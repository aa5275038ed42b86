"""A large set of host names in memory that all workers share; looking up is for compiled code (host_lists.pxd)."""

from typing import Self, final

@final
class HostList:
    """A list in force. It holds no name before the first replace()."""

    def __new__(cls) -> Self: ...
    def suffix_of(self, host: bytes) -> bytes:
        """The public suffix of a canonical name, by a table of the format `suffixes`: for tests. Empty: it has none."""

    def __len__(self) -> int:
        """How many distinct names it holds."""

    @property
    def entries(self) -> int:
        """Distinct names that are listed or spared."""

    def replace(self, descriptor: int) -> None:
        """Take the table in a file (made by limen.engine.host_listing) from now on; the descriptor stays the caller's.

        ValueError if it is no table of this version, OSError if it cannot be mapped; then nothing has changed.
        """

    def holds(self, host: bytes) -> bool:
        """Whether it holds a canonical host: for explanations and tests."""
