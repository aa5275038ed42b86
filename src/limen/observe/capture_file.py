"""The file of a capture: lines of all workers, appended in whole batches and turned over when it is full.

A batch is one write to a file opened for appending, so lines of several workers do not mix. Whoever finds the file full
puts it aside under a lock on it; the others see by its inode that theirs is not the present one any more. Methods may
wait for the disk: they are called outside of the loop, one at a time.
"""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limen.config.models.capture import Capture


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is, and how much of it there may be."""

    path: str
    max_size: int
    files: int

    def all_paths(self) -> list[str]:
        """Its files, the oldest first; some may be missing."""
        return [*(f"{self.path}.{number}" for number in range(self.files - 1, 0, -1)), self.path]


def place_of(base: str, capture: Capture) -> Place:
    """Where a capture of a configuration in `base` is."""
    return Place(os.path.join(base, capture.path), capture.max_size, capture.files)


class CaptureFile:
    """The file as one worker has it open. Opening raises OSError, also for what is no regular file."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._lock = threading.Lock()
        self._torn = False
        self._descriptor = self._opened()

    def append(self, lines: bytes) -> None:
        """Write whole lines. Raises OSError; lines may be missing then, the next ones are whole nevertheless."""
        with self._lock:
            self._follow()
            if self._is_full(len(lines)):
                self._turn()
            # an earlier line that was cut off must not take the next along
            data = b"\n" + lines if self._torn else lines
            written = os.write(self._descriptor, data)
            self._torn = written < len(data) and data[written - 1 : written] != b"\n"
            if written < len(data):
                raise OSError(f"{self.place.path}: only {written} of {len(data)} bytes were written")

    def renew(self) -> None:
        """Open the path anew. On OSError the old file stays in use."""
        with self._lock:
            self._replace(self._opened())

    def close(self) -> None:
        """Let go of the file; the next append opens it again."""
        with self._lock:
            self._replace(-1)

    def _opened(self) -> int:
        descriptor = os.open(
            self.place.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600
        )
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(f"{self.place.path} is no regular file")
        return descriptor

    def _replace(self, descriptor: int) -> None:
        old, self._descriptor, self._torn = self._descriptor, descriptor, False
        if old >= 0:
            os.close(old)

    def _follow(self) -> None:
        """Be at the file that the path names: another worker, or an operator, may have put ours aside."""
        if self._descriptor < 0 or not self._is_present():
            self._replace(self._opened())

    def _is_present(self) -> bool:
        try:
            named = os.stat(self.place.path)
        except FileNotFoundError:
            return False
        ours = os.fstat(self._descriptor)
        return (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)

    def _is_full(self, more: int) -> bool:
        size = os.fstat(self._descriptor).st_size
        return size > 0 and size + more > self.place.max_size

    def _turn(self) -> None:
        # the lock goes with the descriptor
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        if self._is_present():
            *older, last = self.place.all_paths()
            if older:
                for newer, old in zip([*older[1:], last], older, strict=True):
                    if os.path.exists(newer):
                        os.replace(newer, old)
            else:
                os.unlink(last)
        self._replace(self._opened())
