r"""The lists of an instance, of addresses and of names: read by the supervisor once, mapped by all workers.

    configured --(read)--> held --(file has changed, read again)--> held, new table for all workers at once
                             \--(file is broken)--> held, as it was; told with the number of the line

Which list a name means is the revision's business; what is on a list is that of its file. A list behind a URL is the
file that limen.runtime.list_fetcher keeps of it; until there is one, it is empty.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from limen.config.findings import Finding
from limen.errors import LimenError
from limen.runtime.process import child_environment, describe_exit
from limen.tls.signatures import Signature, signature
from limen.tls.state import state_directory
from limen.tls.watch import Watch

if TYPE_CHECKING:
    from limen.config import Config
    from limen.config.models.lists import SharedList

# Seconds for one file; ten million lines take three.
_TIMEOUT = 120.0
# Exit status of limen.runtime.list_builder for a file that is not taken.
_REFUSED = 3
_F_ADD_SEALS = 1033
# Against being sealed further, shrunk, grown and written: what workers map stays as it is.
_SEALS = 0x1 | 0x2 | 0x4 | 0x8


class ListRefused(LimenError):
    """A file that is no such list."""


@dataclass(frozen=True, slots=True)
class Request:
    """How a file is to be read."""

    format: str = "addresses"
    most: int = 2_000_000
    largest: int = 1024 * 1024 * 1024
    below: bool = False
    categories: tuple[str, ...] = ()
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A list that was read; `descriptor` is of the memory with its table, sealed."""

    descriptor: int
    entries: int
    ranges: int
    size: int
    read: Signature | None
    """How the file looked."""
    ignored: tuple[tuple[str, int, int], ...] = ()
    """What was not understood: why, how many lines, the first of them."""

    def told(self) -> str:
        """What was not understood, in words; empty: all was."""
        return "; ".join(f"{why} ({count}, first in line {first})" for why, count, first in self.ignored)


def read_list(path: str, request: Request, key: bytes = b"") -> Table:
    """Reads a file; `key` (16 bytes) is that of a table of names. Raises ListRefused, with the number of the line."""
    read = signature(path)
    memory = os.memfd_create("limen-list", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        done = subprocess.run(
            [
                sys.executable,
                "-P",
                "-m",
                "limen.runtime.list_builder",
                path,
                str(memory),
                json.dumps(asdict(request)),
            ],
            pass_fds=[memory],
            env=child_environment(),
            input=key,
            stdout=subprocess.PIPE,
            check=False,
            timeout=_TIMEOUT,
        )
        summary = json.loads(_answer(done))
        fcntl.fcntl(memory, _F_ADD_SEALS, _SEALS)
        ignored = tuple((why, count, first) for why, (count, first) in summary["ignored"].items())
        return Table(memory, summary["entries"], summary["ranges"], summary["size"], read, ignored)
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


def file_of(model: SharedList) -> str:
    """Where the text of a list lies: its file, or the copy that is kept of its URL."""
    if model.url is None:
        return model.file or ""
    return str(state_directory() / "lists" / hashlib.sha256(model.url.encode()).hexdigest()[:32])


def request_of(model: SharedList) -> Request:
    """How a list's file is read."""
    return Request(
        format=model.format,
        most=model.most,
        largest=model.max_size,
        below=model.counts_below,
        categories=model.categories or (),
        sha256=model.sha256 or "",
    )


class Lists:
    """All that are configured, by their source (SharedList.source)."""

    def __init__(self) -> None:
        self._held: dict[str, Table] = {}
        self._models: dict[str, SharedList] = {}
        self._watch: Watch | None = None
        # One for all tables of names, so that a host is hashed once for all lists.
        self._key = os.urandom(16)

    def read(self, model: SharedList, path: str | None = None) -> Table:
        """Reads the text of a list, from elsewhere with `path`. Raises ListRefused."""
        return read_list(path or file_of(model), request_of(model), self._key)

    def gather(self, config: Config) -> Iterator[Finding]:
        """Reads the lists of a configuration that are new; a file that is broken and was never read is an error."""
        for name, model in config.lists.items():
            path, known = file_of(model), self._held.get(model.source)
            place = ("lists", name, "url" if model.url is not None else "file")
            if known is None or known.read != signature(path):
                if model.url is not None and not os.path.exists(path):
                    if known is None:
                        self.hold(model, self._nothing(model))
                        message = f"the list {name} is empty until it is fetched"
                        yield Finding(place, message, "no copy of it is kept here yet", warning=True)
                    continue
                try:
                    self.hold(model, self.read(model))
                except ListRefused as error:
                    hint = "the entries read before stay in force" if known is not None else "mend the file"
                    if known is None and model.url is not None:
                        # the copy is broken: fetched again
                        self.hold(model, self._nothing(model))
                        hint = "it is empty until it is fetched"
                    yield Finding(place, f"{path}: {error}", hint, warning=model.url is not None or known is not None)
                    continue
            yield from _told(place, name, self._held[model.source])

    def _nothing(self, model: SharedList) -> Table:
        """A list without entries."""
        return read_list(os.devnull, Request(format=model.format if model.has_names else "addresses"), self._key)

    def hold(self, model: SharedList, table: Table) -> None:
        """Puts a table in the place of the one before; workers have it with the next `share`."""
        before = self._held.get(model.source)
        self._held[model.source] = table
        self._models[model.source] = model
        if before is not None:
            os.close(before.descriptor)

    def settle(self, config: Config) -> None:
        """This configuration is in force: what only others needed is let go, and its files are watched."""
        self._models = {model.source: model for model in config.lists.values()}
        for source in self._held.keys() - self._models.keys():
            os.close(self._held.pop(source).descriptor)
        self.watch()

    def watch(self) -> None:
        """Watches the files as they were read."""
        read = {file_of(model): self._held[source].read for source, model in self._models.items()}
        self._watch = Watch(read) if read else None

    def seen(self, model: SharedList) -> None:
        """The file of a list is as it is held: what changed it was Limen itself."""
        table = self._held[model.source]
        self._held[model.source] = replace(table, read=signature(file_of(model)))
        self.watch()

    @property
    def is_empty(self) -> bool:
        """Whether there is none to watch."""
        return self._watch is None

    def look(self) -> Sequence[str]:
        """The files that have changed and come to rest."""
        return self._watch.look() if self._watch is not None else []

    def reread(self, paths: Sequence[str]) -> Iterator[str]:
        """Reads files again; yields what is to be told of those that were not taken."""
        for model in list(self._models.values()):
            path = file_of(model)
            if path not in paths:
                continue
            try:
                self.hold(model, self.read(model))
            except ListRefused as error:
                kind = "list" if model.has_names else "address list"
                yield f"the {kind} {path} was not taken, its former entries stay: {error}"

    def tables(self) -> Mapping[str, Table]:
        """What is held, by source."""
        return self._held

    def close(self) -> None:
        """Lets go of all."""
        for table in self._held.values():
            os.close(table.descriptor)
        self._held.clear()


def _told(place: tuple[str, ...], name: str, table: Table) -> Iterator[Finding]:
    if table.ignored:
        message = f"the list {name} has lines that were not understood, and not taken: {table.told()}"
        yield Finding(place, message, warning=True)
    if table.entries == 0:
        yield Finding(place, f"the list {name} is empty", "no rule that names it matches by it", warning=True)
