"""`limen endpoint drain|disable|enable|weight UPSTREAM ADDRESS [N]`: what one endpoint gets, at run time."""

from __future__ import annotations

import argparse
from urllib.parse import quote

from limen.control.client import Client, find
from limen.control.commands.parsers import Subparsers

_WORDS = {
    "drain": "no new exchanges; those it has, and clients that stick to it, go on",
    "disable": "nothing new at all",
    "enable": "as its health allows again",
}


def add(subparsers: Subparsers) -> None:
    """Declares the command."""
    parser = subparsers.add_parser(
        "endpoint",
        help="drain, disable, enable or weigh an endpoint of an instance",
        description="In force at once, on all workers, until the instance ends or the endpoint leaves the "
        "configuration. `limen status` shows what is set.",
    )
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    for word, meaning in _WORDS.items():
        action = actions.add_parser(word, help=meaning)
        _add_endpoint(action)
        action.set_defaults(action=run, word=word)
    weight = actions.add_parser("weight", help="another share of the load")
    _add_endpoint(weight)
    weight.add_argument(
        "weight", metavar="N", nargs="?", type=int, help="1 to 65535; without it the configured weight again"
    )
    weight.set_defaults(action=weigh)


def _add_endpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("upstream", metavar="UPSTREAM", help="its upstream's name")
    parser.add_argument("address", metavar="ADDRESS", help="its address, as the configuration has it")
    # FILE as a last word could be taken for N, and the other way round
    parser.add_argument("--file", metavar="FILE", help="the configuration of the instance meant, if several run")
    parser.add_argument("--control", metavar="PATH", help="its control socket, instead of --file")


def run(options: argparse.Namespace) -> int:
    """Drains, disables or enables."""
    row = _client(options).post(f"{_target(options)}/{options.word}")
    print(f"{options.upstream}/{row.get('address')}: {row.get('state')}" + _because(row.get("reason")))
    return 0


def weigh(options: argparse.Namespace) -> int:
    """Gives it another weight, or its own again."""
    row = _client(options).post(f"{_target(options)}/weight", {"weight": options.weight})
    weight = row.get("runtime_weight")
    text = f"weight {weight} at run time" if weight is not None else f"weight {row.get('weight')}, as configured"
    print(f"{options.upstream}/{row.get('address')}: {text}")
    return 0


def _client(options: argparse.Namespace) -> Client:
    return find(options.file, options.control)


def _target(options: argparse.Namespace) -> str:
    return f"/upstreams/{quote(options.upstream, safe='')}/endpoints/{quote(options.address, safe='')}"


def _because(reason: object) -> str:
    return f" ({reason})" if reason else ""
