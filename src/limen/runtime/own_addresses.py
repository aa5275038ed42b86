"""The own listeners' addresses, which are nobody's target."""

from __future__ import annotations

import contextlib
import socket
from ipaddress import ip_address

from limen.config.addresses import Address


class _Own:
    """Whether an address is one of ours, for one port."""

    def __init__(self) -> None:
        self._addresses: set[str] = set()
        self._wildcard = False

    def add(self, address: Address) -> None:
        if address.is_wildcard:
            self._wildcard = True
        elif address.ip is not None:
            self._addresses.add(str(ip_address(str(address.ip))))

    def matches(self, ip: str) -> bool:
        """Bound to exactly this address, or to all and the address is this machine's.

        The kernel takes a connection to 0.0.0.0 or :: as one to loopback: never a target where we listen.
        """
        if ip_address(ip).is_unspecified:
            return True
        return ip in self._addresses or (self._wildcard and _is_local(ip))


def _is_local(ip: str) -> bool:
    """Whether this machine has the address: the kernel lets only its own be bound."""
    address = ip_address(ip)
    if address.is_loopback or address.is_unspecified:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.bind((ip, 0))
        return True
    return False


def own_addresses(addresses: tuple[str, ...]) -> dict[int, _Own]:
    """Own listeners by port, from `host:port` texts; unix sockets are no targets."""
    found: dict[int, _Own] = {}
    for text in addresses:
        if text.startswith("unix:"):
            continue
        host, _, port = text.rpartition(":")
        address = Address(host=host.strip("[]"), port=int(port))
        found.setdefault(address.port, _Own()).add(address)
    return found
