"""Where clients are, in a worker: the engine's places, asked of networks and MMDB files.

The engine calls `Locator` for an address that is not in its cache; a look-up takes a few microseconds.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from limen.engine.places import Places
from limen.runtime.mmdb import NOTHING, Database, Located, open_database

if TYPE_CHECKING:
    from limen.config.models.places import Places as PlacesModel
    from limen.engine.places import Facts

# Degrees of latitude and longitude are cut to this many decimals, about 11 km: places are told apart by them.
_DECIMALS = 1
_MAPPED = bytes(10) + b"\xff\xff"


class DatabaseHold:
    """The MMDB files of a worker by their digest: given by the supervisor before the revision that names them."""

    def __init__(self) -> None:
        self._held: dict[str, Database] = {}

    def take(self, digests: Sequence[str], descriptors: Sequence[int]) -> None:
        """Opens what is new of these; the descriptors are closed. Raises Unusable."""
        try:
            for digest, descriptor in zip(digests, descriptors, strict=True):
                if digest not in self._held:
                    self._held[digest] = Database(open_database(descriptor))
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def named(self, digests: Sequence[str]) -> list[Database]:
        """Those with these contents."""
        return [self._held[digest] for digest in digests]

    def keep(self, digests: Sequence[str]) -> None:
        """Lets go of all others; what an older revision still uses lives as long as that."""
        self._held = {digest: database for digest, database in self._held.items() if digest in digests}


class Locator:
    """What is known of an address, for limen.engine.places.Places. Never raises for any address."""

    def __init__(self, model: PlacesModel, databases: Sequence[Database]) -> None:
        self._networks = model.networks
        self._databases = databases
        self._by_country = {code: name for name, region in model.regions.items() for code in region.countries or ()}
        self._by_continent = {code: name for name, region in model.regions.items() for code in region.continents or ()}

    def __call__(self, address: bytes, network: int) -> Facts:
        """Of an address (16 bytes) in the network of that number, -1: in none."""
        found = NOTHING
        region = zone = ""
        if network >= 0:
            known = self._networks[network]
            region, zone = known.region or "", known.zone or ""
            found = Located(known.country or "", known.continent or "", known.asn or 0, known.at)
        if self._databases:
            text = _text(address)
            for database in self._databases:
                found = found.completed(database.look_up(text))
        region = region or self._by_country.get(found.country) or self._by_continent.get(found.continent) or ""
        latitude, longitude = (None, None) if found.at is None else (round(part, _DECIMALS) for part in found.at)
        return found.country, found.continent, found.asn, region, zone, latitude, longitude


def _text(address: bytes) -> str:
    if address.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, address[len(_MAPPED) :])
    return socket.inet_ntop(socket.AF_INET6, address)


def places_of(model: PlacesModel | None, databases: Sequence[Database]) -> Places | None:
    """The engine's places for a configuration; None without."""
    if model is None:
        return None
    return Places([list(network.clients) for network in model.networks], Locator(model, databases))
