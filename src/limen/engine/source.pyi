"""Where connections of a way out come from; applied by compiled code."""

from collections.abc import Iterable
from typing import Self, final

@final
class Source:
    """`addresses`: at most one prefix (or address) of each family. ValueError for others."""

    def __new__(cls, addresses: Iterable[str] = (), *, device: str = "", mark: int = 0) -> Self: ...
