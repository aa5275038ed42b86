"""Conditions on the client's place: from the configuration to a spec, and which one covers which."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from limen.policy.specs import PlaceSpec

if TYPE_CHECKING:
    from limen.config.models.access import Condition, TargetPlace
    from limen.config.models.routes import Match

_Value = TypeVar("_Value", str, int)


def compile_place(written: Match | Condition | TargetPlace) -> PlaceSpec | None:
    """The spec of a condition of a route or a rule, on the client's place or the target's; None where it has none."""
    spec = PlaceSpec(written.country or (), written.continent or (), written.asn or (), written.region or ())
    return None if spec == PlaceSpec() else spec


def covers_place(wide: PlaceSpec | None, narrow: PlaceSpec | None) -> bool:
    """Whether each client that fits `narrow` is shown to fit `wide`."""
    if wide is None:
        return True
    if narrow is None:
        return False
    return (
        _within(narrow.countries, wide.countries)
        and _within(narrow.continents, wide.continents)
        and _within(narrow.asns, wide.asns)
        and _within(narrow.regions, wide.regions)
    )


def _within(narrow: tuple[_Value, ...], wide: tuple[_Value, ...]) -> bool:
    return not wide or (bool(narrow) and set(narrow) <= set(wide))
