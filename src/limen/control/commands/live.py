"""`limen live [FILE]`: the exchanges and tunnels of an instance under way, and their end with `--kill`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from urllib.parse import urlencode

from limen.control.client import Client, find
from limen.control.commands.parsers import Subparsers, add_instance
from limen.control.live_text import listed, shares
from limen.control.rates import items, mapping
from limen.runtime.census import FILTERS, PAGE_MOST, wanted_of

_MEANINGS = {
    "id": "one of them, as the list names it",
    "client": "of this address or network",
    "user": "of this identity",
    "target": "to this host, host:port or pattern with *",
    "listener": "of this listener",
    "rule": "by this access rule or route",
    "upstream": "to this upstream",
    "egress": "by this egress",
    "protocol": "http/1.1, connect, upgrade, socks5, socks4, tls or tcp",
}


def add(subparsers: Subparsers) -> None:
    """Declares the command."""
    parser = subparsers.add_parser(
        "live",
        help="list the exchanges and tunnels of an instance, or end some",
        description="Those that fit all conditions, the oldest first.",
    )
    add_instance(parser)
    for name in FILTERS:
        parser.add_argument(f"--{name}", metavar=name.upper(), help=f"only {_MEANINGS[name]}", default="")
    parser.add_argument("--most", metavar="N", type=int, default=100, help="rows at most (default: 100)")
    parser.add_argument("--top", action="store_true", help="name those with most bytes under way, too")
    parser.add_argument("--json", action="store_true", help="print JSON instead")
    parser.add_argument("--kill", action="store_true", help="end those that fit; without a condition --all is needed")
    parser.add_argument("--all", action="store_true", help="with --kill: end everything")
    parser.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Lists, or kills."""
    wanted = wanted_of({name: getattr(options, name) for name in FILTERS if getattr(options, name)})
    client = find(options.file, options.control)
    if options.kill:
        order = {"all": True} if options.all and wanted.is_empty else wanted.fields()
        print(f"{client.post('/exchanges/kill', order).get('killed')} ended")
        return 0
    found = _asked(client, wanted.fields(), options.most, top=options.top)
    if options.json:
        print(json.dumps(found))
        return 0
    print("\n".join(listed(found)))
    if options.top:
        print("\n".join(["", *shares(found)]))
    return 0


def _asked(client: Client, conditions: Mapping[str, str], most: int, *, top: bool) -> dict[str, object]:
    """As many pages as are needed, as one."""
    rows: list[object] = []
    first: dict[str, object] = {}
    after = ""
    while True:
        query = {**conditions, "limit": str(max(0, min(most - len(rows), PAGE_MOST)))}
        if after:
            query["after"] = after
        elif top:
            query["top"] = "1"
        found = dict(mapping(json.loads(client.get(f"/exchanges?{urlencode(query)}"))))
        first = first or found
        rows += items(found.get("exchanges"))
        after = str(found.get("next") or "")
        if not after or len(rows) >= most:
            return {**first, "exchanges": rows, "next": after or None}
