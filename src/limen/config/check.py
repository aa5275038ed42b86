"""Cross checks: what is wrong with the parts of a configuration together, although each is right for itself.

Every check yields findings with a path; `check` turns them into errors and warnings with places. Layers above bring
their own checks as callables (unreachable routes need the matchers of `limen.policy`, which config may not know).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from limen.config import (
    balance,
    capturing,
    discovery,
    egress,
    exposure,
    identities,
    loops,
    name_servers,
    references,
    shielding,
    steering,
)
from limen.config.findings import Finding
from limen.config.models.root import Config
from limen.config.positions import Positions, path_text
from limen.errors import ConfigError

Check = Callable[[Config], Iterable[Finding]]
"""A cross check; pure, and cheap enough for every reload."""

CHECKS: tuple[Check, ...] = (
    references.unknown_upstreams,
    references.unused_upstreams,
    references.unknown_icap,
    references.twin_names,
    references.twin_binds,
    references.ineffective_keys,
    references.missing_directories,
    balance.balancing,
    balance.urgency,
    capturing.names,
    capturing.files,
    capturing.blind,
    capturing.discretion,
    discovery.plain_tokens,
    name_servers.libraries,
    steering.cookies,
    steering.places,
    steering.nearness,
    shielding.limits,
    shielding.address_lists,
    shielding.list_fetching,
    shielding.suffixes,
    identities.named,
    identities.conditions,
    identities.parameters,
    loops.own_listeners,
    egress.names,
    egress.labels,
    egress.own_listeners,
    egress.rights,
    egress.blind_rules,
    egress.relays,
    exposure.open_proxies,
    exposure.unknown_proxies,
    exposure.wide_trust,
    exposure.open_admin,
)


@dataclass(frozen=True, slots=True)
class Report:
    """What the checks found; errors forbid the configuration, warnings are worth a look."""

    errors: tuple[ConfigError, ...]
    warnings: tuple[ConfigError, ...]


def check(
    config: Config, *, checks: Iterable[Check] = (), positions: Positions | None = None, file: str = ""
) -> Report:
    """Runs all checks; without `positions` (a configuration made in Python) the findings have paths but no lines."""
    where = positions or Positions(None)
    errors: list[ConfigError] = []
    warnings: list[ConfigError] = []
    for one in (*CHECKS, *checks):
        for finding in one(config):
            place, found = where.find(finding.path, key=finding.key)
            error = ConfigError(
                finding.message,
                file=file,
                line=place.line,
                column=place.column,
                path=path_text(found if positions else finding.path),
                hint=finding.hint,
            )
            (warnings if finding.warning else errors).append(error)
    return Report(_in_order(errors), _in_order(warnings))


def _in_order(found: list[ConfigError]) -> tuple[ConfigError, ...]:
    return tuple(sorted(found, key=lambda error: (error.line, error.column)))
