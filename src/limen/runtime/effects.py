"""What follows from the verdicts of access rules, in the engine's terms: counts, redirects, limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from limen.engine.effects import RuleEffect
from limen.engine.guard import Guard
from limen.runtime.guards import limits_of
from limen.runtime.names import LIMIT, ROUTE, rule_label, rule_slot

if TYPE_CHECKING:
    from limen.config.models.forward import Forward
    from limen.engine.capture import Capture
    from limen.policy.specs import AccessSpec


def rule_effects(
    label: str,
    forward: Forward,
    specs: Sequence[AccessSpec],
    slots: Mapping[str, Mapping[str, int]],
    captures: Mapping[str, Capture],
) -> list[RuleEffect]:
    """One for each rule of the listener `label`; `slots` are those of the board, by kind and name."""
    written = forward.access
    found = []
    for number, spec in enumerate(specs):
        name = rule_label(spec.name, number)
        slot = slots.get(ROUTE, {}).get(rule_slot(label, name), 0xFFFFFFFF)
        if written is None:
            found.append(RuleEffect(name, slot=slot))
            continue
        rule, place = written[number], f"{label}/{name}"
        limits = limits_of(place, f"{place}\n{rule.model_dump_json()}", rule.limit, slots.get(LIMIT, {}))
        guard = Guard(limits=limits) if limits else None
        capture = captures[rule.capture] if rule.capture is not None else None
        found.append(
            RuleEffect(name, slot=slot, location=rule.location, host=rule.redirect_host, guard=guard, capture=capture)
        )
    return found
