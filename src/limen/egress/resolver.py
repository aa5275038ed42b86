"""The resolver: host names to addresses, for a whole worker.

The order of a resolution: address literal, localhost (RFC 6761), hosts file, cache, a lookup that is
already under way, then A and AAAA asked in parallel. Names are absolute: search domains are never
tried, since a client of a proxy must not reach other names than it wrote.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from limen.egress.hosts import Hosts, Servers, WatchedFile, parse_hosts, parse_resolv, parse_server
from limen.egress.lookup import Answer, Server, Services, look_up, look_up_services
from limen.egress.sealed import SealedServer, sealed_servers
from limen.faults import FaultNumber

if TYPE_CHECKING:
    from limen.config.models.resolver import Resolver as Settings

#: Names kept, the least recently used go first.
CACHE_SIZE = 10_000
#: Names looked up at a time; each needs two sockets. Others wait within their own timeout.
MAX_LOOKUPS = 256
#: How long the second family is waited for once the first has come (RFC 8305, section 3), seconds.
SECOND_FAMILY = 0.05

_LOCAL_SERVER: Servers = (("127.0.0.1", 53),)  # what an empty resolv.conf means

_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
# "127.1", "0x7f000001": old forms of IPv4 that some libraries read as addresses. No name ends so.
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a name resolved to."""

    addresses: tuple[str, ...]  # IPv6 and IPv4 in turns, IPv6 first; empty with a fault
    ttl: float  # seconds this may be kept from now on, negative answers too
    fault: int = FaultNumber.NONE  # or DNS, DNS_TIMEOUT


class Resolver:
    """Resolves names by the hosts file and DNS servers, with a cache.

    `servers` are `ip[:port]` texts (none: those of /etc/resolv.conf); `timeout` bounds one resolution;
    `sealed` are asked over TLS or HTTPS, and then nobody else is;
    TTLs are kept within `min_ttl` and `max_ttl`; that a name does not exist is kept for at most
    `negative_ttl`, that nobody answered for as long as `min_ttl` at most (all in seconds). `count` is
    called for every question sent. Raises ValueError for a malformed server.
    """

    def __init__(  # noqa: PLR0913 its settings, by name
        self,
        servers: Sequence[str] = (),
        *,
        sealed: Sequence[SealedServer] = (),
        timeout: float = 5.0,
        min_ttl: float = 5.0,
        max_ttl: float = 3600.0,
        negative_ttl: float = 30.0,
        hosts: bool = True,
        hosts_path: str = "/etc/hosts",
        resolv_path: str = "/etc/resolv.conf",
        count: Callable[[], None] = lambda: None,
    ) -> None:
        self._servers = tuple(parse_server(server) for server in servers)
        self._sealed = tuple(sealed)
        self._resolv: WatchedFile[Servers] = WatchedFile(resolv_path, parse_resolv, empty=())
        self._hosts: WatchedFile[Hosts] | None = WatchedFile(hosts_path, parse_hosts, empty={}) if hosts else None
        self._timeout = timeout
        self._min_ttl = min_ttl
        self._max_ttl = max_ttl
        self._negative_ttl = negative_ttl
        self._count = count
        self._cache: OrderedDict[str, tuple[Resolution, float]] = OrderedDict()  # and when it expires
        self._flights: dict[str, asyncio.Future[Resolution]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(MAX_LOOKUPS)

    async def resolve(self, host: str) -> Resolution:
        """The addresses of `host`: a name with or without its trailing dot, or an address literal.

        Never raises but for cancellation, which leaves the lookup running for others.
        """
        known = self.known(host)
        if known is not None:
            return known
        name = _canonical(host)
        flight = self._flights.get(name)
        if flight is None:
            flight = self._flights[name] = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(self._fly(name, flight), name=f"resolve {name}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(flight)

    def known(self, host: str) -> Resolution | None:
        """What can be said without asking; None if DNS must be asked."""
        name = _canonical(host)
        literal = _literal(name)
        if literal is not None:
            return Resolution((literal,), self._max_ttl)
        if len(name) > 253 or not _NAME.fullmatch(name) or _NUMERIC.fullmatch(name):
            return Resolution((), self._max_ttl, FaultNumber.DNS)
        if self._hosts is not None:
            addresses = self._hosts.read().get(name)
            if addresses:
                return Resolution(_in_turns(addresses), self._min_ttl)
        if name == "localhost" or name.endswith(".localhost"):
            return Resolution(("::1", "127.0.0.1"), self._max_ttl)
        return self._cached(name)

    async def ask(self, host: str, family: int, *, most: int) -> Answer:
        """The addresses of one family (4 or 6) of a name, all of them and from nobody's memory, for discovery.

        Literals, the hosts file and localhost answer as for `resolve`. TTLs are as the servers say.
        """
        name = _canonical(host)
        known = self.known(name) if name not in self._cache else None
        if known is not None:
            addresses = tuple(address for address in known.addresses if (":" in address) == (family == 6))
            return Answer(addresses, known.ttl, known.fault or (0 if addresses else FaultNumber.DNS), certain=True)
        return await look_up(name, family, self._asked(), timeout=self._timeout, count=self._count, most=most)

    async def ask_services(self, name: str) -> Services:
        """The SRV records of a name, likewise."""
        return await look_up_services(_canonical(name), self._asked(), timeout=self._timeout, count=self._count)

    def within(self, ttl: float) -> float:
        """A TTL within the bounds, in seconds."""
        return min(max(ttl, self._min_ttl), self._max_ttl)

    @property
    def negative_ttl(self) -> float:
        """Longest time in seconds that a failure is kept."""
        return self._negative_ttl

    def forget(self) -> None:
        """Empty the cache."""
        self._cache.clear()

    async def retire(self) -> None:
        """Close when the lookups under way have ended, each within its timeout: another resolver has the new ones."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.close()

    async def close(self) -> None:
        """End the lookups under way; whoever waits for one gets DNS_TIMEOUT."""
        for server in self._sealed:
            server.end()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for server in self._sealed:
            await server.close()

    def __repr__(self) -> str:
        return f"<Resolver: {len(self._cache)} names kept, {len(self._flights)} being asked for>"

    def _cached(self, name: str) -> Resolution | None:
        entry = self._cache.get(name)
        if entry is None:
            return None
        resolution, expires = entry
        left = expires - time.monotonic()
        if left <= 0:
            del self._cache[name]
            return None
        self._cache.move_to_end(name)
        return replace(resolution, ttl=left)

    def _keep(self, name: str, resolution: Resolution) -> None:
        self._cache[name] = (resolution, time.monotonic() + resolution.ttl)
        self._cache.move_to_end(name)
        while len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)

    async def _fly(self, name: str, flight: asyncio.Future[Resolution]) -> None:
        try:
            async with asyncio.timeout(self._timeout), self._slots:
                await self._look_up(name, flight)
        except TimeoutError:
            pass
        finally:
            self._land(name, flight, Resolution((), min(self._min_ttl, self._negative_ttl), FaultNumber.DNS_TIMEOUT))

    def _asked(self) -> Sequence[Server]:
        if self._sealed:
            # in their order, but for those that failed just now
            return sorted(self._sealed, key=lambda server: server.failing)
        return self._servers or self._resolv.read() or _LOCAL_SERVER

    async def _look_up(self, name: str, flight: asyncio.Future[Resolution]) -> None:
        servers = self._asked()
        # A little earlier than the flight's own end, so that its answer is the one that is told.
        timeout = self._timeout * 0.98
        lookups = [
            asyncio.create_task(look_up(name, family, servers, timeout=timeout, count=self._count)) for family in (6, 4)
        ]
        try:
            done, waiting = await asyncio.wait(lookups, return_when=asyncio.FIRST_COMPLETED)
            if waiting and any(task.result().addresses for task in done):
                done, waiting = await asyncio.wait(lookups, timeout=SECOND_FAMILY)
                if waiting:  # go on with one family; the other completes the cache when it comes
                    partial = self._join([task.result() for task in done])
                    self._land(name, flight, replace(partial, ttl=min(partial.ttl, self._min_ttl)))
            answers = await asyncio.gather(*lookups)
            self._land(name, flight, self._join(answers))
        finally:
            for task in lookups:
                task.cancel()

    def _land(self, name: str, flight: asyncio.Future[Resolution], resolution: Resolution) -> None:
        """Keep a resolution, and give it to who waits. A later, fuller one replaces what is kept."""
        if flight.done():
            if resolution.addresses:
                self._keep(name, resolution)
            return
        self._keep(name, resolution)
        self._flights.pop(name, None)
        flight.set_result(resolution)

    def _join(self, answers: Sequence[Answer]) -> Resolution:
        found = [answer for answer in answers if answer.addresses]
        if not found:
            # That a family has no address says something; silence about the other one says more.
            fault = max(answer.fault for answer in answers)
            ttl = min(answer.ttl if answer.certain else self._min_ttl for answer in answers)
            return Resolution((), min(max(ttl, self._min_ttl), self._negative_ttl), fault)
        ttl = min(answer.ttl for answer in found)
        if not all(answer.certain for answer in answers):
            ttl = min(ttl, self._negative_ttl)  # half of it is missing: ask again soon
        addresses = _in_turns(tuple(chain.from_iterable(answer.addresses for answer in found)))
        return Resolution(addresses, min(max(ttl, self._min_ttl), self._max_ttl))


def resolver_of(settings: Settings) -> Resolver:
    """The resolver that a section of the configuration describes."""
    sealed = sealed_servers(settings)
    return Resolver(
        () if sealed else [str(server) for server in settings.servers],
        sealed=sealed,
        timeout=settings.timeout,
        min_ttl=settings.min_ttl,
        max_ttl=settings.max_ttl,
        negative_ttl=settings.negative_ttl,
        hosts=settings.hosts,
    )


def _canonical(host: str) -> str:
    return host.lower().removesuffix(".")


def _literal(name: str) -> str | None:
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    try:
        return str(ipaddress.ip_address(name)) if "%" not in name else None
    except ValueError:
        return None


def _in_turns(addresses: Sequence[str]) -> tuple[str, ...]:
    """IPv6 and IPv4 alternating, IPv6 first (RFC 8305, section 4), otherwise in the given order."""
    newer = [address for address in addresses if ":" in address]
    older = [address for address in addresses if ":" not in address]
    return tuple(address for pair in zip_longest(newer, older) for address in pair if address)
