"""`limen schema`: the JSON Schema of configurations, for editors."""

from __future__ import annotations

import argparse
import sys

from limen.control.commands.parsers import Subparsers


def add(subparsers: Subparsers) -> None:
    """Declares the command."""
    parser = subparsers.add_parser("schema", help="print the JSON Schema of configurations", description="For editors.")
    parser.set_defaults(action=run)


def run(_options: argparse.Namespace) -> int:
    """Prints it."""
    # Only this command wants it.
    from limen.config.schema import schema_text

    sys.stdout.write(schema_text())
    return 0
