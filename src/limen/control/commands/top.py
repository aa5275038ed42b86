"""`limen top [FILE]`: the state of a running instance, drawn anew each second."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping

from limen.control.client import find
from limen.control.commands.parsers import Subparsers, add_instance
from limen.control.samples import parse
from limen.control.table import overview, rates

INTERVAL = 1.0
# Home, and clear from there to the end: no flicker, no curses.
_REDRAW = "\x1b[H\x1b[J"


def add(subparsers: Subparsers) -> None:
    """Declares the command."""
    parser = subparsers.add_parser("top", help="watch an instance", description="Redraws each second; end with Ctrl-C.")
    add_instance(parser)
    parser.add_argument("--once", action="store_true", help="print it once and end")
    parser.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Draws until interrupted."""
    client = find(options.file, options.control)
    before: Mapping[str, float] = parse(client.get("/metrics"))
    while True:
        time.sleep(INTERVAL)
        after = parse(client.get("/metrics"))
        lines = [*overview(client.status()), *rates(before, after, seconds=INTERVAL)]
        before = after
        if options.once:
            print("\n".join(lines))
            return 0
        print(_REDRAW + "\n".join(lines), flush=True)
