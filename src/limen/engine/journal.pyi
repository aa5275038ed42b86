"""The access log's writer; records come from compiled code (journal.pxd)."""

from collections.abc import Sequence
from os import PathLike
from typing import Literal, Self, final

FORMATS: dict[str, int]

@final
class Journal:
    """The access log of one worker: a file that is appended to, or "-" for standard output."""

    lost: int

    def __new__(
        cls,
        path: str | PathLike[str],
        *,
        format: Literal["json", "combined", "common"] = "json",  # noqa: A002 the word of the configuration
        query: bool = False,
        tls: bool = False,
        ja4: bool = False,
        place: bool = False,
        concealment: tuple[int, int, int, bytes, float] | None = None,
        faults: Sequence[bytes] = (),
        reasons: Sequence[bytes] = (),
        wanted: Sequence[int] = (),
    ) -> Self: ...
    def flush(self) -> None:
        """Write out what is buffered, as far as that is possible without waiting for a pipe's reader."""

    def reopen(self) -> None:
        """Flush, then open the path anew (after a rotation). On OSError the old file stays in use."""

    def close(self) -> None:
        """Flush and close; records that come later count as lost. Closing twice is allowed."""

    def fileno(self) -> int:
        """The descriptor written to, -1 after close()."""

    @property
    def pending(self) -> int:
        """Bytes in the buffer, not yet written."""
