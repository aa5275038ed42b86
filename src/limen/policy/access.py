"""Access rules of a forward listener: from the configuration, or the safe ones for a listener that has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from limen.policy.places import compile_place
from limen.policy.schedule import window_of
from limen.policy.specs import AccessSpec

if TYPE_CHECKING:
    from limen.config.models.access import Condition, ContentSize, Rule
    from limen.config.models.forward import Forward

PRIVATE_CLIENTS = (
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)
"""Who may use a forward proxy that names no clients: loopback, RFC 1918, ULA, link-local. Not 100.64.0.0/10: behind a
carrier's NAT sit its other customers. The engine's `is_private_client` is the same set."""

PLAIN_PORTS = ((80, 80), (443, 443), (1025, 65535))
TUNNEL_PORTS = ((443, 443),)


DATAGRAM_PORTS = ((53, 53), (443, 443))
"""Name servers and HTTP/3."""


def default_access(*, socks: bool = False) -> list[AccessSpec]:
    """Private clients may CONNECT to port 443, and send other methods to 80, 443 and 1025-65535.

    With `socks` they may send datagrams to 53 and 443, and let any peer connect to them.
    """
    ways = [
        AccessSpec(True, "default-datagrams", PRIVATE_CLIENTS, ports=DATAGRAM_PORTS, methods=("UDP",)),
        AccessSpec(False, "default-datagram-ports", methods=("UDP",)),
        AccessSpec(True, "default-bind", PRIVATE_CLIENTS, methods=("BIND",)),
    ]
    return [
        *(ways if socks else ()),
        AccessSpec(True, "default-tunnel", PRIVATE_CLIENTS, ports=TUNNEL_PORTS, methods=("CONNECT",)),
        AccessSpec(False, "default-tunnel-ports", methods=("CONNECT",)),
        AccessSpec(True, "default-plain", PRIVATE_CLIENTS, ports=PLAIN_PORTS),
    ]


def compile_access(forward: Forward) -> list[AccessSpec]:
    """The rules of a forward listener in order; the last word, if none matches, is deny."""
    if forward.access is None:
        return default_access(socks=forward.socks is not None)
    return [_compile_rule(rule) for rule in forward.access]


def _response_size(condition: Condition) -> ContentSize | None:
    return condition.response.size if condition.response is not None else None


def _compile_rule(rule: Rule) -> AccessSpec:
    condition = rule.condition
    return AccessSpec(
        allow=rule.allow is not None,
        name=rule.name or "",
        clients=condition.clients or (),
        client_lists=condition.client_lists or (),
        address_lists=condition.address_lists or (),
        users=condition.users or (),
        groups=condition.groups or (),
        hosts=condition.hosts or (),
        addresses=condition.addresses or (),
        ports=tuple((ports.first, ports.last) for ports in condition.ports or ()),
        methods=condition.methods or (),
        windows=tuple(window_of(times) for times in condition.times or ()),
        place=compile_place(condition),
        target_place=compile_place(condition.target) if condition.target is not None else None,
        host_lists=condition.host_lists or (),
        schemes=condition.schemes or (),
        paths=condition.path or (),
        content_types=condition.content_types or (),
        size_over=condition.size.over if condition.size is not None else None,
        size_upto=condition.size.upto if condition.size is not None else None,
        response_types=(condition.response.content_types or ()) if condition.response is not None else (),
        response_over=size.over if (size := _response_size(condition)) is not None else None,
        response_upto=size.upto if size is not None else None,
        dry_run=rule.dry_run,
        egress=rule.egress,
    )
