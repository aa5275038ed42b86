"""`limen egress test FILE [NAME]`: where each way out comes out, as an echo sees it."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from limen.config import read
from limen.control.commands.parsers import Subparsers
from limen.control.table import table
from limen.errors import LimenError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from limen.config import Config
    from limen.egress.passage import Passage
    from limen.egress.trial import Trial
    from limen.runtime.mmdb import Database, Located

# Ways that are tried at a time.
_AT_ONCE = 16


def add(subparsers: Subparsers) -> None:
    """Declares the command."""
    parser = subparsers.add_parser("egress", help="try ways out", description="Ways out of a configuration.")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    test = actions.add_parser(
        "test",
        help="ask an echo through each way, and show the address that it saw",
        description="Asks the egress's `echo` through each of its ways, from this machine and without the instance. "
        "The place is what the databases of `places` say of the address. Exit status 1 when a way leads nowhere.",
    )
    test.add_argument("file", metavar="FILE", help="the configuration (YAML)")
    test.add_argument("name", metavar="NAME", nargs="?", help="only the ways of this egress")
    test.add_argument("--echo", metavar="URL", help="another echo than the configuration's")
    test.add_argument("--timeout", metavar="SECONDS", type=float, default=10.0, help="for each way; 10 by default")
    test.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Prints a table; 1 if some way did not lead to the echo. Raises ConfigErrors, LimenError."""
    from limen.runtime.mmdb import Database, open_database
    from limen.runtime.passages import all_ways
    from limen.runtime.provision import Provision

    document = read(options.file)
    loaded = Provision().load(document)
    config = document.config
    if options.name is not None and options.name not in config.egress:
        known = ", ".join(config.egress) or "none"
        raise LimenError(f"no egress is called {options.name!r}; there are: {known}")
    ways = [way for way in all_ways(config, loaded.material) if options.name in (None, way[0])]
    if not ways:
        raise LimenError("the configuration has no `egress`")
    trials = asyncio.run(_try_all(config, [(passage, options.echo or echo) for _, _, passage, echo in ways], options))
    databases = [Database(open_database(descriptor)) for descriptor in loaded.databases.descriptors]
    countries = {(name, way.label): way.country for name, egress in config.egress.items() for way in egress.ways}
    rows = [
        (name, label, *_row(trial, _located(trial.address, databases), countries.get((name, label))))
        for (name, label, _, _), trial in zip(ways, trials, strict=True)
    ]
    for line in table(("EGRESS", "WAY", "SEEN AS", "COUNTRY", "ASN", "SECONDS", "REASON"), rows):
        print(line)
    return 0 if all(trial.address for trial in trials) and not any(row[-1] for row in rows) else 1


async def _try_all(config: Config, asked: Sequence[tuple[Passage, str]], options: argparse.Namespace) -> list[Trial]:
    from limen.egress.probes.names import Names
    from limen.egress.trial import attempt

    names = Names(config.resolver)
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(passage: Passage, echo: str) -> Trial:
        async with places:
            return await attempt(passage, echo, names.resolve, options.timeout)

    try:
        return await asyncio.gather(*(one(passage, echo) for passage, echo in asked))
    finally:
        await names.close()


def _located(address: str, databases: Sequence[Database]) -> Located:
    from limen.runtime.mmdb import NOTHING

    found = NOTHING
    for database in databases if address else ():
        found = found.completed(database.look_up(address))
    return found


def _row(trial: Trial, located: Located, labelled: str | None) -> tuple[str, ...]:
    """`labelled`: the country that the way is said to come out in."""
    reason = trial.reason
    if not reason and labelled and located.country and located.country != labelled:
        reason = f"its label says {labelled}"
    asn = f"AS{located.asn}" if located.asn else "-"
    return trial.address or "-", located.country or "-", asn, f"{trial.seconds:.3f}", reason
