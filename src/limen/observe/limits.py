"""The memory of limits as the supervisor sees it: making it, and summing what the workers count.

No engine module is imported here. The numbers repeat those of limen/engine/cells.pxd, whose comments give the
meanings; a test compares the two.
"""

from __future__ import annotations

import enum
import os
import secrets
import struct
from collections.abc import Iterable, Iterator

MAGIC = 0x4C494D454E4C494D  # "LIMENLIM"
VERSION = 1
HEAD = 65536
SLOTS = 1024
CELLS = 8
WINDOW = 16
LIMITS_OF_ROUTE = 8

_COUNTS = SLOTS * CELLS * 8
_PAGE = 65536
_CELL = 16
_HELD = 4


class LimitCell(enum.IntEnum):
    """What a worker counts of a limit."""

    ALLOWED = 0
    REFUSED = 1
    FORGOTTEN = 2
    UNCOUNTED = 3
    HELD = 4
    WARNED = 5


def _pages(size: int) -> int:
    return (size + _PAGE - 1) // _PAGE * _PAGE


def create(workers: int, places: int) -> int:
    """The descriptor of a fresh memory for `workers` and at least `places` keys of each kind.

    It is sparse: only pages that are used exist; 16 bytes for a key. The descriptor is not inheritable.
    """
    places = 1 << (max(places, WINDOW) - 1).bit_length()
    # a key that belongs at the very end has its whole window
    room = places + WINDOW
    rates = HEAD + workers * _COUNTS
    concurrent = rates + _pages(room * _CELL)
    held, held_size = concurrent + _pages(room * _CELL), _pages(room * _HELD)
    size = held + workers * held_size
    descriptor = os.memfd_create("limen-limits", os.MFD_CLOEXEC)
    try:
        os.ftruncate(descriptor, size)
        head = (MAGIC, VERSION, workers, places, secrets.randbits(64), rates, concurrent, held, held_size, size)
        os.pwrite(descriptor, struct.pack("<10Q", *head), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


class LimitReader:
    """Sums of the counts over all workers; reads by pread, so that looking makes no pages."""

    def __init__(self, descriptor: int) -> None:
        """The descriptor stays the caller's and must stay open."""
        self._descriptor = descriptor
        self._workers: int = struct.unpack("<3Q", os.pread(descriptor, 24, 0))[2]

    def limits(self, slots: Iterable[int]) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Those of the limits that have counted anything, with their counts (index: LimitCell), by slot."""
        areas = [os.pread(self._descriptor, _COUNTS, HEAD + number * _COUNTS) for number in range(self._workers)]
        for slot in sorted(slots):
            rows = [struct.unpack_from(f"<{CELLS}Q", area, slot * CELLS * 8) for area in areas]
            counts = tuple(map(sum, zip(*rows, strict=True)))
            if any(counts):
                yield slot, counts


def clear(descriptor: int, workers: int, slot: int) -> None:
    """Zeroes the counts of a slot that changes its name."""
    for number in range(workers):
        os.pwrite(descriptor, bytes(CELLS * 8), HEAD + number * _COUNTS + slot * CELLS * 8)
