"""Which access rules can never decide anything: because an earlier one takes all of it, or because no request fits.

Sound and incomplete, like limen.policy.matchers: what is found is certain, what several rules cover together is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from limen.config.fields import ANY_SUFFIX
from limen.config.hosts import is_glob, keys_of
from limen.engine.addresses import canonical_host
from limen.policy.matchers import covers_clients, covers_names, covers_texts
from limen.policy.places import covers_place
from limen.policy.specs import AccessSpec

MOST_CANDIDATES = 40
"""How many earlier rules with the same host are compared with each rule: bounds `limen check`."""
_CONTENT_METHODS = ("CONNECT", "UDP", "BIND")


def host_key(host: str) -> str:
    """The canonical text of a host condition; globs stay as they are."""
    if host == "*":
        return host
    mark = next((mark for mark in ("*.", ".") if host.startswith(mark)), "")
    rest = host[len(mark) :]
    if rest.endswith(ANY_SUFFIX):
        return host
    return host.lower() if "*" in rest or "?" in rest else mark + canonical_host(rest)[0]


def host_keys_above(key: str) -> Iterator[str]:
    """The host conditions that are known to cover that of `key`: itself, those of the names above it, and `*`."""
    yield key
    if key == "*":
        return
    yield "*"
    if not is_glob(key):
        above = keys_of(key.removeprefix("*").removeprefix("."))
        # the bare name is the key itself, or covers nothing of what is below it
        next(above)
        yield from above


def _covers_hosts(wide: AccessSpec, narrow: AccessSpec) -> bool:
    if not (wide.hosts or wide.host_lists):
        return True
    keys = {host_key(host) for host in wide.hosts}
    if "*" in keys:
        return True
    if not (narrow.hosts or narrow.host_lists) or not set(narrow.host_lists) <= set(wide.host_lists):
        return False
    return all(any(key in keys for key in host_keys_above(host_key(host))) for host in narrow.hosts)


def _covers_ports(wide: Sequence[tuple[int, int]], narrow: Sequence[tuple[int, int]]) -> bool:
    if not wide:
        return True
    merged: list[tuple[int, int]] = []
    for low, high in sorted(wide):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    wanted = narrow or [(1, 65535)]
    return all(any(first <= low and high <= last for first, last in merged) for low, high in wanted)


def _covers_path(wide: str, narrow: str) -> bool:
    if wide == narrow or any(c in wide for c in "*?"):
        return wide == narrow
    cut = min((narrow.index(c) for c in "*?" if c in narrow), default=len(narrow))
    # whatever a glob matches begins with what stands before its first wildcard
    literal = narrow[:cut]
    return literal.startswith(wide) and (
        wide.endswith("/") or literal[len(wide) :].startswith("/") or (cut == len(narrow) and literal == wide)
    )


def _covers_type(wide: str, narrow: str) -> bool:
    return wide == narrow or (wide.endswith("/*") and narrow.startswith(wide[:-1]))


def _covers_request(wide: AccessSpec, narrow: AccessSpec) -> bool:
    """What is asked of the request itself."""
    if wide.paths and not (
        narrow.paths and all(any(_covers_path(one, path) for one in wide.paths) for path in narrow.paths)
    ):
        return False
    if wide.content_types and not (
        narrow.content_types
        and all(
            any(_covers_type(one.lower(), kind.lower()) for one in wide.content_types) for kind in narrow.content_types
        )
    ):
        return False
    if wide.response_types or wide.response_over is not None or wide.response_upto is not None:
        # asked later than the other: no proof
        return wide == narrow
    if wide.size_over is not None and (narrow.size_over is None or narrow.size_over < wide.size_over):
        return False
    return wide.size_upto is None or (narrow.size_upto is not None and narrow.size_upto <= wide.size_upto)


def covers(wide: AccessSpec, narrow: AccessSpec) -> bool:
    """Whether every request that matches `narrow` is shown to match `wide`."""
    return (
        covers_texts(wide.methods, narrow.methods)
        and covers_texts(wide.schemes, narrow.schemes)
        and _covers_ports(wide.ports, narrow.ports)
        and covers_clients(wide.clients, narrow.clients, wide.client_lists, narrow.client_lists)
        and covers_clients(wide.addresses, narrow.addresses, wide.address_lists, narrow.address_lists)
        and covers_names(wide.users, narrow.users)
        and covers_texts(wide.groups, narrow.groups)
        and covers_place(wide.place, narrow.place)
        and covers_place(wide.target_place, narrow.target_place)
        and (not wide.windows or (bool(narrow.windows) and set(narrow.windows) <= set(wide.windows)))
        and _covers_request(wide, narrow)
        and _covers_hosts(wide, narrow)
    )


def find_covered(rules: Sequence[AccessSpec]) -> list[tuple[int, int]]:
    """Rules that an earlier one takes everything from: (number, number of the first such earlier rule).

    A dry rule takes nothing from those after it.
    """
    filed: dict[str, list[int]] = {}
    found = []
    for number, rule in enumerate(rules):
        keys = [host_key(host) for host in rule.hosts] + [f"\n{name}" for name in rule.host_lists]
        first = keys[0] if keys else "*"
        above = host_keys_above(first) if not first.startswith("\n") else iter((first, "*"))
        earlier = sorted({other for key in above for other in filed.get(key, ())[:MOST_CANDIDATES]})
        by = next((other for other in earlier if covers(rules[other], rule)), None)
        if by is not None:
            found.append((number, by))
        elif not rule.dry_run:
            for key in dict.fromkeys(keys or ["*"]):
                filed.setdefault(key, []).append(number)
    return found


def why_never(rule: AccessSpec, *, bridged: bool) -> str | None:
    """Why no request at all fits a rule; None: some may. `bridged`: TLS is opened on this listener."""
    schemes = set(rule.schemes or ("http", "https", "tunnel"))
    if not bridged and schemes == {"https"}:
        return "the scheme `https` is that of requests inside bridged TLS, and nothing is bridged here"
    if rule.methods:
        tunnels = {method for method in rule.methods if method in _CONTENT_METHODS}
        if schemes == {"tunnel"} and not tunnels:
            return "tunnels are asked for with CONNECT, which is not among `methods`"
        if "tunnel" not in schemes and set(rule.methods) == tunnels:
            return "what is asked for with these `methods` is a tunnel, which is not among `schemes`"
        if set(rule.methods) == tunnels:
            schemes &= {"tunnel"}
    asked = "`path`" if rule.paths else "`content_types`" if rule.content_types else ""
    if rule.size_over is not None or rule.size_upto is not None:
        asked = asked or "`size`"
    if rule.response_types or rule.response_over is not None or rule.response_upto is not None:
        asked = asked or "`response`"
    if asked and schemes == {"tunnel"}:
        return f"nobody looks into a tunnel: it has no {asked} that could be seen"
    return None
