r"""The address lists of an instance: read by the supervisor once, mapped by all workers.

    configured --(read)--> held --(file has changed, read again)--> held, new table for all workers at once
                             \--(file is broken)--> held, as it was; told with the number of the line

Which list a name means is the revision's business; what is on a list is that of its file.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from limen.config.findings import Finding
from limen.errors import LimenError
from limen.runtime.process import child_environment, describe_exit
from limen.tls.signatures import Signature, signature
from limen.tls.watch import Watch

if TYPE_CHECKING:
    from limen.config import Config

# Seconds for one file; ten million lines take two.
_TIMEOUT = 120.0
# Exit status of limen.runtime.list_builder for a file that is not taken.
_REFUSED = 3
_F_ADD_SEALS = 1033
# Against being sealed further, shrunk, grown and written: what workers map stays as it is.
_SEALS = 0x1 | 0x2 | 0x4 | 0x8


class ListRefused(LimenError):
    """A file that is no address list."""


@dataclass(frozen=True, slots=True)
class Table:
    """A list that was read; `descriptor` is of the memory with its table, sealed."""

    descriptor: int
    entries: int
    ranges: int
    size: int
    read: Signature | None
    """How the file looked."""


def read_list(path: str, most: int) -> Table:
    """Reads a file. Raises ListRefused, with the number of the line."""
    read = signature(path)
    memory = os.memfd_create("limen-list", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "limen.runtime.list_builder", path, str(memory), str(most)],
            pass_fds=[memory],
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=False,
            timeout=_TIMEOUT,
        )
        summary = json.loads(_answer(done))
        fcntl.fcntl(memory, _F_ADD_SEALS, _SEALS)
        return Table(memory, summary["entries"], summary["ranges"], summary["size"], read)
    except subprocess.TimeoutExpired:
        os.close(memory)
        raise ListRefused(f"reading it took over {_TIMEOUT:g} s") from None
    except BaseException:
        os.close(memory)
        raise


def _answer(done: subprocess.CompletedProcess[bytes]) -> str:
    text = done.stdout.decode(errors="replace")
    if done.returncode:
        raise ListRefused(text if done.returncode == _REFUSED else f"reading it: {describe_exit(done.returncode)}")
    return text


class Lists:
    """All that are configured, by the path of their file."""

    def __init__(self) -> None:
        self._held: dict[str, Table] = {}
        self._watch: Watch | None = None

    def gather(self, config: Config) -> Iterator[Finding]:
        """Reads the lists of a configuration that are new; a file that is broken and was never read is an error."""
        for name, model in config.lists.items():
            known = self._held.get(model.file)
            if known is not None and known.read == signature(model.file):
                continue
            try:
                self._hold(model.file, read_list(model.file, model.max))
            except ListRefused as error:
                hint = "the entries read before stay in force" if known is not None else "mend the file"
                yield Finding(("lists", name, "file"), f"{model.file}: {error}", hint, warning=known is not None)

    def _hold(self, path: str, table: Table) -> None:
        before = self._held.get(path)
        self._held[path] = table
        if before is not None:
            os.close(before.descriptor)

    def settle(self, config: Config) -> None:
        """This configuration is in force: what only others needed is let go, and its files are watched."""
        used = {model.file for model in config.lists.values()}
        for path in self._held.keys() - used:
            os.close(self._held.pop(path).descriptor)
        self._watch = Watch({path: table.read for path, table in self._held.items()}) if self._held else None

    @property
    def is_empty(self) -> bool:
        """Whether there is none to watch."""
        return self._watch is None

    def look(self) -> Sequence[str]:
        """The files that have changed and come to rest."""
        return self._watch.look() if self._watch is not None else []

    def reread(self, config: Config, paths: Sequence[str]) -> Iterator[str]:
        """Reads files again; yields what is to be told of those that were not taken."""
        most = {model.file: model.max for model in config.lists.values()}
        for path in paths:
            try:
                self._hold(path, read_list(path, most[path]))
            except ListRefused as error:
                yield f"the address list {path} was not taken, its former entries stay: {error}"

    def tables(self) -> Mapping[str, Table]:
        """What is held, by path."""
        return self._held
