"""`limen top [FILE]`: what an instance does, drawn anew each second."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Mapping

from limen.control.client import Client, find
from limen.control.commands.parsers import Subparsers, add_instance
from limen.control.rates import rates
from limen.control.top_text import SORTS, drawn

INTERVAL = 1.0
TALKERS_INTERVAL = 5.0
# Home, and clear from there to the end: no flicker, no curses.
_REDRAW = "\x1b[H\x1b[J"


def add(subparsers: Subparsers) -> None:
    """Declares the command."""
    parser = subparsers.add_parser("top", help="watch an instance", description="Redraws each second; end with Ctrl-C.")
    add_instance(parser)
    parser.add_argument("--once", action="store_true", help="print it once and end")
    parser.add_argument("--json", action="store_true", help="print JSON instead, one line each time")
    parser.add_argument(
        "--talkers", action="store_true", help="name the talkers of the last five minutes, too (needs `log.talkers`)"
    )
    parser.add_argument("--refused", action="store_true", help="name what was refused lately, too (needs `log.audit`)")
    parser.add_argument("--sort", choices=SORTS, default="state", help="order of the endpoints (default: state)")
    parser.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Draws until interrupted."""
    client = find(options.file, options.control)
    before = _live(client)
    talkers: Mapping[str, object] = {}
    asked = 0.0
    while True:
        time.sleep(INTERVAL)
        after = _live(client)
        if options.talkers and (not asked or time.monotonic() - asked >= TALKERS_INTERVAL):
            # every worker is asked: not each second
            talkers, asked = _object(client.get("/talkers?limit=10")), time.monotonic()
        more = {"talkers": talkers} if talkers else {}
        if options.refused:
            more["refused"] = _object(client.get("/refused?limit=15"))
        found, before = {**rates(before, after), **more}, after
        if options.json:
            print(json.dumps(found), flush=True)
        elif options.once:
            print("\n".join(drawn(found, sort=options.sort)))
        else:
            height = shutil.get_terminal_size().lines
            print(_REDRAW + "\n".join(drawn(found, sort=options.sort, height=height)), flush=True)
        if options.once:
            return 0


def _live(client: Client) -> Mapping[str, object]:
    return _object(client.get("/live"))


def _object(content: bytes) -> Mapping[str, object]:
    found = json.loads(content)
    return found if isinstance(found, dict) else {}
