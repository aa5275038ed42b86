"""`limen reload [FILE]`: a running instance reads its configuration again."""

from __future__ import annotations

import argparse
import sys

from limen.control.client import find
from limen.control.commands.parsers import Subparsers, add_instance


def add(subparsers: Subparsers) -> None:
    """Declares the command."""
    parser = subparsers.add_parser(
        "reload",
        help="put a changed configuration in force",
        description="Lets a running instance read its configuration again. What is wrong with it is printed, exit "
        "status 2, and nothing changes.",
    )
    add_instance(parser)
    parser.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Reloads and tells what changed."""
    done = find(options.file, options.control).post("/reload")
    print(f"reloaded: revision {done['revision']} ({done['digest']}) is in force")
    for change in _strings(done.get("changes")):
        print(f"  {change}")
    for warning in _strings(done.get("warnings")):
        print(f"warning: {warning}", file=sys.stderr)
    return 0


def _strings(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
