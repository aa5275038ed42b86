"""`limen reverse --listen ADDR --to ADDR-OR-URL`: a gateway without a configuration file."""

from __future__ import annotations

import argparse

from limen.config.shorthand import reverse
from limen.control.commands.parsers import Subparsers
from limen.control.serve import serve
from limen.runtime.worker import DEFAULT_CORE


def add(subparsers: Subparsers) -> None:
    """Declares the command."""
    parser = subparsers.add_parser(
        "reverse",
        help="a gateway in one line",
        description="Passes every request to the origins named, in turn; the rest has the defaults of a configuration.",
    )
    parser.add_argument("--listen", metavar="ADDR", required=True, help="such as 127.0.0.1:8080")
    parser.add_argument(
        "--to",
        metavar="ADDR-OR-URL",
        required=True,
        action="append",
        help="an origin, as host:port or http(s)://host[:port][/prefix]; several share the load",
    )
    parser.add_argument("--certificate", metavar="FILE", default="", help="serve HTTPS with this certificate (PEM)")
    parser.add_argument("--key", metavar="FILE", default="", help="its key")
    parser.add_argument("--self-signed", action="store_true", help="serve HTTPS with a certificate made for trials")
    parser.add_argument("--core", default=DEFAULT_CORE, help=argparse.SUPPRESS)
    parser.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Serves until drained."""
    config = reverse(
        options.listen,
        options.to,
        certificate=options.certificate,
        key=options.key,
        self_signed=options.self_signed,
    )
    return serve(config, name=f"reverse {options.listen}", core=options.core)
