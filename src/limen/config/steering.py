"""Checks of what steers exchanges: cookies without keys or effect, conditions on places that nothing knows of."""

from __future__ import annotations

from collections.abc import Iterator

from limen.config.findings import Finding
from limen.config.models.balance import NEAREST
from limen.config.models.root import Config
from limen.config.models.steering import SetCookie
from limen.config.positions import Path
from limen.config.refusal import shown
from limen.config.scalars import near

_KEYLESS = (
    "has no `key`: one is made at the start, so that a restart or another machine gives its clients other endpoints"
)


def cookies(config: Config) -> Iterator[Finding]:
    """Cookies that do not outlive a restart, that two upstreams take from each other, or that nobody can send."""
    yield from _sticky(config)
    for number, listener in enumerate(config.listeners):
        for index, route in enumerate(listener.routes or ()):
            if route.split is not None and route.split.cookie is not None:
                yield from _keyless(("listeners", number, "routes", index, "split", "cookie"), route.split.cookie)


def _sticky(config: Config) -> Iterator[Finding]:
    opaque = set(_opaque_uses(config))
    taken: dict[str, str] = {}
    for name, upstream in config.upstreams.items():
        if upstream.sticky is None:
            continue
        at, cookie = ("upstreams", name, "sticky"), upstream.sticky.cookie
        yield from _keyless((*at, "cookie"), cookie)
        if name in opaque:
            message = "`sticky` has no effect on the bytes of a stream: they have no cookies"
            yield Finding(at, message, "write `balance: {hash: client}`", warning=True, key=True)
        if upstream.balance.policy == "hash":
            message = "`sticky` beside `hash`: the key only decides for clients without a cookie"
            yield Finding(at, message, "keep one of both", warning=True, key=True)
        if cookie.name is not None and cookie.name in taken:
            message = f"the upstreams {shown(taken[cookie.name])} and {shown(name)} set the same cookie"
            hint = "clients of both lose their endpoint each time they change: give it another name"
            yield Finding((*at, "cookie"), message, hint, warning=True)
        taken.setdefault(cookie.name or "", name)


def _opaque_uses(config: Config) -> Iterator[str]:
    for listener in config.listeners:
        if listener.stream is not None and listener.stream.upstream is not None:
            yield listener.stream.upstream
        yield from (opaque.upstream for _, _, opaque in listener.opaque_routes())


def _keyless(path: Path, cookie: SetCookie) -> Iterator[Finding]:
    if cookie.key is None:
        yield Finding(path, f"the cookie {_KEYLESS}", "key: ${NAME}, from the environment", warning=True)


def places(config: Config) -> Iterator[Finding]:
    """Conditions on the client's place without `places`, or on regions that no client is in."""
    known = config.places.region_names() if config.places is not None else frozenset()
    for path, regions in _conditions(config):
        if config.places is None:
            message = "nothing is known of where clients are: there are no `places`"
            yield Finding(path, message, "name an MMDB file or networks: `places: {mmdb: GeoLite2-Country.mmdb}`")
            continue
        for region in regions:
            if region not in known:
                hint = near(region, tuple(sorted(known))) or "name it in `places`"
                yield Finding(path, f"no client is in the region {shown(region)}", hint, warning=True)


def _conditions(config: Config) -> Iterator[tuple[Path, tuple[str, ...]]]:
    for number, listener in enumerate(config.listeners):
        found = [
            (("listeners", number, "routes", index, "match"), route.match)
            for index, route in enumerate(listener.routes or ())
        ]
        rules = (listener.forward.access or ()) if listener.forward is not None else ()
        for path, match in found:
            for key in ("country", "continent", "asn", "region"):
                if getattr(match, key) is not None:
                    yield (*path, key), match.region or () if key == "region" else ()
        for index, rule in enumerate(rules):
            verdict = "allow" if rule.allow is not None else "deny"
            for key in ("country", "continent", "asn", "region"):
                if getattr(rule.condition, key) is not None:
                    regions = rule.condition.region or () if key == "region" else ()
                    yield ("listeners", number, "forward", "access", index, verdict, key), regions
            if rule.condition.target is not None:
                yield (
                    ("listeners", number, "forward", "access", index, verdict, "target"),
                    rule.condition.target.region or (),
                )


def nearness(config: Config) -> Iterator[Finding]:
    """`nearest` where nothing is known of clients or of endpoints, and orders of regions that nobody has."""
    known = config.places.region_names() if config.places is not None else frozenset()
    for name, upstream in config.upstreams.items():
        if upstream.balance.policy != NEAREST:
            continue
        at = ("upstreams", name, "balance")
        if config.places is None:
            message = "`nearest` needs `places`: nothing is known of where clients are"
            yield Finding(at, message, "name an MMDB file or networks: `places: {mmdb: GeoLite2-City.mmdb}`")
        if upstream.discover is not None:
            # what its endpoints will say is not known yet
            continue
        if not any(endpoint.region or endpoint.at for endpoint in upstream.endpoints):
            hint = "give the endpoints `region`, or `at: [latitude, longitude]`"
            yield Finding(("upstreams", name, "endpoints"), "`nearest`: no endpoint says where it is", hint, key=True)
        regions = {endpoint.region for endpoint in upstream.endpoints}
        for region, order in upstream.balance.order.items():
            if config.places is not None and region not in known:
                hint = near(region, tuple(sorted(known))) or "name it in `places`"
                yield Finding((*at, "order", region), f"no client is in the region {shown(region)}", hint, warning=True)
            for number, other in enumerate(order):
                if other not in regions:
                    message = f"no endpoint is in the region {shown(other)}"
                    hint = near(other, tuple(sorted(one for one in regions if one)))
                    yield Finding((*at, "order", region, number), message, hint, warning=True)
