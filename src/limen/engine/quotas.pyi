"""Cells of quotas, in a file that all workers map; counting is for compiled code (quotas.pxd)."""

from typing import Self, final

@final
class QuotaCells:
    """One worker's view of the file in `descriptor` (made by limen.observe.quotas), which it maps.

    The descriptor stays the caller's. Raises ValueError if it is no such file of this version, OSError if it cannot
    be mapped.
    """

    def __new__(cls, descriptor: int) -> Self: ...
