"""`limen forward --listen ADDR`: a forward proxy without a configuration file, with the safe defaults."""

from __future__ import annotations

import argparse

from limen.config.shorthand import forward
from limen.control.commands.parsers import Subparsers
from limen.control.serve import serve
from limen.runtime.worker import DEFAULT_CORE


def add(subparsers: Subparsers) -> None:
    """Declares the command."""
    parser = subparsers.add_parser(
        "forward",
        help="a forward proxy in one line",
        description="Serves clients of loopback and private addresses; CONNECT to port 443, plain http to 80, 443 and "
        "1025-65535. Private and other special targets are refused.",
    )
    parser.add_argument("--listen", metavar="ADDR", required=True, help="such as 127.0.0.1:3128")
    parser.add_argument("--allow-private", action="store_true", help="let targets be private and loopback addresses")
    parser.add_argument("--core", default=DEFAULT_CORE, help=argparse.SUPPRESS)
    parser.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Serves until drained."""
    config = forward(options.listen, allow_private=options.allow_private)
    return serve(config, name=f"forward {options.listen}", core=options.core)
