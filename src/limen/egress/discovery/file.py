"""Endpoints from a file that is looked at: replaced or written in place, on whatever file system.

A list that is being written may be valid at any line of it, so only what has come to rest is read.
"""

from __future__ import annotations

import asyncio
import os
import time

from limen.config.listing import Listing
from limen.config.models.discover import FileSource
from limen.config.models.upstreams import Endpoint
from limen.egress.discovery.source import Found, SourceFailed
from limen.errors import ConfigErrors

LARGEST = 64 * 1024 * 1024
"""Bytes of a list at most: as of a configuration."""
# One that was written so shortly before may be written once more within the same tick of its clock, nanoseconds.
_UNSETTLED = 2_000_000_000

_Signature = tuple[int, ...]


class WatchedList:
    """One file."""

    def __init__(self, settings: FileSource, listing: Listing) -> None:
        self.text = f"file {settings.path}"
        self.patience = settings.interval
        self._path = settings.path
        self._interval = settings.interval
        self._listing = listing
        self._read: _Signature | None = None
        self._seen: _Signature | None = None
        self._failure = ""

    async def look(self) -> Found:
        """See Source."""
        return Found(await asyncio.to_thread(self._look), self._interval)

    def _look(self) -> tuple[Endpoint, ...] | None:
        try:
            found = os.stat(self._path)
        except (OSError, ValueError) as error:
            # a file that comes back is read, though it may look as before
            self._read = self._seen = None
            raise SourceFailed(f"{self._path}: {_reason(error)}") from None
        now = _signature(found)
        settled = self._seen is None or now == self._seen
        self._seen = now
        if settled and now != self._read:
            self._failure = ""
            try:
                return self._parsed(now)
            except SourceFailed as failed:
                self._failure = str(failed)
        if self._failure:
            # it is as bad as it was
            raise SourceFailed(self._failure)
        return None

    def _parsed(self, expected: _Signature) -> tuple[Endpoint, ...] | None:
        """The list; None if the file was changed meanwhile."""
        try:
            with open(self._path, "rb") as file:
                content = file.read(LARGEST + 1)
                if _signature(os.fstat(file.fileno())) != expected:
                    return None
        except (OSError, ValueError) as error:
            raise SourceFailed(f"{self._path}: {_reason(error)}") from None
        if time.time_ns() - expected[0] > _UNSETTLED:
            self._read = expected
        if len(content) > LARGEST:
            raise SourceFailed(f"{self._path}: larger than 64 MiB")
        try:
            return self._listing.yaml(content.decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise SourceFailed(f"{self._path}: not UTF-8 text") from None
        except ConfigErrors as errors:
            raise SourceFailed(str(errors)) from None

    async def close(self) -> None:
        """See Source."""


def _signature(found: os.stat_result) -> _Signature:
    return found.st_ctime_ns, found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
