"""Routes by client hello: from the configuration to specs, and which of them no connection can ever reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from limen.config.hello_names import covers_names, names_above
from limen.policy.matchers import covers_texts
from limen.policy.specs import HelloSpec

if TYPE_CHECKING:
    from limen.config.models.hello import HelloMatch


def compile_hello_match(match: HelloMatch | None) -> HelloSpec:
    """The spec of a route's conditions; without a match it has none."""
    return HelloSpec() if match is None else HelloSpec(match.sni, match.alpn, match.ja4)


def covers_hello(wide: HelloSpec, narrow: HelloSpec) -> bool:
    """Whether every hello that matches `narrow` is shown to match `wide`."""
    return (
        covers_names(wide.names, narrow.names)
        and covers_texts(wide.protocols, narrow.protocols)
        and covers_texts(wide.fingerprints, narrow.fingerprints)
    )


def find_unreachable_hellos(specs: Sequence[HelloSpec]) -> list[tuple[int, int]]:
    """Routes that an earlier one takes everything from: (number, number of the first such earlier route).

    Only what is certain: a route that several earlier ones cover together is not found. Earlier ones are looked for
    by name, so that thousands of them cost little.
    """
    found = []
    filed: dict[str | None, list[int]] = {}
    for number, spec in enumerate(specs):
        places: list[str | None] = [None]
        if spec.names is not None:
            places += names_above(spec.names[0])
        earlier = sorted({other for place in places for other in filed.get(place, ())})
        by = next((other for other in earlier if covers_hello(specs[other], spec)), None)
        if by is not None:
            found.append((number, by))
            continue
        for name in spec.names if spec.names is not None else (None,):
            filed.setdefault(name, []).append(number)
    return found
