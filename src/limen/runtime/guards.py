"""What stands before routes, in the engine's terms: addresses, maintenance, limits."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict

from limen.config.rates import PERIODS
from limen.engine.addresses import AddressSet
from limen.engine.guard import Guard, Limit
from limen.engine.host_lists import HostList
from limen.engine.lists import AddressList
from limen.runtime.names import limit_label

if TYPE_CHECKING:
    from limen.config.models.limit import Limit as LimitModel
    from limen.config.models.routes import Route
    from limen.config.models.shield import Addresses, Maintenance

Lists = Mapping[str, "AddressList | HostList"]
"""The lists of a revision, by name."""

_BY = {"route": 0, "client": 1, "host": 2, "identity": 5}
_BY_FIELD, _BY_COOKIE = 3, 4
_BURST_LEAST = 16384
# How a table of names begins.
_NAMES = (0x4C494D454E484F53).to_bytes(8, "little")


def address_lists(lists: Lists) -> dict[str, AddressList]:
    """Those of addresses among them."""
    return {name: one for name, one in lists.items() if isinstance(one, AddressList)}


def empty_list(descriptor: int) -> AddressList | HostList:
    """A list of the kind whose table is in a file, still without it."""
    return HostList() if os.pread(descriptor, 8, 0) == _NAMES else AddressList()


def address_set(model: Addresses | None, lists: Lists) -> AddressSet | None:
    """The set that a section of addresses means; None without one."""
    if model is None:
        return None
    known = address_lists(lists)
    return AddressSet(model.networks or (), [known[name] for name in model.lists or ()])


def route_guard(
    label: str, place: str, route: Route, closed: Maintenance | None, lists: Lists, slots: Mapping[str, int]
) -> Guard | None:
    """What stands before a route; None if nothing does.

    `place` is the label of its listener, `closed` the maintenance of that; `slots` are those of limits.
    """
    maintenance = closed if route.maintenance is None else route.maintenance
    if maintenance is not None and not maintenance.closed:
        maintenance = None
    if maintenance is None and route.allow is None and route.deny is None and not route.limit:
        return None
    identity = f"{place}\n{route.name or route.match.model_dump_json()}" if route.limit else ""
    return Guard(
        allow=address_set(route.allow, lists),
        deny=address_set(route.deny, lists),
        **_maintenance(maintenance),
        limits=limits_of(label, identity, route.limit, slots),
    )


def forward_guard(
    label: str, limits: Sequence[LimitModel], closed: Maintenance | None, slots: Mapping[str, int]
) -> Guard | None:
    """What stands before all exchanges of a listener without routes."""
    if closed is not None and not closed.closed:
        closed = None
    if not limits and closed is None:
        return None
    return Guard(**_maintenance(closed), limits=limits_of(label, label, limits, slots))


class _Closed(TypedDict, total=False):
    """Arguments of Guard."""

    closed: bool
    spared: AddressSet | None
    retry_after: int


def _maintenance(model: Maintenance | None) -> _Closed:
    if model is None:
        return {}
    return {
        "closed": True,
        "spared": AddressSet(model.allow) if model.allow else None,
        "retry_after": math.ceil(model.retry_after or 0),
    }


def limits_of(label: str, identity: str, models: Sequence[LimitModel], slots: Mapping[str, int]) -> list[Limit]:
    """The limits of one route; `identity` is what the route is known by over reloads."""
    found = []
    for number, model in enumerate(models):
        name = limit_label(label, models, number)
        interval = model.rate.interval if model.rate is not None else 0
        burst = (model.burst or model.rate.count) * interval if model.rate is not None else 0
        if model.bandwidth is not None:
            burst = model.burst or max(model.bandwidth // 4, _BURST_LEAST)
        quota = model.quota
        key = model.by
        found.append(
            Limit(
                name,
                identity=_hash(f"name {model.name}" if model.name else f"{identity}\n{number}\n{_content(model)}"),
                slot=slots.get(name, 0xFFFFFFFF),
                by=_BY_FIELD if key.field else _BY_COOKIE if key.cookie else _BY[key.of or "client"],
                key_name=key.field.lower() if key.field else key.cookie or "",
                prefix=model.ipv6_prefix,
                interval=interval,
                burst=burst,
                most=model.concurrent or 0,
                dry_run=model.dry_run,
                tells=model.fields,
                speed=model.bandwidth or 0,
                quota=quota.amount if quota is not None else 0,
                of_requests=quota is not None and quota.requests,
                period=PERIODS.index(quota.period) if quota is not None else 0,
                life=round((model.life or 0) * 1e9),
                warns=tuple(-(-quota.amount * percent // 100) for percent in set(model.warn)) if quota else (),
                shown=model.name or ("default" if len(models) == 1 else f"limit-{number + 1}"),
            )
        )
    return found


def _content(model: LimitModel) -> str:
    # what a key has used of its quota stays used when another quota, or another threshold, is set
    told = {"dry_run", "fields", "name", "warn"} | ({"quota"} if model.quota is not None else set())
    return model.model_dump_json(exclude=told) + (
        f"{model.quota.period} {model.quota.requests}" if model.quota is not None else ""
    )


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
