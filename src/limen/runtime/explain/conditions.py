"""Why routes and rules before the deciding one did not match: the first of their conditions that does not hold.

No condition is judged here. Each is compiled alone, into a table of one route or rule, and the engine is asked; so a
condition that is added to a spec is explained without a change of this file.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, cast

from limen.engine.access import AccessTable
from limen.engine.explain import Question
from limen.engine.service import Action
from limen.engine.tables import RouteTable
from limen.policy import schedule
from limen.policy.specs import AccessSpec, RouteSpec, Window
from limen.runtime.guards import Lists, address_lists
from limen.runtime.pacing import Steps

MOST = 200
"""Routes or rules that are told of; of more only their number."""
_PER_STEP = 8
# A condition with more values is not compiled only to be explained: a block list has a million.
_LARGEST = 2000
# Values of a condition, and characters of one, that are shown.
_SHOWN = 8
_CHARACTERS = 100

# What a spec calls a condition, and what the configuration does; the others have one name.
_WORDS = {
    "hosts": "host",
    "methods": "method",
    "certificate": "client_certificate",
    "windows": "times",
    "paths": "path",
    "target_place": "target",
    "size_over": "size",
    "size_upto": "size",
    "response_types": "response",
    "response_over": "response",
    "response_upto": "response",
}
# In a spec, but no condition of its own.
_NONE = {"action", "allow", "name", "path_kind", "dry_run", "egress"}
# One condition with the lists that are named beside it.
_LISTS = {"clients": "client_lists", "addresses": "address_lists", "hosts": "host_lists"}


@dataclasses.dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a route or a rule."""

    name: str
    wanted: object
    """JSON-able."""
    single: Any
    """The spec with this condition alone."""
    is_large: bool
    """Has too many values to be compiled alone."""


def conditions(spec: RouteSpec | AccessSpec) -> list[Condition]:
    """Those that a spec sets, in its order, large ones last."""
    found = []
    for one in dataclasses.fields(spec):
        value = getattr(spec, one.name)
        lists = getattr(spec, _LISTS.get(one.name, ""), ())
        if one.name in _NONE or one.name in _LISTS.values() or (value in ((), None, "") and not lists):
            continue
        changes: dict[str, Any] = {one.name: value}
        wanted: object = _plain(value)
        if lists:
            changes[_LISTS[one.name]] = lists
            wanted = _plain([*value, *(f"list {name}" for name in lists)])
        if one.name == "path" and isinstance(spec, RouteSpec):
            changes["path_kind"] = spec.path_kind
            wanted = f"{spec.path_kind.value} {value}"
        elif one.name in ("fields", "query"):
            wanted = _plain([_presence(name, presence) for name, presence in value])
        elif one.name == "ports":
            wanted = _plain([str(low) if low == high else f"{low}-{high}" for low, high in value])
        bare: Any = RouteSpec(action=Action("")) if isinstance(spec, RouteSpec) else AccessSpec(allow=True)
        is_large = isinstance(value, tuple) and len(value) > _LARGEST
        single = dataclasses.replace(bare, **changes)
        found.append(Condition(_WORDS.get(one.name, one.name), wanted, single, is_large))
    return sorted(found, key=lambda one: one.is_large)


def routes_passed_over(
    question: Question, named: Sequence[tuple[str, RouteSpec]], lists: Lists | None = None
) -> Steps[list[dict[str, object]]]:
    """For each route, which do not match: its name and its first condition that fails. `lists`: those they name."""
    return _passed_over(named, lambda single: question.meets(RouteTable([single], address_lists(lists or {}))))


def rules_passed_over(
    question: Question, named: Sequence[tuple[str, AccessSpec]], address: str | None, lists: Lists | None = None
) -> Steps[list[dict[str, object]]]:
    """The same for access rules, some of which may match but be dry; `address` is the target's, if it is known."""
    return _passed_over(named, lambda single: question.admits(_rules_of(single, lists), address))


def _passed_over(named: Sequence[tuple[str, Any]], holds: Callable[[Any], bool]) -> Steps[list[dict[str, object]]]:
    rows: list[dict[str, object]] = []
    for number, (name, spec) in enumerate(named[:MOST]):
        # As the whole did not match, it is the large one if all others hold.
        failing = next((one for one in conditions(spec) if one.is_large or not holds(one.single)), None)
        rows.append(
            {
                "name": name,
                "number": number,
                "failed": failing.name if failing is not None else None,
                "wanted": failing.wanted if failing is not None else None,
            }
        )
        if failing is None and getattr(spec, "dry_run", False):
            rows[-1]["dry_run"] = True
        if number % _PER_STEP == 0:
            yield
    return rows


def _rules_of(spec: AccessSpec, lists: Lists | None) -> AccessTable:
    table = AccessTable([spec], lists)
    if table.windows:
        table.set_windows(schedule.flags(cast("list[Window]", table.windows), time.time()))
    return table


def _presence(name: str, presence: object) -> str:
    """`presence` is the exact value, or whether it is there at all."""
    if isinstance(presence, str):
        return f"{name}: {presence}"
    return f"any {name}" if presence else f"no {name}"


def _plain(value: object) -> object:
    """As JSON has it, short."""
    if isinstance(value, Window):
        days = ",".join(schedule.DAYS[day] for day in sorted(value.days))
        clocks = "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (value.start, value.end))
        return f"{days} {clocks} {value.zone}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value) if getattr(value, one.name)
        }
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        rest = [f"and {len(value) - _SHOWN} more"] if len(value) > _SHOWN else []
        return [_plain(one) for one in islice(value, _SHOWN)] + rest
    if isinstance(value, int | float | bool) or value is None:
        return value
    text = str(value)
    return text if len(text) <= _CHARACTERS else text[:_CHARACTERS] + "…"
