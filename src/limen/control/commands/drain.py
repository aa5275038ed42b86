"""`limen drain [FILE]`: a running instance accepts nothing more and ends when what lives has ended."""

from __future__ import annotations

import argparse

from limen.control.client import find
from limen.control.commands.parsers import Subparsers, add_instance


def add(subparsers: Subparsers) -> None:
    """Declares the command."""
    parser = subparsers.add_parser(
        "drain",
        help="let an instance end gracefully",
        description="Like SIGTERM: the instance accepts nothing more, finishes what lives, at most `drain.timeout`, "
        "and ends. Returns at once.",
    )
    add_instance(parser)
    parser.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Begins the drain."""
    find(options.file, options.control).post("/drain")
    print("draining")
    return 0
