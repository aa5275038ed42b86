"""A revision as a change of the one before: other endpoints in some upstreams, and nothing else.

What discovery brings travels so: workers get what differs, and put it in force in place. A worker that starts gets the
whole revision, as always.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from limen.runtime.names import ENDPOINT, endpoint_name

if TYPE_CHECKING:
    from limen.config.models.upstreams import Endpoint, Upstream
    from limen.runtime.revision import Revision

# No pickle begins so.
_MARK = b"change:"


@dataclass(frozen=True, slots=True)
class _Changed:
    """One upstream."""

    bare: Upstream
    """Without endpoints."""
    parts: tuple[tuple[int, int] | Endpoint, ...]
    """Its endpoints in order: pieces of the former list (from, to), and those that were not in it."""


@dataclass(frozen=True, slots=True)
class _Change:
    after: int
    """Number of the revision that this is a change of."""
    number: int
    upstreams: Mapping[str, _Changed]
    gone: tuple[str, ...]
    """Names of endpoints that are no longer there."""
    slots: Mapping[str, int]
    """Of endpoints that are new."""


class ChangeUnfit(ValueError):
    """The change is one of another revision than that in force here."""


def encode_change(before: Revision, after: Revision, names: Iterable[str]) -> bytes:
    """The payload of a `prepare` message that takes workers from one revision to the next; `names` of upstreams."""
    upstreams = {}
    were: set[str] = set()
    are: set[str] = set()
    for name in names:
        old, new = before.config.upstreams[name].endpoints, after.config.upstreams[name]
        upstreams[name] = _Changed(new.model_copy(update={"endpoints": ()}), tuple(_parts(old, new.endpoints)))
        were.update(endpoint_name(name, endpoint.address) for endpoint in old)
        are.update(endpoint_name(name, endpoint.address) for endpoint in new.endpoints)
    slots = {name: after.slots[ENDPOINT][name] for name in are - were}
    change = _Change(before.number, after.number, upstreams, tuple(were - are), slots)
    return _MARK + pickle.dumps(change, protocol=pickle.HIGHEST_PROTOCOL)


def is_change(payload: bytes) -> bool:
    """Whether the payload of a `prepare` message is a change, and no whole revision."""
    return payload.startswith(_MARK)


def apply_change(payload: bytes, before: Revision) -> tuple[Revision, tuple[str, ...]]:
    """The revision that the change makes of the one in force, and the names of its upstreams. Raises ChangeUnfit."""
    change: Any = pickle.loads(payload[len(_MARK) :])  # noqa: S301 - written by our own supervisor
    if not isinstance(change, _Change) or change.after != before.number:
        raise ChangeUnfit(f"not a change of revision {before.number}")
    upstreams = dict(before.config.upstreams)
    for name, changed in change.upstreams.items():
        endpoints = tuple(_joined(changed.parts, upstreams[name].endpoints))
        upstreams[name] = changed.bare.model_copy(update={"endpoints": endpoints})
    slots = {**before.slots.get(ENDPOINT, {}), **change.slots}
    for name in change.gone:
        slots.pop(name, None)
    config = before.config.model_copy(update={"upstreams": upstreams})
    revision = replace(before, number=change.number, config=config, slots={**before.slots, ENDPOINT: slots})
    return revision, tuple(change.upstreams)


def _parts(old: Sequence[Endpoint], new: Sequence[Endpoint]) -> Iterator[tuple[int, int] | Endpoint]:
    places = {endpoint.address: place for place, endpoint in enumerate(old)}
    start = end = 0
    for endpoint in new:
        place = places.get(endpoint.address)
        if place is not None and (old[place] is endpoint or old[place] == endpoint):
            if place == end and end > start:
                end += 1
                continue
            if end > start:
                yield start, end
            start, end = place, place + 1
            continue
        if end > start:
            yield start, end
        start = end = 0
        yield endpoint
    if end > start:
        yield start, end


def _joined(parts: Iterable[tuple[int, int] | Endpoint], old: Sequence[Endpoint]) -> Iterator[Endpoint]:
    for part in parts:
        if isinstance(part, tuple):
            yield from old[part[0] : part[1]]
        else:
            yield part
