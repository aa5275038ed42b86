"""How near endpoints are to a client: by zone and region, by an order of regions, by distance on the globe.

    same zone of the same region < same region < regions in the order given < the rest by distance < unknown

Pure: the engine asks once for each place that occurs, and remembers the answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

EARTH = 6371.0
"""Mean radius, kilometres."""
_UNKNOWN = math.inf

Coordinates = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Site:
    """Where an endpoint or a client is; empty and None: unknown."""

    region: str = ""
    zone: str = ""
    at: Coordinates | None = None


def distance(one: Coordinates, other: Coordinates) -> float:
    """Kilometres on the great circle between two points, latitude and longitude in degrees (haversine)."""
    latitude, other_latitude = math.radians(one[0]), math.radians(other[0])
    across = math.radians(other[1] - one[1])
    half = (
        math.sin((other_latitude - latitude) / 2) ** 2
        + math.cos(latitude) * math.cos(other_latitude) * math.sin(across / 2) ** 2
    )
    return 2 * EARTH * math.asin(math.sqrt(min(1.0, half)))


class Nearness:
    """Of the endpoints of an upstream. Called with a client's site it gives their priorities, 0 the nearest.

    `priorities` are those configured: nearness orders within each of them. `order` names regions by the client's.
    """

    def __init__(self, sites: Sequence[Site], priorities: Sequence[int], order: Mapping[str, Sequence[str]]) -> None:
        self._members = list(zip(priorities, sites, strict=True))
        # many endpoints, few sites
        self._distinct = sorted(set(self._members), key=repr)
        self._order = {region: {name: number for number, name in enumerate(names)} for region, names in order.items()}

    def __call__(self, client: Site) -> tuple[int, ...]:
        """The priority of each endpoint for a client there, without gaps."""
        levels = {member: (member[0], *self._nearness(client, member[1])) for member in self._distinct}
        numbers = {level: number for number, level in enumerate(sorted(set(levels.values())))}
        return tuple(numbers[levels[member]] for member in self._members)

    def _nearness(self, client: Site, site: Site) -> tuple[int, int, float]:
        """Compares as the head of this file says."""
        order = self._order.get(client.region, {})
        if client.region and site.region == client.region and client.region not in order:
            return 0, int(not client.zone or site.zone != client.zone), 0.0
        if site.region in order:
            same_zone = site.region == client.region and bool(client.zone) and site.zone == client.zone
            return 1, 2 * order[site.region] + int(not same_zone), 0.0
        if client.at is None or site.at is None:
            return 2, 0, _UNKNOWN
        # endpoints of one town are equally near
        return 2, 0, float(round(distance(client.at, site.at)))
