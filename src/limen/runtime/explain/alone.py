"""An explanation of a configuration file without an instance: the same tables, built here. Load and health are of
nobody: every endpoint is usable and idle.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from limen.config.revision import digest_of
from limen.egress.resolver import resolver_of
from limen.engine.capture import Capture
from limen.engine.engine import Engine
from limen.policy import schedule
from limen.runtime.assemble import assemble
from limen.runtime.bridges import Surroundings
from limen.runtime.estate import listener_keys
from limen.runtime.explain.explanation import Ground, explain
from limen.runtime.guards import Lists, empty_list
from limen.runtime.locating import DatabaseHold, places_of
from limen.runtime.own_addresses import own_addresses
from limen.runtime.pacing import at_once
from limen.runtime.revision import ListenerPlace, Revision

if TYPE_CHECKING:
    from limen.policy.specs import Window
    from limen.runtime.databases import Databases
    from limen.runtime.explain.asked import Asked
    from limen.runtime.lists import Table
    from limen.runtime.mmdb import Database
    from limen.runtime.provision import Loaded


def explain_alone(
    asked: Asked, loaded: Loaded, base: str, tables: Mapping[str, Table] | None = None, tickets: bytes = b""
) -> Mapping[str, object]:
    """What `loaded` would do, its lists in `tables`, the keys of its listeners in `tickets` (Provision.tickets).

    Raises AskedWrongly, and ConfigError for what only a worker finds.
    """
    engine = Engine()
    try:
        revision = revision_of(loaded, base)
        captures = {name: Capture(name, body=0, held_most=0, take=_forget) for name in loaded.config.captures}
        surroundings = Surroundings(lists=_lists_of(tables or {}), captures=captures)
        if tickets:
            surroundings.tickets.take(tickets)
        assembly = at_once(assemble(engine, revision, None, surroundings))
        engine.places = places_of(loaded.config.places, _opened(loaded.databases))
        engine.set_own(own_addresses(revision.own_addresses))
        for table in assembly.tables:
            table.set_windows(schedule.flags(cast("list[Window]", table.windows), time.time()))

        async def run() -> Mapping[str, object]:
            resolver = resolver_of(loaded.config.resolver)
            try:
                return await explain(asked, Ground(engine, assembly, resolver.resolve))
            finally:
                await resolver.close()

        return {**asyncio.run(run()), "source": "file"}
    finally:
        engine.stop()


def _forget(_flow: object) -> None:
    """Nothing is recorded of what is only asked."""


def _opened(databases: Databases) -> list[Database]:
    held = DatabaseHold()
    # it closes what it is given
    held.take(databases.digests, [os.dup(descriptor) for descriptor in databases.descriptors])
    return held.named(databases.digests)


def _lists_of(tables: Mapping[str, Table]) -> Lists:
    held = {}
    for source, table in tables.items():
        held[source] = empty_list(table.descriptor)
        held[source].replace(table.descriptor)
    return held


def revision_of(loaded: Loaded, base: str) -> Revision:
    """The revision that an instance would begin with, its addresses as they are written."""
    config = loaded.config
    places = tuple(
        ListenerPlace(key, index, str(config.listeners[index].bind)) for index, key in enumerate(listener_keys(config))
    )
    own = [place.address for place in places] + ([str(config.admin.bind)] if config.admin else [])
    return Revision(
        1,
        config,
        places,
        {},
        tuple(own),
        base,
        loaded.material,
        digest_of(config)[:12],
        identity_files=loaded.identity_files.contents,
    )
