"""Checks of who may come in: open proxies, trust in anybody, an admin address for all."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from limen.config.addresses import Address
from limen.config.findings import Finding
from limen.config.models.access import Rule
from limen.config.models.forward import Forward
from limen.config.models.root import Config
from limen.config.positions import Path

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

EVERYBODY: tuple[Network, ...] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
NEAR: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)
"""Networks whose clients are near: loopback, private (RFC 1918, RFC 4193) and link-local. Not 100.64.0.0/10 (RFC 6598):
behind the NAT of a carrier sit its other customers."""


def is_public(bind: Address) -> bool:
    """Whether clients from everywhere may reach a bound address; a name could be anything, so it counts as public."""
    if bind.is_loopback:
        return False
    ip = bind.ip
    return ip is None or not any(ip in network for network in NEAR if network.version == ip.version)


def open_proxies(config: Config) -> Iterator[Finding]:
    """Forward listeners on public addresses whose access lets clients in from beyond private networks."""
    for number, listener in enumerate(config.listeners):
        forward = listener.forward
        if forward is None:
            continue
        path: Path = ("listeners", number, "forward")
        if forward.access == ():
            yield Finding((*path, "access"), "no rule allows anything", "add a rule, or leave `access` out", True, True)
        wide = opens_at(forward)
        if wide is None or not is_public(listener.bind):
            continue
        where = (*path, "access", wide)
        if forward.open:
            yield Finding(
                where, f"an open proxy: {listener.bind} serves clients from everywhere", "as asked by `open`", True
            )
        else:
            message = f"an open proxy: on {listener.bind} this rule allows clients beyond private addresses"
            yield Finding(where, message, "name their networks in `clients`, or say `open: true` in `forward`")


def opens_at(forward: Forward) -> int | None:
    """The number of the first rule that allows clients beyond private networks; None if no rule does."""
    if forward.identity is not None and forward.identity.required:
        # nobody comes in unknown
        return None
    denied: list[Network] = list(NEAR)
    for number, rule in enumerate(forward.access or ()):
        networks = _clients(rule)
        if rule.deny is not None:
            if not _has_other_conditions(rule):
                denied += networks
        elif (
            rule.condition.users is None
            and rule.condition.groups is None
            and any(_remains(network, denied) for network in networks)
        ):
            return number
    return None


def _clients(rule: Rule) -> list[Network]:
    clients = rule.condition.clients
    return list(EVERYBODY) if clients is None else [ipaddress.ip_network(text) for text in clients]


def _has_other_conditions(rule: Rule) -> bool:
    condition = rule.condition
    others = (condition.hosts, condition.addresses, condition.ports, condition.methods, condition.times)
    return any(other is not None for other in (*others, condition.users, condition.groups))


def _remains(network: Network, denied: list[Network]) -> bool:
    """Whether anything of a network is left once the denied ones are taken off."""
    same = [other for other in denied if other.version == network.version]
    if any(network.subnet_of(other) for other in same):  # type: ignore[arg-type]
        return False
    inside = ipaddress.collapse_addresses(other for other in same if other.subnet_of(network))  # type: ignore[arg-type, type-var]
    return sum(other.num_addresses for other in inside) < network.num_addresses


def unknown_proxies(config: Config) -> Iterator[Finding]:
    """PAC files that would name an address at which nobody is reached."""
    for number, listener in enumerate(config.listeners):
        forward = listener.forward
        if forward is None or forward.pac is None or forward.pac.proxies is not None:
            continue
        if listener.bind.path or listener.bind.is_wildcard:
            path = ("listeners", number, "forward", "pac")
            message = f"which address of {listener.bind} clients reach is not known"
            yield Finding(path, message, "name it in `proxies`, such as http://proxy.example:3128")


def wide_trust(config: Config) -> Iterator[Finding]:
    """Trust in anybody: then every client can claim any address."""
    for number, listener in enumerate(config.listeners):
        senders = listener.proxy_protocol.from_ if listener.proxy_protocol else ()
        for path, networks, what in (
            (("trusted",), listener.trusted, "forwarded fields"),
            (("proxy_protocol", "from"), senders, "the PROXY protocol"),
        ):
            for index, text in enumerate(networks):
                if ipaddress.ip_network(text) in EVERYBODY:
                    message = f"{text} believes {what} of everybody, so that any client can claim any address"
                    where = ("listeners", number, *path, index)
                    yield Finding(where, message, "name the networks of your load balancers", warning=True)


def open_admin(config: Config) -> Iterator[Finding]:
    """An admin address that others than this machine reach: useless without credentials, and in the clear with them."""
    if config.admin is None or config.admin.bind.is_loopback:
        return
    message = f"the admin address {config.admin.bind} can be reached from other machines"
    hint = f"did you mean 127.0.0.1:{config.admin.bind.port}?"
    if config.admin.demands_credentials:
        yield Finding(("admin", "bind"), f"{message}, and credentials travel to it unencrypted", hint, warning=True)
    else:
        hint = f"{hint} Otherwise name `users` or a `token`"
        yield Finding(("admin", "bind"), f"{message}, and has no login: they are refused", hint, warning=True)
