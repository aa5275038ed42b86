"""`limen check FILE`: would this configuration be put in force?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from limen.config import Config, read
from limen.control.commands.parsers import Subparsers
from limen.errors import ConfigErrors


def add(subparsers: Subparsers) -> None:
    """Declares the command."""
    parser = subparsers.add_parser(
        "check",
        help="check a configuration",
        description="Checks FILE without serving it. Exit status 2 and all problems when it is wrong; warnings alone "
        "are no failure.",
    )
    parser.add_argument("file", metavar="FILE", help="the configuration (YAML)")
    parser.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Prints `ok` and a summary. Raises ConfigErrors."""
    # Only this command wants them.
    from limen.control.importable_hooks import importable_hooks
    from limen.control.listed_endpoints import listed_endpoints
    from limen.control.tls_words import known_tls_words
    from limen.control.unreachable import unreachable_routes, unreachable_rules
    from limen.runtime.provision import Provision

    document = read(options.file)
    base = Path(options.file).absolute().parent
    order = [unreachable_routes, unreachable_rules]
    checks = [*order, importable_hooks(base), listed_endpoints(base), known_tls_words, Provision().findings]
    report = document.check(checks)
    for warning in report.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if report.errors:
        raise ConfigErrors(report.errors)
    print(f"ok: {summary(document.config)}")
    return 0


def summary(config: Config) -> str:
    """What the configuration has, in one line."""
    routes = sum(len(listener.routes or ()) for listener in config.listeners)
    endpoints = sum(len(upstream.endpoints) for upstream in config.upstreams.values())
    parts = [_count(len(config.listeners), "listener")]
    if routes:
        parts.append(_count(routes, "route"))
    if config.upstreams:
        parts.append(f"{_count(len(config.upstreams), 'upstream')} with {_count(endpoints, 'endpoint')}")
    return ", ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
