"""Cells of rate and concurrency limits, in memory that all workers map; counting is for compiled code (cells.pxd)."""

from typing import Self, final

@final
class LimitCells:
    """One worker's view of the memory in `descriptor` (made by limen.observe.limits.create), which it maps.

    What a dead predecessor of this worker had in flight is given back. The descriptor stays the caller's.
    Raises ValueError if it is no such memory of this version or has no such worker, OSError if it cannot be mapped.
    """

    def __new__(cls, descriptor: int, worker: int = 0) -> Self: ...
    @property
    def worker(self) -> int: ...
    def give_back(self, descriptor: int, size: int) -> None:
        """Leave for a predecessor that could not; its pages are asked of the file, so that none is made by looking."""
