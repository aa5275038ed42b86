"""Matchers as values: when does one condition hold wherever another one does?

Every function here is sound and incomplete: True is a proof, False means "not shown".
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network

from limen.engine.addresses import canonical_host
from limen.engine.tables import normal_path, normal_pattern
from limen.policy.places import covers_place
from limen.policy.specs import CertificateCondition, CertificateSpec, Condition, PathKind, RouteSpec

PathKey = tuple[PathKind, str]


def host_key(host: str) -> str:
    """The canonical text of a host condition; `*` is any host."""
    if host == "*":
        return host
    return "*." + canonical_host(host[2:])[0] if host.startswith("*.") else canonical_host(host)[0]


def host_keys_above(key: str) -> Iterator[str]:
    """The host conditions that cover the one of `key`: itself, `*.suffix` of each parent, and `*`."""
    yield key
    if key != "*":
        labels = key.split(".")
        # The parents of *.a.b are *.a.b (yielded) and *.b; those of x.a.b are *.a.b and *.b.
        yield from ("*." + ".".join(labels[i:]) for i in range(2 if labels[0] == "*" else 1, len(labels)))
        yield "*"


def covers_hosts(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    """Whether each host that `narrow` takes is taken by `wide`; an empty tuple takes all."""
    if not wide:
        return True
    keys = {host_key(host) for host in wide}
    if not narrow:
        return "*" in keys
    return all(any(key in keys for key in host_keys_above(host_key(host))) for host in narrow)


def path_key(spec: RouteSpec) -> PathKey:
    """Kind and normal form of a spec's path."""
    if spec.path_kind in (PathKind.PREFIX, PathKind.EXACT):
        return spec.path_kind, normal_path(spec.path).decode()
    if spec.path_kind is PathKind.PATTERN:
        return spec.path_kind, normal_pattern(spec.path).decode()
    return spec.path_kind, "" if spec.path_kind is PathKind.NONE else spec.path


def path_keys_above(key: PathKey) -> Iterator[PathKey]:
    """The path conditions that are known to cover the one of `key`."""
    kind, path = key
    yield key
    if kind is PathKind.NONE:
        return
    yield (PathKind.NONE, "")
    if kind is PathKind.REGEX:
        return
    if kind is PathKind.PATTERN:
        # Whatever matches a glob begins with its literal directory.
        cut = min((path.index(c) for c in "*?" if c in path), default=len(path))
        path = path[: path.rfind("/", 0, cut) + 1]
    for end in range(1, len(path) + 1):
        ends_segment = end == len(path) or path[end] == "/"
        # "/a" as a prefix also takes "/a" itself; a glob's directory ends with its slash, so that "/a/*" is not
        # mistaken for something that "/ab" covers.
        if path[end - 1] == "/" or ends_segment:
            yield (PathKind.PREFIX, path[:end])


def covers_conditions(wide: tuple[Condition, ...], narrow: tuple[Condition, ...], *, fold: bool) -> bool:
    """Whether `narrow` implies each condition of `wide` on fields (`fold`: names in any case) or the query."""
    given = {(name.lower() if fold else name, value) for name, value in narrow}
    with_value = {name for name, value in given if value is not False}
    for name, value in wide:
        folded = name.lower() if fold else name
        if (folded, value) not in given and not (value is True and folded in with_value):
            return False
    return True


def covers_clients(
    wide: tuple[str, ...], narrow: tuple[str, ...], wide_lists: tuple[str, ...] = (), narrow_lists: tuple[str, ...] = ()
) -> bool:
    """Whether each network of `narrow` lies within one of `wide`, and each of its lists stands there, too."""
    if not wide and not wide_lists:
        return True
    if (not narrow and not narrow_lists) or not set(narrow_lists) <= set(wide_lists):
        return False
    networks = [_network(text) for text in wide]
    return all(any(_within(_network(text), network) for network in networks) for text in narrow)


def _network(text: str) -> IPv4Network | IPv6Network:
    """The network as AddressSet takes it: IPv4-mapped IPv6 is IPv4, and no other IPv6 network takes any IPv4."""
    network = ip_network(text, strict=False)
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped and network.prefixlen >= 96:
        return IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - 96))
    return network


def _within(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)


def covers_certificate(wide: CertificateCondition, narrow: CertificateCondition) -> bool:
    """Whether `narrow` implies the condition of `wide` on the client's certificate."""
    return wide is None or wide == narrow or (wide is True and isinstance(narrow, CertificateSpec))


def covers_texts(wide: tuple[str, ...] | None, narrow: tuple[str, ...] | None) -> bool:
    """Whether each text or pattern of `narrow` stands in `wide`; None and an empty tuple take all."""
    return not wide or (bool(narrow) and set(narrow or ()) <= set(wide))


def covers_names(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    """The same for names of identities, where `*` takes whoever is known."""
    return not wide or (bool(narrow) and ("*" in wide or set(narrow) <= set(wide)))


def covers(wide: RouteSpec, narrow: RouteSpec) -> bool:
    """Whether every request that matches `narrow` is shown to match `wide`."""
    return (
        (not wide.methods or (bool(narrow.methods) and set(narrow.methods) <= set(wide.methods)))
        and covers_conditions(wide.fields, narrow.fields, fold=True)
        and covers_conditions(wide.query, narrow.query, fold=False)
        and covers_clients(wide.clients, narrow.clients, wide.client_lists, narrow.client_lists)
        and covers_certificate(wide.certificate, narrow.certificate)
        and covers_texts(wide.ja4, narrow.ja4)
        and covers_place(wide.place, narrow.place)
        and covers_names(wide.users, narrow.users)
        and covers_texts(wide.groups, narrow.groups)
        and covers_hosts(wide.hosts, narrow.hosts)
        and path_key(wide) in path_keys_above(path_key(narrow))
    )
