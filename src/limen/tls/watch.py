r"""Watching files by looking at them: works on every file system, through links, and whoever replaces what.

    as read --(looks different)--> unsettled --(the same at the next look)--> changed
                                       \--(different again)--/^

A file in the middle of being written is unsettled; only what has come to rest is told.
"""

from __future__ import annotations

from collections.abc import Mapping

from limen.tls.signatures import Signature, signature


class Watch:
    """Of some files; `read` is how each looked when its content was taken, None if it could not be seen."""

    def __init__(self, read: Mapping[str, Signature | None]) -> None:
        self._known = dict(read)
        self._unsettled: dict[str, Signature | None] = {}

    def look(self) -> list[str]:
        """The files that have changed since they were read or last told, and not since the last look."""
        changed = []
        unsettled = {}
        for path, known in self._known.items():
            now = signature(path)
            if now == known:
                continue
            if path in self._unsettled and self._unsettled[path] == now:
                changed.append(path)
            else:
                unsettled[path] = now
        for path in changed:
            self._known[path] = self._unsettled[path]
        self._unsettled = unsettled
        return changed
