"""The file of quotas as the supervisor sees it: opening it, making it, keeping it on disk.

No engine module is imported here. The numbers repeat those of limen/engine/quotas.pxd, whose comments give the
meanings; a test compares the two. Workers map the file, so that what they count is in it at once: no end of a process
loses anything, and that of the machine what was counted since the last `sync`.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import struct
from pathlib import Path

MAGIC = 0x4C494D454E51554F  # "LIMENQUO"
VERSION = 1
HEAD = 4096
WINDOW = 16

_CELL = struct.Struct("<QqqQ")
_BUSY = 1


def size_of(places: int) -> int:
    """Bytes of a file with so many places."""
    # a key that belongs at the very end has its whole window
    return HEAD + (places + WINDOW) * _CELL.size


def open_file(path: Path, places: int) -> int:
    """The descriptor of the file at `path`, which is made for at least `places` keys if there is none yet.

    A file that is there keeps its size. Raises OSError; ValueError if something else lies there.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_size == 0:
            _make(descriptor, places)
        _check(descriptor, path)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _make(descriptor: int, places: int) -> None:
    places = 1 << (max(places, WINDOW) - 1).bit_length()
    # room on the disk now: later, in the mapping, its lack would be the end of a worker
    os.posix_fallocate(descriptor, 0, size_of(places))
    os.pwrite(descriptor, struct.pack("<4Q", MAGIC, VERSION, places, secrets.randbits(64)), 0)


def _check(descriptor: int, path: Path) -> None:
    head = os.pread(descriptor, 32, 0)
    magic, version, places, _ = struct.unpack("<4Q", head) if len(head) == 32 else (0, 0, 0, 0)
    whole = os.fstat(descriptor).st_size >= size_of(places)
    if magic != MAGIC or version != VERSION or not whole or places < WINDOW or places & (places - 1):
        raise ValueError(f"{path} is no file of quotas of this version")


def free_busy(descriptor: int) -> int:
    """Frees places that a worker was about to take when it was killed; how many there were.

    Only for whoever knows that no worker runs on this file.
    """
    places = struct.unpack("<4Q", os.pread(descriptor, 32, 0))[2]
    freed = 0
    content = os.pread(descriptor, (places + WINDOW) * _CELL.size, HEAD)
    for number, (tag, _, _, _) in enumerate(_CELL.iter_unpack(content)):
        if tag == _BUSY:
            os.pwrite(descriptor, bytes(_CELL.size), HEAD + number * _CELL.size)
            freed += 1
    return freed
