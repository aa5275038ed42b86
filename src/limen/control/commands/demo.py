"""`limen demo`: something to try at once."""

from __future__ import annotations

import argparse

from limen.control.commands.parsers import Subparsers
from limen.control.demo import Ports, run_demo
from limen.runtime.worker import DEFAULT_CORE


def add(subparsers: Subparsers) -> None:
    """Declares the command."""
    parser = subparsers.add_parser(
        "demo",
        help="try it: two origins, a gateway and a forward proxy on loopback",
        description="Starts two small origins, a gateway over them, a forward proxy and the admin address on loopback, "
        "and prints what to try.",
    )
    ports = Ports()
    parser.add_argument("--gateway", type=int, default=ports.gateway, metavar="PORT", help="default %(default)s")
    parser.add_argument("--proxy", type=int, default=ports.proxy, metavar="PORT", help="default %(default)s")
    parser.add_argument("--admin", type=int, default=ports.admin, metavar="PORT", help="default %(default)s")
    parser.add_argument("--core", default=DEFAULT_CORE, help=argparse.SUPPRESS)
    parser.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Runs until interrupted."""
    return run_demo(Ports(gateway=options.gateway, proxy=options.proxy, admin=options.admin), core=options.core)
