"""The ways out of a configuration, found by the names they have among upstreams and endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from limen.config.models.egress import GROUP
from limen.config.models.tls import UpstreamTls
from limen.egress.passage import Passage, passage_of

if TYPE_CHECKING:
    from limen.config import Config
    from limen.config.addresses import Address
    from limen.egress.probes.question import Encryption
    from limen.tls.material import Material


def by_way(
    config: Config, group: str, address: Address, encryption: Encryption | None
) -> tuple[Address, Passage] | None:
    """What a probe of the way `address` of `group` goes to, and by what; None for an endpoint of an upstream."""
    if not group.startswith(GROUP):
        return None
    egress = config.egress[group.removeprefix(GROUP)]
    way = next(way for way in egress.ways if way.label == str(address))
    assert egress.probe is not None  # noqa: S101 it is asked for probes only
    return egress.probe.target, passage_of(egress, way, encryption)


def all_ways(config: Config, material: Material) -> list[tuple[str, str, Passage, str]]:
    """Each way of each egress: both names, the passage, and its echo."""
    found = []
    for name, egress in config.egress.items():
        encryption = None
        if egress.is_encrypted:
            from limen.egress.probes.encryption import encryption_of

            encryption = encryption_of(GROUP + name, egress.tls or UpstreamTls(), material)
        found += [(name, way.label, passage_of(egress, way, encryption), egress.echo) for way in egress.ways]
    return found
