"""`limen run FILE`: serves a configuration until told to end."""

from __future__ import annotations

import argparse

from limen.control.commands.parsers import Subparsers
from limen.control.serve import serve_file
from limen.runtime.worker import DEFAULT_CORE


def add(subparsers: Subparsers) -> None:
    """Declares the command."""
    parser = subparsers.add_parser(
        "run",
        help="serve a configuration",
        description="Serves FILE in the foreground. Signals: HUP reloads, TERM and INT drain (a second one ends at "
        "once), USR1 reopens logs, USR2 hands the sockets over to a new process of the same command.",
    )
    parser.add_argument("file", metavar="FILE", help="the configuration (YAML)")
    # For tests and embedders: another core than the engine's.
    parser.add_argument("--core", default=DEFAULT_CORE, help=argparse.SUPPRESS)
    parser.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Serves until drained."""
    return serve_file(options.file, core=options.core)
