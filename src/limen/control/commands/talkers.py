"""`limen talkers [FILE]`: the clients and targets with most of the last minutes, hour or day."""

from __future__ import annotations

import argparse
import json
from urllib.parse import urlencode

from limen.control.client import find
from limen.control.commands.parsers import Subparsers, add_instance
from limen.control.rates import mapping
from limen.control.top_text import talkers
from limen.runtime.talkers import LIMIT_MOST, ORDERS, WINDOWS, Question


def add(subparsers: Subparsers) -> None:
    """Declares the command."""
    default = Question()
    parser = subparsers.add_parser(
        "talkers",
        help="name the clients and targets with most bytes, exchanges or refusals",
        description="Needs `log: {talkers: true}`; what is under way counts as far as it is.",
    )
    add_instance(parser)
    parser.add_argument("--window", choices=tuple(WINDOWS), default=default.window, help="how far back (default: 5m)")
    parser.add_argument("--order", choices=ORDERS, default=default.order, help="by what (default: bytes)")
    parser.add_argument(
        "--most", metavar="N", type=int, default=default.limit, help=f"rows of each list, 1 to {LIMIT_MOST}"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead")
    parser.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Asks once and prints."""
    query = urlencode(Question(options.window, options.order, options.most).fields())
    found = mapping(json.loads(find(options.file, options.control).get(f"/talkers?{query}")))
    print(json.dumps(found) if options.json else "\n".join(talkers(found)))
    return 0
