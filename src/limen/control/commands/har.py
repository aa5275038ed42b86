"""`limen har export SOURCE ...`: what captures have recorded, as one HAR document."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from limen.control.client import find
from limen.control.commands.parsers import Subparsers
from limen.control.rates import items, mapping
from limen.errors import LimenError
from limen.observe.har import FILTERS, Export, Wanted, WrongCondition, wanted_of
from limen.runtime.explain.asked import AskedWrongly

_MEANINGS = {
    "host": "to this host, or pattern with *",
    "since": "begun then or later: 2026-03-01T12:00:00Z, or 15m for that long ago",
    "until": "begun before",
    "status": "with this status or class: 404, 4xx; 0 for no response",
}


def add(subparsers: Subparsers) -> None:
    """Declares the command."""
    parser = subparsers.add_parser("har", help="export recorded exchanges", description="What captures have recorded.")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    export = actions.add_parser(
        "export",
        help="write one HAR 1.2 document",
        description="Entries that fit all conditions, in the order in which they ended.",
    )
    export.add_argument(
        "sources",
        metavar="SOURCE",
        nargs="+",
        help="a file of a capture, or the name of one that a running instance has: all its files",
    )
    for name in FILTERS:
        export.add_argument(f"--{name}", metavar=name.upper(), help=f"only {_MEANINGS[name]}", default="")
    export.add_argument("-o", "--output", metavar="FILE", help="write there (mode 0600) instead of standard output")
    export.add_argument("--config", metavar="FILE", help="the configuration of the instance that has the names")
    export.add_argument("--control", metavar="PATH", help="its control socket, instead of --config")
    export.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Writes the document; 1 if some lines could not be read. Raises NotRunning, LimenError, AskedWrongly."""
    export = Export(list(_paths(options)), _wanted(options))
    try:
        with _output(options.output) as output:
            for piece in export.pieces():
                output.write(piece)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise LimenError(f"{error.filename or options.output}: {error.strerror or error}") from error
    if export.unreadable:
        print(f"limen: {export.unreadable} lines are no entries and were left out", file=sys.stderr)
    return 1 if export.unreadable else 0


def _wanted(options: argparse.Namespace) -> Wanted:
    try:
        return wanted_of({name: getattr(options, name) for name in FILTERS}, datetime.now(UTC))
    except WrongCondition as error:
        raise AskedWrongly(str(error)) from None


def _paths(options: argparse.Namespace) -> Iterator[Path]:
    names = [source for source in options.sources if not Path(source).exists()]
    known: dict[str, list[Path]] = {}
    for name in names:
        if "/" in name:
            raise LimenError(f"there is no file {name}")
    if names:
        listed = mapping(json.loads(find(options.config, options.control).get("/captures")))
        for one in map(mapping, items(listed.get("captures"))):
            known[str(one["name"])] = [Path(str(path)) for path in items(one["files"])]
    for source in options.sources:
        if source not in names:
            yield Path(source)
        elif source in known:
            yield from known[source]
        else:
            there = ", ".join(known) or "none"
            raise LimenError(f"{source!r} is no file, and no capture of the instance; there are: {there}")


@contextmanager
def _output(path: str | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that appears when it is whole."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    begun = Path(f"{path}.part")
    begun.unlink(missing_ok=True)
    begun.touch(mode=0o600, exist_ok=False)
    try:
        with begun.open("wb") as file:
            yield file
        begun.replace(path)
    except BaseException:
        begun.unlink(missing_ok=True)
        raise
