"""Routes of a gateway: from the configuration to specs, and which of them no request can ever reach."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from limen.policy.matchers import PathKey, covers, host_key, host_keys_above, path_key, path_keys_above
from limen.policy.places import compile_place
from limen.policy.specs import CertificateCondition, CertificateSpec, PathKind, RouteSpec

if TYPE_CHECKING:
    from limen.config.models.certificates import CertificateMatch
    from limen.config.models.routes import Match

MOST_CANDIDATES = 40
"""How many earlier routes with the same host and path are compared with each route: bounds `limen check`."""


def compile_route_match(match: Match, action: object = None) -> RouteSpec:
    """The spec of a route: its conditions, and what the table shall give back for it."""
    kind, path = PathKind.NONE, ""
    if match.path is not None:
        for name in ("prefix", "exact", "pattern", "regex"):
            value = getattr(match.path, name)
            if value is not None:
                kind, path = PathKind(name), value
    return RouteSpec(
        action=action,
        hosts=match.host or (),
        path_kind=kind,
        path=path,
        methods=match.method or (),
        fields=tuple((match.fields or {}).items()),
        query=tuple((match.query or {}).items()),
        clients=match.clients or (),
        client_lists=match.client_lists or (),
        certificate=compile_certificate(match.client_certificate),
        ja4=match.ja4 or (),
        place=compile_place(match),
        users=match.users or (),
        groups=match.groups or (),
    )


def compile_certificate(match: CertificateMatch | None) -> CertificateCondition:
    """The spec of a condition on the client's certificate."""
    if match is None or not match.presented:
        return None if match is None else False
    if not (match.subject or match.san or match.fingerprint):
        return True
    return CertificateSpec(match.subject or (), match.san or (), match.fingerprint or ())


def find_unreachable(routes: Sequence[RouteSpec]) -> list[tuple[int, int]]:
    """Routes that an earlier one takes everything from: (number, number of the first such earlier route).

    Only what is certain: a route that several earlier ones cover together is not found.
    """
    filed: dict[tuple[str, PathKey], list[int]] = {}
    found = []
    for number, route in enumerate(routes):
        path = path_key(route)
        hosts = [host_key(host) for host in route.hosts] or ["*"]
        earlier = _candidates(filed, hosts[0], path)
        by = next((other for other in earlier if covers(routes[other], route)), None)
        if by is not None:
            found.append((number, by))
            continue
        for host in dict.fromkeys(hosts):
            filed.setdefault((host, path), []).append(number)
    return found


def _candidates(filed: dict[tuple[str, PathKey], list[int]], host: str, path: PathKey) -> list[int]:
    """Earlier routes that take the host and the path, in order; a route that covers another one is among them."""
    numbers: set[int] = set()
    for host_above in host_keys_above(host):
        for path_above in path_keys_above(path):
            numbers.update(islice(filed.get((host_above, path_above), ()), MOST_CANDIDATES))
    return sorted(numbers)
