"""`limen status [FILE]`: the state of a running instance, for people or as JSON."""

from __future__ import annotations

import argparse
import json

from limen.control.client import find
from limen.control.commands.parsers import Subparsers, add_instance
from limen.control.table import overview


def add(subparsers: Subparsers) -> None:
    """Declares the command."""
    parser = subparsers.add_parser("status", help="show the state of an instance")
    add_instance(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Prints the report."""
    status = find(options.file, options.control).status()
    print(json.dumps(status, indent=2) if options.json else "\n".join(overview(status)))
    return 0
