"""Endpoints from the DNS: the addresses of a name, or its SRV records with the addresses of their targets.

A family of addresses that nobody answers for keeps its last ones: half an answer takes nothing away.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from limen.config.addresses import Address
from limen.config.listing import Listing
from limen.config.models.discover import DnsSource, SrvSource
from limen.egress.discovery.source import Found, SourceFailed
from limen.egress.lookup import Service
from limen.egress.resolver import Resolver
from limen.errors import ConfigErrors
from limen.faults import FaultNumber

_FAMILIES = {"any": (6, 4), "ipv4": (4,), "ipv6": (6,)}
# Targets of SRV records that are looked up at a time.
_AT_ONCE = 32
_LAST_PRIORITY = 127


@dataclass(slots=True)
class _Answered:
    """What the look-ups of one look had in common."""

    ttl: float = float("inf")
    doubts: list[str] = field(default_factory=list)
    certain: bool = False
    """Somebody answered."""


class _Names:
    """The addresses of names, with those of the last look where nobody answers now."""

    def __init__(self, resolver: Resolver, family: str, most: int) -> None:
        self._resolver = resolver
        self._families = _FAMILIES[family]
        self._most = most
        self._known: dict[tuple[str, int], tuple[str, ...]] = {}

    async def addresses(self, name: str, answered: _Answered) -> list[str]:
        """In a stable order; of a family that nobody answers for those of the last time."""
        answers = await asyncio.gather(
            *(self._resolver.ask(name, family, most=self._most + 1) for family in self._families)
        )
        found: list[str] = []
        for family, answer in zip(self._families, answers, strict=True):
            if answer.certain:
                answered.certain = True
                self._known[name, family] = answer.addresses
                answered.ttl = min(answered.ttl, answer.ttl)
            else:
                kind = "AAAA" if family == 6 else "A"
                answered.doubts.append(f"no answer about {kind} of {name} ({_reason(answer.fault)})")
                answered.ttl = 0
            found += self._known.get((name, family), ())
        return sorted(found, key=_order)

    def only(self, addresses: Iterable[str]) -> list[str]:
        """Those of the families that are wanted."""
        return sorted((one for one in addresses if (6 if ":" in one else 4) in self._families), key=_order)

    def keep(self, names: Iterable[str]) -> None:
        """Forgets all others."""
        kept = set(names)
        self._known = {key: addresses for key, addresses in self._known.items() if key[0] in kept}


class AddressSource:
    """The addresses of one name, each an endpoint."""

    def __init__(self, settings: DnsSource, resolver: Resolver, listing: Listing, *, most: int, tls: bool) -> None:
        """With `tls` the name stands for the addresses there."""
        self.text = f"dns {settings.address}" + (f" {settings.family}" if settings.family != "any" else "")
        self.patience = resolver.negative_ttl
        self._where = settings.address
        self._names = _Names(resolver, settings.family, most)
        self._resolver = resolver
        self._listing = listing
        self._tls = tls

    async def look(self) -> Found:
        """See Source."""
        answered = _Answered()
        addresses = await self._names.addresses(self._where.host, answered)
        if answered.doubts and not (answered.certain and addresses):
            raise SourceFailed("; ".join(answered.doubts))
        named = {"server_name": self._where.host} if self._tls else {}
        written: list[dict[str, object]] = [
            {"address": str(Address(one, self._where.port)), **named} for one in addresses
        ]
        return _found(written, answered, self._listing, self._resolver)

    async def close(self) -> None:
        """See Source."""
        await self._resolver.close()


class ServiceSource:
    """The SRV records of one name: an endpoint for each address of each target."""

    def __init__(self, settings: SrvSource, resolver: Resolver, listing: Listing, *, most: int, tls: bool) -> None:
        """With `tls` the target stands for its addresses there."""
        self.text = f"srv {settings.name}" + (f" {settings.family}" if settings.family != "any" else "")
        self.patience = resolver.negative_ttl
        self._name = settings.name
        self._names = _Names(resolver, settings.family, most)
        self._most = most
        self._resolver = resolver
        self._listing = listing
        self._tls = tls

    async def look(self) -> Found:
        """See Source."""
        answer = await self._resolver.ask_services(self._name)
        if not answer.certain:
            raise SourceFailed(f"no answer about SRV of {self._name} ({_reason(answer.fault)})")
        if len(answer.services) > self._most:
            raise SourceFailed(f"more than {self._most} services")
        answered = _Answered(ttl=answer.ttl)
        offered = [service for service in answer.services if service.target]
        targets = await self._resolved({service.target for service in offered}, answer.additional, answered)
        priorities = _priorities(offered)
        written: list[dict[str, object]] = [
            {
                "address": str(Address(address, service.port)),
                # RFC 2782: 0 is a very small chance, but a chance
                "weight": max(1, service.weight),
                "priority": priorities[service.priority],
                **({"server_name": service.target} if self._tls else {}),
            }
            for service in sorted(offered, key=lambda one: (one.priority, one.target, one.port, -one.weight))
            for address in targets[service.target]
        ]
        return _found(written, answered, self._listing, self._resolver)

    async def _resolved(
        self, targets: set[str], additional: Mapping[str, Sequence[str]], answered: _Answered
    ) -> Mapping[str, list[str]]:
        """The addresses of all targets: those that came along, or else asked for."""
        found = {target: self._names.only(additional.get(target, ())) for target in targets}
        slots = asyncio.Semaphore(_AT_ONCE)

        async def ask(target: str) -> None:
            async with slots:
                found[target] = await self._names.addresses(target, answered)

        self._names.keep(targets)
        await asyncio.gather(*(ask(target) for target in sorted(targets) if not found[target]))
        if targets and not any(found.values()):
            raise SourceFailed("; ".join(answered.doubts[:3]) or f"no target of {self._name} has an address")
        return found

    async def close(self) -> None:
        """See Source."""
        await self._resolver.close()


def _found(written: list[dict[str, object]], answered: _Answered, listing: Listing, resolver: Resolver) -> Found:
    try:
        endpoints = listing.plain(written)
    except ConfigErrors as errors:
        raise SourceFailed(str(errors)) from None
    ttl = resolver.within(answered.ttl)
    if not endpoints or answered.doubts:
        ttl = min(ttl, max(resolver.negative_ttl, resolver.within(0)))
    return Found(endpoints, ttl, "; ".join(answered.doubts[:3]))


def _priorities(services: Sequence[Service]) -> Mapping[int, int]:
    """Priorities of ours: theirs if they fit, else their order."""
    used = sorted({service.priority for service in services})
    if not used or used[-1] <= _LAST_PRIORITY:
        return {priority: priority for priority in used}
    return {priority: min(number, _LAST_PRIORITY) for number, priority in enumerate(used)}


def _order(address: str) -> tuple[int, int]:
    parsed = ipaddress.ip_address(address)
    return parsed.version, int(parsed)


def _reason(fault: int) -> str:
    return "too late" if fault == FaultNumber.DNS_TIMEOUT else "refused or malformed"
