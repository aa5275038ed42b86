"""What the supervisor reads and keeps for a configuration: the material of its TLS, ticket keys, MMDB files, a secret.

A configuration without TLS costs nothing here: the library that reads certificates is imported with the first that
has some.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from limen.config.check import Report, check
from limen.errors import ConfigErrors
from limen.runtime.contexts import encode_keys
from limen.runtime.databases import NO_DATABASES, Databases, read_databases
from limen.runtime.identity_files import NO_IDENTITY_FILES, IdentityFiles, read_identity_files
from limen.runtime.lists import Lists
from limen.tls.material import NO_MATERIAL, Material
from limen.tls.tickets import Rings

if TYPE_CHECKING:
    from limen.config import Config, Document
    from limen.config.findings import Finding
    from limen.runtime.list_fetcher import ListFetcher
    from limen.tls.gather import Gathered
    from limen.tls.stapling import Staples
    from limen.tls.store import Store


_SECRET_SIZE = 32


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that has passed all checks, and what its TLS needs."""

    config: Config
    gathered: Gathered | None = None
    """None without TLS."""
    warnings: tuple[str, ...] = ()
    """About what was read for it, with places."""
    databases: Databases = NO_DATABASES
    """Where its clients are."""
    identity_files: IdentityFiles = NO_IDENTITY_FILES
    """Who they are."""

    @property
    def material(self) -> Material:
        """What workers get."""
        return self.gathered.material if self.gathered is not None else NO_MATERIAL

    def equals(self, other: Loaded) -> bool:
        """Whether workers would get the same of both."""
        return (
            self.config == other.config
            and self.databases.digests == other.databases.digests
            and self.identity_files.contents == other.identity_files.contents
            and self.material == other.material
            and (self.gathered is None) == (other.gathered is None)
            and (self.gathered is None or other.gathered is None or self.gathered.rings == other.gathered.rings)
        )


def has_tls(config: Config) -> bool:
    """Whether the configuration needs any material."""
    return (
        any(one.tls for one in config.listeners)
        or any(one.tls for one in config.groups.values())
        or any(one.forward is not None and one.forward.bridge is not None for one in config.listeners)
        or (config.resolver.tls is not None and config.resolver.tls.ca is not None)
    )


class Provision:
    """Of one instance, from its start to its end. What it reads takes a while: load and renew belong in a thread."""

    def __init__(self) -> None:
        self._store: Store | None = None
        self.rings = Rings()
        self.staples: Staples | None = None
        self.secret = os.urandom(_SECRET_SIZE)
        """Signs cookies without a key of their own, in all workers; a handover passes it on."""
        self._databases = NO_DATABASES
        self._identity_files = NO_IDENTITY_FILES
        self.lists = Lists()
        self._fetcher: ListFetcher | None = None

    def load(self, document: Document) -> Loaded:
        """All checks, and the material. Raises ConfigErrors."""
        return self._checked(document.config, document.check)

    def load_config(self, config: Config) -> Loaded:
        """As `load`, for a configuration made in Python: problems have no line."""
        return self._checked(config, partial(check, config))

    def renew(self, loaded: Loaded) -> Loaded:
        """The same configuration with what its files hold now; what does not fit is a warning, and not taken.

        Raises ConfigErrors for what has no good predecessor.
        """
        return self._checked(loaded.config, partial(check, loaded.config), renewed=loaded)

    def findings(self, config: Config) -> Iterable[Finding]:
        """The check of all files that a configuration names for TLS, and of its lists (a limen.config.Check)."""
        gathered = self._gathered(config, None)
        found = gathered.findings if gathered is not None else ()
        read = (*read_databases(config).findings, *read_identity_files(config).findings)
        return (*found, *read, *self.lists.gather(config))

    def _checked(self, config: Config, run: Callable[..., Report], renewed: Loaded | None = None) -> Loaded:
        gathered = self._gathered(config, renewed.gathered if renewed is not None else None)
        databases = read_databases(config, self._databases, lenient=renewed is not None)
        identities = read_identity_files(config, self._identity_files, lenient=renewed is not None)
        found = gathered.findings if gathered is not None else ()
        findings = (*found, *databases.findings, *identities.findings, *self.lists.gather(config))
        report = run(checks=[lambda _config: findings])
        if report.errors:
            raise ConfigErrors(report.errors)
        told = {finding.message for finding in findings}
        warnings = tuple(str(one) for one in report.warnings if one.message in told)
        return Loaded(config, gathered, warnings, databases, identities)

    def _gathered(self, config: Config, before: Gathered | None) -> Gathered | None:
        if not has_tls(config):
            return None
        from limen.tls.gather import NOTHING, gather
        from limen.tls.store import Store

        if self._store is None:
            self._store = Store()
        gathered = gather(config, self._store, before=before or NOTHING, lenient=before is not None)
        if not gathered.stapled:
            return gathered
        from limen.tls.stapling import Staples

        if self.staples is None:
            self.staples = Staples()
        responses = self.staples.responses(gathered.stapled, time.time())
        missing = [finding for digest, finding in gathered.insistent.items() if digest not in responses]
        return replace(
            gathered,
            material=replace(gathered.material, staples=responses),
            findings=(*gathered.findings, *missing),
        )

    @property
    def fetcher(self) -> ListFetcher:
        """Of lists behind URLs."""
        if self._fetcher is None:
            # aiohttp takes its time
            from limen.runtime.list_fetcher import ListFetcher

            self._fetcher = ListFetcher(self.lists)
        return self._fetcher

    @property
    def fetch_due(self) -> float | None:
        """Monotonic time at which a list is due to be fetched; None: none is fetched."""
        return self._fetcher.next_due if self._fetcher is not None else None

    def prepare(self, loaded: Loaded) -> None:
        """Has the ticket keys of this configuration ready, beside those in force."""
        if loaded.gathered is not None:
            self.rings.want(loaded.gathered.rings)

    def settle(self, loaded: Loaded) -> None:
        """This one is in force: what only others needed is forgotten."""
        self.lists.settle(loaded.config)
        if self._fetcher is not None or any(model.url for model in loaded.config.lists.values()):
            self.fetcher.settle(loaded.config)
        if self._store is not None:
            self._store.keep(loaded.gathered.files if loaded.gathered is not None else ())
        if self.staples is not None:
            self.staples.keep(loaded.gathered.stapled if loaded.gathered is not None else ())
        self.rings.keep(loaded.gathered.rings if loaded.gathered is not None else {})
        self._databases = loaded.databases
        self._identity_files = loaded.identity_files

    @property
    def tickets(self) -> bytes:
        """The payload of a `tickets` message; empty when no listener has any."""
        keys = self.rings.keys()
        return encode_keys(keys) if keys else b""
