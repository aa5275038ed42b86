"""A worker's region of the board; the counting functions are for compiled code (board.pxd)."""

from typing import Self, final

@final
class Board:
    """One worker's counters in shared memory, or a sink if `descriptor` is None."""

    worker: int
    shared: bool

    def __new__(cls, descriptor: int | None = None, worker: int = 0) -> Self: ...
    def reset_gauges(self) -> None:
        """Zero what a dead predecessor left in the gauges; counters stay. Call before counting begins."""

    def count(self, cell: int, delta: int = 1) -> None:
        """Add to one of the worker's own cells (limen.observe.board.WorkerCell)."""
